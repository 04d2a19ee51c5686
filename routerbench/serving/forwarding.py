"""Calls of the models, through LiteLLM: retries, and what a call cost."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

from routerbench.errors import InputError
from routerbench.serving.metrics import Metrics
from routerbench.serving.providers import PRICES, Providers

_CLIENTS_FAULT = frozenset({400, 413, 422})  # no other model, and no second try, will make it right
_PASSING = frozenset({408, 409, 425, 429})  # and all from 500 on
_FIELDS = frozenset(
    {
        *("messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions"),
        *("function_call", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "modalities"),
        *("prediction", "audio", "presence_penalty", "frequency_penalty", "logit_bias", "user", "response_format"),
        *("seed", "logprobs", "top_logprobs", "reasoning_effort", "verbosity", "service_tier", "thinking", "top_k"),
        *("web_search_options", "safety_identifier"),
    }
)
_FIRST_PAUSE = 0.25  # seconds before the first retry; each later one is twice as long

log = logging.getLogger(__name__)


class UpstreamError(Exception):
    """A provider did not answer.

    Args:
        status: its HTTP status.
        message: one line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_clients_fault(self) -> bool:
        """Whether the request itself is wrong."""
        return self.status in _CLIENTS_FAULT

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status in _PASSING or self.status >= 500


class Forwarder:
    """Calls models by the router's names for them.

    Args:
        providers: LiteLLM's parameters of every model.
        metrics: counts errors.
        retries: further tries after errors that pass.
    """

    def __init__(self, providers: Providers, metrics: Metrics, retries: int = 2) -> None:
        self.providers, self.metrics, self.retries = providers, metrics, retries

    def prepare(self) -> None:
        """Import LiteLLM, which takes seconds; without it the first caller would wait for that."""
        _litellm()

    def check_models(self, models: Sequence[str]) -> None:
        """Refuse providers of which the router knows none; warn of models on one side only.

        Raises:
            InputError: no model of the router can be called.
        """
        if not self.known(models):
            raise InputError(
                f"--providers names none of the router's models; it has {', '.join(models)}, "
                f"the file {', '.join(self.providers)}"
            )
        for what, names in (
            ("models without a provider, never chosen for chat", set(models) - set(self.providers)),
            ("providers of models that the router does not know", set(self.providers) - set(models)),
        ):
            if names:
                log.warning("%s: %s", what, ", ".join(sorted(names)))

    def known(self, models: Sequence[str]) -> list[str]:
        """Those that can be called."""
        return [model for model in models if model in self.providers]

    async def call(self, model: str, body: Mapping[str, Any]) -> Any:
        """Call a model, again after errors that pass.

        Args:
            model: the router's name.
            body: of a chat completion; everything but ``model`` is passed on as it is.

        Returns:
            LiteLLM's response, or its stream.

        Raises:
            UpstreamError: the last error.
        """
        for attempt in range(self.retries + 1):
            try:
                return await self._call(model, body)
            except UpstreamError as error:
                self.metrics.upstream_errors.labels(model, error.status).inc()
                log.warning("%s answered %d: %s", model, error.status, error)
                if not error.is_passing or attempt == self.retries:
                    raise
            # Not all at the same moment, or they would be too many again.
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1))
        raise AssertionError("unreachable")

    async def _call(self, model: str, body: Mapping[str, Any]) -> Any:
        litellm = await asyncio.to_thread(_litellm)
        try:
            return await litellm.acompletion(**_parameters(body, self.providers[model]))
        except Exception as error:
            raise upstream_error(error) from error

    def cost(self, model: str, usage: Any) -> float | None:
        """What an answer cost in USD, by its tokens and the prices in the providers' file, else LiteLLM's.

        Returns:
            None where the prices are not known.
        """
        if usage is None:
            return None
        parameters, tokens = self.providers[model], (usage.prompt_tokens, usage.completion_tokens)
        if all(name in parameters for name in PRICES):
            return float(sum(parameters[name] * count for name, count in zip(PRICES, tokens, strict=True)))
        try:
            # Where the provider said what was cached, usage has it.
            return float(sum(_litellm().cost_per_token(parameters["model"], *tokens, usage_object=usage)))
        except Exception:  # LiteLLM raises a bare Exception for a model that it has no prices of
            return None


def _parameters(body: Mapping[str, Any], provider: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of LiteLLM: what the client may set, and over that what the provider needs.

    LiteLLM would take any parameter for its own that has its name, other addresses, keys and callbacks among them; so
    what is no field of OpenAI's API goes to the provider as a field of the request's body.
    """
    known = {name: value for name, value in body.items() if name in _FIELDS}
    other = {name: value for name, value in body.items() if name not in _FIELDS and name != "model"}
    extra = {"extra_body": {**other, **provider.get("extra_body", {})}} if other else {}
    own = {name: value for name, value in provider.items() if name not in PRICES}  # LiteLLM would register them anew
    return {**known, **own, **extra, "max_retries": 0, "num_retries": 0}


def upstream_error(error: Exception) -> UpstreamError:
    """What went wrong at the provider, in one line."""
    status = getattr(error, "status_code", None)
    message = " ".join(str(getattr(error, "message", error)).split()) or type(error).__name__
    return UpstreamError(status if isinstance(status, int) else 502, message)


def _litellm() -> Any:
    # Its price list comes with the package; it would fetch a newer one when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
