"""What a client is told: one line, in the form of OpenAI's API, which its clients print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """A request cannot be answered.

    Args:
        status: of HTTP.
        message: one line for the client.
        headers: to send along, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def error_body(status: int, message: str) -> dict[str, Any]:
    """The body of an answer that is an error, as OpenAI's API has it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def no_model(name: str) -> ServiceError:
    """What is said of a model that is not there."""
    return ServiceError(404, f"no model {name!r}; GET /v1/models lists them")
