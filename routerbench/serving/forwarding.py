"""Calls of the models through LiteLLM, with retries and costs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from routerbench.errors import InputError
from routerbench.serving.metrics import Metrics
from routerbench.serving.parameters import litellm_parameters, load_litellm
from routerbench.serving.providers import PRICES, Providers, secrets_of

_CLIENTS_FAULT = frozenset({400, 413, 422})  # neither another model nor a retry helps
_KEY_REFUSED = frozenset({401, 403})
_PASSING = frozenset({408, 409, 425, 429})  # temporary, as are all from 500 on
_LIMITS = ("context_length_exceeded", "content_policy_violation", "content_filter")  # OpenAI's codes
_TRACEBACK = "Traceback (most recent call last)"  # LiteLLM includes it in the messages of unexpected errors
_FIRST_PAUSE = 0.25  # seconds before the first retry; doubles with each retry

log = logging.getLogger(__name__)


class UpstreamError(Exception):
    """Failure of a provider to answer.

    Args:
        status: HTTP status of the provider.
        message: one line for the client.
        detail: one line for the log, if it differs from the client's.
        is_models_limit: whether the request exceeds a limit of this model (length, policy, a missing parameter), so
            that another model may answer it.
    """

    def __init__(self, status: int, message: str, detail: str | None = None, is_models_limit: bool = False) -> None:
        super().__init__(message)
        self.status, self.detail, self.is_models_limit = status, detail or message, is_models_limit

    @property
    def is_clients_fault(self) -> bool:
        """Whether the request is invalid for every model."""
        return self.status in _CLIENTS_FAULT and not self.is_models_limit

    @property
    def is_passing(self) -> bool:
        """Whether a retry may succeed."""
        return self.status in _PASSING or self.status >= 500


class Forwarder:
    """Client of the models, by the router's names for them.

    Args:
        providers: LiteLLM's parameters of every model.
        metrics: counts errors.
        retries: maximum number of retries after temporary errors.
    """

    def __init__(self, providers: Providers, metrics: Metrics, retries: int = 2) -> None:
        self.providers, self.metrics, self.retries = providers, metrics, retries

    def prepare(self) -> None:
        """Import LiteLLM now; it takes seconds and would delay the first request."""
        load_litellm()

    def check_models(self, models: Sequence[str]) -> None:
        """Check that the router knows at least one model with a provider; warn of models on one side only.

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
        """Return the models that can be called."""
        return [model for model in models if model in self.providers]

    async def call(self, model: str, body: Mapping[str, Any]) -> Any:
        """Call a model, with retries after temporary errors.

        Args:
            model: the router's name of the model.
            body: body of a chat completion. All fields but ``model`` are passed on unless the provider's parameters
                override them. Only providers that speak OpenAI's protocol get fields that LiteLLM does not know.

        Returns:
            LiteLLM's response, or an async generator of its chunks, which raises ``UpstreamError``. The first chunk has
            been received, so errors of the call itself are raised here.

        Raises:
            UpstreamError: the last error.
        """
        for attempt in range(self.retries + 1):
            try:
                return await self._call(model, body)
            except UpstreamError as error:
                self.metrics.upstream_errors.labels(model, error.status).inc()
                log.warning("%s answered %d: %s", model, error.status, error.detail)
                if not error.is_passing or attempt == self.retries:
                    raise
            # Random, so that clients do not all retry at the same moment.
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1))
        raise AssertionError("unreachable")

    async def _call(self, model: str, body: Mapping[str, Any]) -> Any:
        litellm, provider = load_litellm(), self.providers[model]
        try:
            answer = await litellm.acompletion(**litellm_parameters(body, provider))
            if not isinstance(answer, AsyncIterator):
                return answer
            return self._chunks(await _first(answer), answer, model)
        except InputError as error:  # the providers file is wrong, not the request
            raise UpstreamError(404, "this server does not know its provider", str(error)) from error
        except Exception as error:
            raise upstream_error(error, provider) from error

    async def _chunks(self, first: list[Any], others: Any, model: str) -> AsyncGenerator[Any]:
        try:
            for chunk in first:
                yield chunk
            async for chunk in others:
                yield chunk
        except Exception as error:
            failed = upstream_error(error, self.providers[model])
            self.metrics.upstream_errors.labels(model, failed.status).inc()
            log.warning("%s broke off: %s", model, failed.detail)
            raise failed from error
        finally:
            await others.aclose()

    def cost(self, model: str, usage: Any) -> float | None:
        """Compute the cost of an answer in USD from the prices in the providers file, or else LiteLLM's.

        Returns:
            The cost, or None if the prices are unknown.
        """
        if usage is None:
            return None
        parameters, tokens = self.providers[model], (usage.prompt_tokens, usage.completion_tokens)
        if all(name in parameters for name in PRICES):
            return float(sum(parameters[name] * count for name, count in zip(PRICES, tokens, strict=True)))
        try:
            # ``usage`` includes cached tokens if the provider reported them.
            return float(sum(load_litellm().cost_per_token(parameters["model"], *tokens, usage_object=usage)))
        except Exception:  # LiteLLM raises a bare Exception for a model without a price
            return None


async def _first(chunks: Any) -> list[Any]:
    """Return the first chunk as a list; empty if there is none."""
    try:
        return [await anext(chunks)]
    except StopAsyncIteration:
        return []
    except BaseException:  # the client may have disconnected
        await chunks.aclose()
        raise


def upstream_error(error: Exception, provider: Mapping[str, Any]) -> UpstreamError:
    """Describe a provider's error in one line.

    Args:
        error: error raised by LiteLLM.
        provider: parameters whose secrets are removed from the line.
    """
    message = str(getattr(error, "message", error)).partition(_TRACEBACK)[0]
    for secret in sorted(secrets_of(provider), key=len, reverse=True):  # one may contain another
        message = message.replace(secret, "***")
    message = " ".join(message.split()) or type(error).__name__
    if _is_models_limit(error):
        return UpstreamError(400, message, is_models_limit=True)
    status = getattr(error, "status_code", None)
    if status == 400:  # LiteLLM uses it for everything called an invalid request, even a wrong key
        status = getattr(getattr(error, "response", None), "status_code", status)
    if status in _KEY_REFUSED:
        return UpstreamError(status, "the provider refuses this server's key", message)
    return UpstreamError(status if isinstance(status, int) else 502, message)


def _is_models_limit(error: Exception) -> bool:
    litellm = load_litellm()
    limits = (
        litellm.ContextWindowExceededError, litellm.ContentPolicyViolationError, litellm.UnsupportedParamsError,
    )  # fmt: skip
    if isinstance(error, limits):
        return True
    # LiteLLM recognises only the wording of some providers. The code is in the error, its cause, or its text.
    said = f"{error} {getattr(error, 'body', '')} {getattr(error.__context__, 'body', '')}"
    return isinstance(error, litellm.BadRequestError) and any(code in said for code in _LIMITS)
