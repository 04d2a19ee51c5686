"""Calls of the models, through LiteLLM: retries, and what a call cost."""

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

_CLIENTS_FAULT = frozenset({400, 413, 422})  # no other model, and no second try, will make it right
_KEY_REFUSED = frozenset({401, 403})
_PASSING = frozenset({408, 409, 425, 429})  # and all from 500 on
_LIMITS = ("context_length_exceeded", "content_policy_violation", "content_filter")  # OpenAI's codes
_TRACEBACK = "Traceback (most recent call last)"  # LiteLLM has it in the messages of errors that it did not expect
_FIRST_PAUSE = 0.25  # seconds before the first retry; each later one is twice as long

log = logging.getLogger(__name__)


class UpstreamError(Exception):
    """A provider did not answer.

    Args:
        status: its HTTP status.
        message: one line for the client.
        detail: one line for the log, where it may have more than the client is told.
        is_models_limit: whether the request is too much for this model (too long, against its policy, a parameter
            that it lacks), though another may answer it.
    """

    def __init__(self, status: int, message: str, detail: str | None = None, is_models_limit: bool = False) -> None:
        super().__init__(message)
        self.status, self.detail, self.is_models_limit = status, detail or message, is_models_limit

    @property
    def is_clients_fault(self) -> bool:
        """Whether the request itself is wrong, for every model."""
        return self.status in _CLIENTS_FAULT and not self.is_models_limit

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
        load_litellm()

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
            body: of a chat completion; all but ``model`` is passed on, where the provider's parameters do not say
                otherwise. Of fields that LiteLLM does not know a provider gets those that speaks OpenAI's protocol.

        Returns:
            LiteLLM's response, or an async generator of its chunks, whose errors are ``UpstreamError``. The first
            chunk has come then: with it come the errors of the call.

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
            # Not all at the same moment, or they would be too many again.
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1))
        raise AssertionError("unreachable")

    async def _call(self, model: str, body: Mapping[str, Any]) -> Any:
        litellm, provider = load_litellm(), self.providers[model]
        try:
            answer = await litellm.acompletion(**litellm_parameters(body, provider))
            if not isinstance(answer, AsyncIterator):
                return answer
            return self._chunks(await _first(answer), answer, model)
        except InputError as error:  # of whoever wrote the providers' file, not of the client
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
            return float(sum(load_litellm().cost_per_token(parameters["model"], *tokens, usage_object=usage)))
        except Exception:  # LiteLLM raises a bare Exception for a model that it has no prices of
            return None


async def _first(chunks: Any) -> list[Any]:
    """The first chunk; none if there is none."""
    try:
        return [await anext(chunks)]
    except StopAsyncIteration:
        return []
    except BaseException:  # the client may have hung up
        await chunks.aclose()
        raise


def upstream_error(error: Exception, provider: Mapping[str, Any]) -> UpstreamError:
    """What went wrong at the provider, in one line.

    Args:
        error: of LiteLLM.
        provider: whose secrets the line may not have.
    """
    message = str(getattr(error, "message", error)).partition(_TRACEBACK)[0]
    for secret in sorted(secrets_of(provider), key=len, reverse=True):  # one may be a part of another
        message = message.replace(secret, "***")
    message = " ".join(message.split()) or type(error).__name__
    if _is_models_limit(error):
        return UpstreamError(400, message, is_models_limit=True)
    status = getattr(error, "status_code", None)
    if status == 400:  # as LiteLLM has it for all that calls itself an invalid request, be it for a wrong key
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
    # LiteLLM knows these by the words of some providers; the code is in the error, in what it was made of, or its text.
    said = f"{error} {getattr(error, 'body', '')} {getattr(error.__context__, 'body', '')}"
    return isinstance(error, litellm.BadRequestError) and any(code in said for code in _LIMITS)
