"""LiteLLM's parameters for a request: the client's fields and those of the model's provider."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from routerbench.errors import InputError
from routerbench.serving.providers import PRICES

# Fields that LiteLLM translates for every provider or refuses.
_FIELDS = frozenset(
    {
        *("messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions"),
        *("function_call", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "modalities"),
        *("prediction", "audio", "presence_penalty", "frequency_penalty", "logit_bias", "user", "response_format"),
        *("seed", "logprobs", "top_logprobs", "reasoning_effort", "verbosity", "thinking", "top_k"),
        *("web_search_options",),
    }
)
# Further fields of OpenAI's API that do not change the answer. LiteLLM consumes some itself and refuses others for
# providers without them, so they bypass LiteLLM, and no model is skipped because of them.
_ASIDE = frozenset(
    ("store", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier")
)
_LENGTHS = frozenset({"max_tokens", "max_completion_tokens"})  # synonyms
_SPEAK_OPENAI = frozenset({"openai", "azure", "custom_openai", "openrouter"})  # in addition to LiteLLM's own list
_TIMEOUT = 600.0  # seconds per try


def litellm_parameters(body: Mapping[str, Any], provider: Mapping[str, Any]) -> dict[str, Any]:
    """Combine the client's fields with the provider's parameters, which take precedence.

    LiteLLM would interpret any field named like one of its parameters, including addresses, keys and callbacks. A field
    that is not part of OpenAI's API is therefore sent to the provider in the request body, or dropped if the provider
    speaks another protocol.

    Args:
        body: body of the client's request.
        provider: parameters of the model from :func:`routerbench.serving.providers.read_providers`.

    Raises:
        InputError: LiteLLM does not know the provider.
    """
    fixed = {"model", *(_LENGTHS if _LENGTHS & provider.keys() else ())}
    free = {name: value for name, value in body.items() if name not in fixed}
    free |= {name: provider[name] for name in _ASIDE & provider.keys()}
    known = {name: value for name, value in free.items() if name in _FIELDS}
    other = {name: value for name, value in free.items() if name not in _FIELDS} if _speaks_openai(provider) else {}
    extra = {"extra_body": {**other, **provider.get("extra_body", {})}} if other else {}
    # LiteLLM would register prices anew with each call.
    own = {name: value for name, value in provider.items() if name not in PRICES and name not in _ASIDE}
    ours = {
        "timeout": provider.get("timeout", provider.get("request_timeout", _TIMEOUT)),
        "max_retries": 0,
        "num_retries": 0,
        "_skip_mcp_handler": True,  # LiteLLM would run tools of type mcp itself if they have an address of its gateway
    }
    return {**known, **own, **extra, **ours}


def _speaks_openai(provider: Mapping[str, Any]) -> bool:
    litellm, model = load_litellm(), provider["model"]
    try:
        address = provider.get("api_base") or provider.get("base_url")
        _, name, *_ = litellm.get_llm_provider(model, provider.get("custom_llm_provider"), address)
    except litellm.BadRequestError as error:  # which would count as the client's fault
        advice = f"write openai/{model} if it speaks OpenAI's protocol"
        raise InputError(f"LiteLLM knows no provider of {model!r}; {advice}") from error
    return name in _SPEAK_OPENAI or name in litellm.openai_compatible_providers


def load_litellm() -> Any:
    """Import and configure LiteLLM. The first import takes seconds."""
    # Use the price list in the package; LiteLLM would download a newer one on import.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
