"""Limit on the size of requests."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException


class Limited:
    """ASGI middleware that refuses requests with too large a body before reading it into memory.

    Args:
        app: the application.
        max_bytes: maximum size of a body.
    """

    def __init__(self, app: Any, max_bytes: int) -> None:
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        announced = dict(scope.get("headers", ())).get(b"content-length", b"0")
        received = 0

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if max(received, int(announced)) > self.max_bytes:
                raise HTTPException(413, f"the body is larger than {self.max_bytes:,} bytes, which is the limit here")
            return message

        await self.app(scope, counted, send)
