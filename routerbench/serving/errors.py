"""Errors for clients, in the format of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """A request cannot be answered.

    Args:
        status: HTTP status.
        message: one line for the client.
        headers: response headers, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def error_body(status: int, message: str) -> dict[str, Any]:
    """Make the body of an error response in the format of OpenAI's API."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def no_model(name: str) -> ServiceError:
    """Make the error for an unknown model."""
    return ServiceError(404, f"no model {name!r}; GET /v1/models lists them")
