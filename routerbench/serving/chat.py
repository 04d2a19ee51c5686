"""`/v1/chat/completions`: OpenAI's API in front of the routed models."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from routerbench.errors import InputError
from routerbench.serving.batching import Predicted
from routerbench.serving.decisions import shown
from routerbench.serving.errors import ServiceError, error_body
from routerbench.serving.forwarding import Forwarder, UpstreamError, upstream_error
from routerbench.serving.prompts import prompt_of
from routerbench.serving.service import Service
from routerbench.serving.spending import spending_of
from routerbench.trained import Decision

MODELS_TRIED = 3  # the best for the request, and up to two that stand in for it
T = TypeVar("T")


@dataclass
class Call:
    """One request on its way.

    Attributes:
        id: by which feedback names it.
        prompt: what the router saw.
        decision: the model that was chosen.
        lambda_: by which it was chosen; None for a model that the client named.
        digest: of the artefact.
        fallbacks: models that failed before.
        start: when the request came, by ``time.perf_counter``.
    """

    id: str
    prompt: str
    decision: Decision
    lambda_: float | None
    digest: str
    fallbacks: list[str] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def headers(self) -> dict[str, str]:
        """What is said beside the answer."""
        found = {
            "x-router-id": self.id,
            "x-router-model": quote(self.decision.model, safe="/:@ ()"),
            "x-router-expected-quality": f"{self.decision.quality:.6g}",
            "x-router-expected-cost": f"{self.decision.cost:.6g}",
            "x-router-digest": self.digest,
        }
        if self.lambda_ is not None:
            found["x-router-lambda"] = f"{self.lambda_:.6g}"
        if self.fallbacks:
            found["x-router-fallbacks"] = quote(",".join(self.fallbacks), safe="/:@ (),")
        return found


async def chat(request: Request, service: Service) -> Response:
    """Answer one request; the call is cancelled when the client hangs up.

    Raises:
        InputError: the request is wrong.
        ServiceError: nobody answers it.
    """
    if service.forwarder is None:
        raise ServiceError(501, "this server knows no providers; start it with --providers FILE")
    body = await _body(request)
    options = body.get("stream_options") or {}
    if body.get("stream") and service.journal is not None:  # which wants the tokens, even if the client does not
        body = body | {"stream_options": {**options, "include_usage": True}}
    call, answer = await _unless_disconnected(_answer(body, service, service.forwarder), request)
    if body.get("stream"):
        chunks = _events(answer, call, bool(options.get("include_usage")), service, service.forwarder)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=call.headers())
    found = answer.model_dump(exclude_none=True) | {"model": call.decision.model}
    await _log(call, getattr(answer, "usage", None), service, service.forwarder)
    return JSONResponse(found, headers=call.headers())


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise InputError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InputError("the body needs a model, as router-0.02 or one of GET /v1/models")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise InputError('stream_options is an object, as {"include_usage": true}')
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise InputError("the body needs messages, a list that is not empty")
    return body


async def _answer(body: dict[str, Any], service: Service, forwarder: Forwarder) -> tuple[Call, Any]:
    """The first answer to be had, of the best model, or of the next best when it fails."""
    call, predicted = await _decide(body, service, forwarder)
    while True:
        try:
            answer = await forwarder.call(call.decision.model, body)
            if body.get("stream"):  # errors of a stream come with its first chunk
                answer = await _Stream.begin(answer)
            service.count(call.decision.model, None if math.isnan(call.decision.cost) else call.decision.cost)
            return call, answer
        except UpstreamError as error:
            if error.is_clients_fault:
                raise ServiceError(error.status, str(error), call.headers()) from error
            left = [name for name in forwarder.known(predicted.loaded.router.models)
                    if name not in (*call.fallbacks, call.decision.model)]  # fmt: skip
            if call.lambda_ is None or not left or len(call.fallbacks) + 1 >= MODELS_TRIED:
                status = error.status if error.status == 429 else 502
                raise ServiceError(status, f"{call.decision.model} does not answer: {error}", call.headers()) from error
            service.metrics.fallbacks.labels(call.decision.model).inc()
            call.fallbacks.append(call.decision.model)
            call.decision = predicted.loaded.router.decide(predicted.prediction, call.lambda_, left)[0]


async def _decide(body: dict[str, Any], service: Service, forwarder: Forwarder) -> tuple[Call, Predicted]:
    prompt, name = prompt_of(body["messages"]), body["model"]
    # A model may bear the name of a router, "router-max" say; then it is that model.
    spending = None if name in service.served.current.router.models else spending_of(name)
    predicted = await service.batcher.predict([prompt])
    router = predicted.loaded.router
    allowed = forwarder.known(router.models)
    if spending is None:
        if name not in allowed:
            raise ServiceError(404, f"no model {name!r}; GET /v1/models lists them")
        lambda_, allowed = None, [name]
    else:
        lambda_ = service.lambda_of(spending, router)
    decision = router.decide(predicted.prediction, math.inf if lambda_ is None else lambda_, allowed)[0]
    return Call(service.new_id(), prompt, decision, lambda_, predicted.loaded.digest), predicted


async def _unless_disconnected(work: Awaitable[T], request: Request) -> T:
    """Do it, or cancel it when the client hangs up."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ServiceError(499, "the client hung up")
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


class _Stream:
    """A stream whose first chunk has come."""

    def __init__(self, first: list[Any], rest: Any) -> None:
        self.first, self.rest = first, rest

    @classmethod
    async def begin(cls, stream: Any) -> _Stream:
        try:
            return cls([await anext(stream)], stream)
        except StopAsyncIteration:
            return cls([], stream)
        except asyncio.CancelledError:
            await stream.aclose()
            raise
        except Exception as error:
            raise upstream_error(error) from error

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self.first:
            yield chunk
        async for chunk in self.rest:
            yield chunk


async def _events(
    stream: _Stream, call: Call, with_usage: bool, service: Service, forwarder: Forwarder
) -> AsyncIterator[str]:
    """Chunks as server-sent events; an error midway is an event, too, for the status was sent."""
    usage = None
    try:
        async for chunk in stream:
            usage = getattr(chunk, "usage", None) or usage
            event = chunk.model_dump(exclude_none=True) | {"model": call.decision.model}
            only_usage = "usage" in event and not any(
                choice.get("finish_reason") or choice.get("delta") for choice in event["choices"]
            )
            if not with_usage:
                event.pop("usage", None)
            if with_usage or not only_usage:
                yield _event(event)
    except Exception as error:
        failed = upstream_error(error)
        service.metrics.upstream_errors.labels(call.decision.model, failed.status).inc()
        yield _event(error_body(502, f"{call.decision.model} broke off: {failed}"))
        return
    finally:
        await stream.rest.aclose()
    await _log(call, usage, service, forwarder)
    yield "data: [DONE]\n\n"


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _log(call: Call, usage: Any, service: Service, forwarder: Forwarder) -> None:
    cost = forwarder.cost(call.decision.model, usage)
    service.metrics.measured.labels(call.decision.model).inc(cost or 0.0)
    await service.log(
        call.id,
        prompt=call.prompt,
        model=call.decision.model,
        expected_quality=call.decision.quality,
        expected_cost=None if math.isnan(call.decision.cost) else call.decision.cost,
        willingness_to_pay=None if call.lambda_ is None else shown(call.lambda_),
        digest=call.digest,
        cost=cost,
        seconds=round(time.perf_counter() - call.start, 4),
        input_tokens=getattr(usage, "prompt_tokens", None),
        output_tokens=getattr(usage, "completion_tokens", None),
        fallbacks=call.fallbacks,
    )
