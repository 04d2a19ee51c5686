"""``/v1/chat/completions``: OpenAI's API in front of the routed models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from routerbench.errors import InputError
from routerbench.serving.calls import TERMS, Call, begin
from routerbench.serving.decisions import shown
from routerbench.serving.errors import ServiceError
from routerbench.serving.forwarding import Forwarder, UpstreamError
from routerbench.serving.service import Service
from routerbench.serving.streams import Stream

T = TypeVar("T")


async def chat(request: Request, service: Service) -> Response:
    """Answer one request. The call is cancelled when the client disconnects.

    Raises:
        InputError: the request is invalid.
        ServiceError: no model answers it.
    """
    if service.forwarder is None:
        raise ServiceError(501, "this server knows no providers; start it with --providers FILE")
    body = await _body(request)
    options = body.get("stream_options") or {}
    if body.get("stream"):  # always ask for the usage, which gives the cost
        body = body | {"stream_options": {**options, "include_usage": True}}
    call, answer = await _unless_disconnected(_answer(body, service, service.forwarder), request)
    if body.get("stream"):
        events = _events(Stream(answer), call, bool(options.get("include_usage")), service, service.forwarder)
        return StreamingResponse(events, media_type="text/event-stream", headers=call.headers())
    found = answer.model_dump(exclude_none=True) | {"model": call.decision.model}
    await _log(call, getattr(answer, "usage", None), service, service.forwarder)
    return Response(json.dumps(found), headers=call.headers(), media_type="application/json")


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # it is sent on to a provider
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON in UTF-8: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InputError("the body needs a model, as router-0.02 or one of GET /v1/models")
    if not isinstance(body.get("stream"), bool | None):
        raise InputError(f"stream is true or false, got {body['stream']!r}")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise InputError('stream_options is an object, as {"include_usage": true}')
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise InputError("the body needs messages, a list that is not empty")
    return body


async def _answer(body: dict[str, Any], service: Service, forwarder: Forwarder) -> tuple[Call, Any]:
    """Call the best model, and the next best ones if it fails."""
    call = await begin(body, service, forwarder)
    passed_on = {name: value for name, value in body.items() if name != TERMS}
    while True:
        try:
            answer = await forwarder.call(call.decision.model, passed_on)
            service.count(call.decision.model, call.cost)
            return call, answer
        except UpstreamError as error:
            if error.is_clients_fault:
                raise ServiceError(error.status, str(error), call.headers()) from error
            failed = call.decision.model
            if not call.try_next():
                status = error.status if error.status in (400, 429) else 502  # 400: it exceeds all models' limits
                raise ServiceError(status, f"{failed} does not answer: {error}", call.headers()) from error
            service.metrics.fallbacks.labels(failed).inc()


async def _unless_disconnected(work: Awaitable[T], request: Request) -> T:
    """Await ``work``, or cancel it when the client disconnects."""
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


async def _events(
    stream: Stream, call: Call, with_usage: bool, service: Service, forwarder: Forwarder
) -> AsyncGenerator[str]:
    """Yield the events of a stream, then log the call."""
    try:
        async with aclosing(stream.events(call.decision.model, with_usage)) as events:
            async for event in events:
                yield event
    finally:  # also after a disconnect, so that feedback can follow
        await asyncio.shield(_log(call, stream.usage, service, forwarder, has_ended=stream.has_ended))
    if stream.has_ended:
        yield "data: [DONE]\n\n"


async def _log(call: Call, usage: Any, service: Service, forwarder: Forwarder, has_ended: bool = True) -> None:
    cost = forwarder.cost(call.decision.model, usage)
    service.metrics.measured.labels(call.decision.model).inc(cost or 0.0)
    await service.log(
        call.id,
        prompt=call.prompt,
        model=call.decision.model,
        expected_quality=call.quality,
        expected_cost=call.cost,
        willingness_to_pay=None if call.lambda_ is None else shown(call.lambda_),
        digest=call.digest,
        cost=cost,
        seconds=round(time.perf_counter() - call.start, 4),
        input_tokens=getattr(usage, "prompt_tokens", None),
        output_tokens=getattr(usage, "completion_tokens", None),
        fallbacks=call.failed,
        ended=has_ended,
    )
