"""What LiteLLM is told of a request: the client's fields, and the parameters of the model's provider."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from routerbench.errors import InputError
from routerbench.serving.providers import PRICES

# What LiteLLM translates for every provider, or refuses.
_FIELDS = frozenset(
    {
        *("messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions"),
        *("function_call", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "modalities"),
        *("prediction", "audio", "presence_penalty", "frequency_penalty", "logit_bias", "user", "response_format"),
        *("seed", "logprobs", "top_logprobs", "reasoning_effort", "verbosity", "thinking", "top_k"),
        *("web_search_options",),
    }
)
# OpenAI's, too, but LiteLLM keeps some of them to itself, and refuses others for providers that have none. They do not
# change the answer, so they go around LiteLLM, and no model is passed over for their sake.
_ASIDE = frozenset(
    ("store", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier")
)
_LENGTHS = frozenset({"max_tokens", "max_completion_tokens"})  # two names of one thing
_SPEAK_OPENAI = frozenset({"openai", "azure", "custom_openai", "openrouter"})  # and LiteLLM's own list
_TIMEOUT = 600.0  # seconds of one try


def litellm_parameters(body: Mapping[str, Any], provider: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of LiteLLM: what the client may set, and over that what the provider needs.

    LiteLLM would take any parameter for its own that has its name, other addresses, keys and callbacks among them; so
    what is no field of OpenAI's API goes to the provider as a field of the request's body. In the body of another
    protocol such a field has no place and is dropped.

    Args:
        body: of the client.
        provider: of the model, as :func:`routerbench.serving.providers.read_providers` returns it.

    Raises:
        InputError: LiteLLM does not know the provider.
    """
    fixed = {"model", *(_LENGTHS if _LENGTHS & provider.keys() else ())}
    free = {name: value for name, value in body.items() if name not in fixed}
    free |= {name: provider[name] for name in _ASIDE & provider.keys()}
    known = {name: value for name, value in free.items() if name in _FIELDS}
    other = {name: value for name, value in free.items() if name not in _FIELDS} if _speaks_openai(provider) else {}
    extra = {"extra_body": {**other, **provider.get("extra_body", {})}} if other else {}
    # Prices LiteLLM would register anew with each call.
    own = {name: value for name, value in provider.items() if name not in PRICES and name not in _ASIDE}
    ours = {
        "timeout": provider.get("timeout", provider.get("request_timeout", _TIMEOUT)),
        "max_retries": 0,
        "num_retries": 0,
        "_skip_mcp_handler": True,  # else LiteLLM runs tools of type mcp itself if they have an address of its gateway
    }
    return {**known, **own, **extra, **ours}


def _speaks_openai(provider: Mapping[str, Any]) -> bool:
    litellm, model = load_litellm(), provider["model"]
    try:
        address = provider.get("api_base") or provider.get("base_url")
        _, name, *_ = litellm.get_llm_provider(model, provider.get("custom_llm_provider"), address)
    except litellm.BadRequestError as error:  # which would be the client's fault
        advice = f"write openai/{model} if it speaks OpenAI's protocol"
        raise InputError(f"LiteLLM knows no provider of {model!r}; {advice}") from error
    return name in _SPEAK_OPENAI or name in litellm.openai_compatible_providers


def load_litellm() -> Any:
    """LiteLLM, set up; the first import takes seconds."""
    # Its price list comes with the package; it would fetch a newer one when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
