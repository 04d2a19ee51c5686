"""The FastAPI application: endpoints, authorisation and error responses."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from routerbench.errors import InputError
from routerbench.serving import models
from routerbench.serving.chat import chat
from routerbench.serving.decisions import RouteRequest, RouteResponse, route
from routerbench.serving.errors import ServiceError, error_body
from routerbench.serving.limits import Limited
from routerbench.serving.metrics import MetricsMiddleware
from routerbench.serving.service import Service

_PATHS = frozenset(
    {"/v1/route", "/v1/chat/completions", "/v1/models", "/v1/feedback", "/v1/reload", "/health", "/metrics"}
)

log = logging.getLogger(__name__)


class Feedback(BaseModel):
    """Quality of an answer. ``cost`` is in USD and only needed if the client called the model itself."""

    model_config = ConfigDict(extra="forbid")

    id: str
    quality: Annotated[float, Field(ge=0, le=1)]
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


def make_app(service: Service, api_key: str | None, max_body: int) -> FastAPI:
    """Make the application of a service. The service runs while the application does.

    Args:
        service: the service.
        api_key: key that clients must send as ``Authorization: Bearer KEY`` for all paths below ``/v1``; None requires
            no key.
        max_body: maximum size of a request body in bytes.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        work = asyncio.create_task(service.run())
        work.add_done_callback(_end_if_failed)
        yield
        work.cancel()
        await asyncio.wait((work,))

    app = FastAPI(title="routerbench", lifespan=lifespan)
    app.add_middleware(Limited, max_bytes=max_body)
    app.add_middleware(MetricsMiddleware, metrics=service.metrics, paths=_PATHS)
    app.add_exception_handler(InputError, _told)
    app.add_exception_handler(ServiceError, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _told)
    app.include_router(_protected(service, api_key))

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"live": True, "digest": service.served.current.digest})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _protected(service: Service, api_key: str | None) -> APIRouter:
    """Make the endpoints below ``/v1``."""
    paths = APIRouter(prefix="/v1", dependencies=[Depends(_with_key(api_key))])

    @paths.post("/route")
    async def decide(request: RouteRequest) -> RouteResponse:
        return await route(request, service)

    @paths.post("/chat/completions")
    async def complete(request: Request) -> Response:
        return await chat(request, service)

    @paths.get("/models")
    async def list_models() -> dict[str, Any]:
        return models.listed(service)

    @paths.get("/models/{name:path}")
    async def retrieve_model(name: str) -> dict[str, Any]:
        return models.found(name, service)

    @paths.post("/feedback")
    async def feedback(given: Feedback) -> dict[str, Any]:
        if service.journal is None:
            raise ServiceError(501, "this server keeps no log; start it with --log FILE.jsonl")
        return {"id": given.id, "is_outcome": await service.journal.measured(given.id, given.quality, given.cost)}

    @paths.post("/reload")
    async def reload() -> dict[str, str]:
        try:
            return {"digest": (await service.reload()).digest}
        except InputError as error:
            raise ServiceError(409, str(error)) from error

    return paths


def _with_key(api_key: str | None) -> Callable[[Request], None]:
    """Make a dependency that accepts requests with the key, or all requests if there is none."""

    def allowed(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if api_key is not None and not hmac.compare_digest(given.encode(), f"Bearer {api_key}".encode()):
            raise ServiceError(401, "the key of this service is missing or wrong; send Authorization: Bearer KEY")

    return allowed


def _end_if_failed(work: asyncio.Task[None]) -> None:
    """End the process if the queue failed, because all requests would wait for ever."""
    if not work.cancelled() and (error := work.exception()) is not None:
        log.critical("the service cannot go on", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


async def _told(request: Request, error: Exception) -> JSONResponse:
    status, message, headers = 500, "something went wrong in the server; its log says what", {}
    if isinstance(error, InputError):
        status, message = 400, str(error)
    elif isinstance(error, ServiceError):
        status, message, headers = error.status, str(error), error.headers
    elif isinstance(error, HTTPException):
        status, message, headers = error.status_code, str(error.detail), dict(error.headers or {})
    return JSONResponse(error_body(status, message), status, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse(error_body(400, "the body is not JSON"), 400)
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    message = first["msg"].removeprefix("Value error, ")
    return JSONResponse(error_body(422, f"{where}: {message}" if where else message), 422)
