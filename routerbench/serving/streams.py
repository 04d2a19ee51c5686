"""Streamed answers as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from routerbench.serving.errors import error_body
from routerbench.serving.forwarding import UpstreamError


class Stream:
    """A streamed answer.

    Args:
        chunks: chunks from ``Forwarder.call``.

    Attributes:
        usage: number of tokens from the last chunk that reported it.
        has_ended: whether all chunks have been received.
    """

    def __init__(self, chunks: AsyncGenerator[Any]) -> None:
        self.chunks = chunks
        self.usage: Any = None
        self.has_ended = False

    async def events(self, model: str, with_usage: bool) -> AsyncGenerator[str]:
        """Yield events for all chunks except the end. An error midway is an event, since the status was already sent.

        Args:
            model: the router's name of the model.
            with_usage: whether the client asked for the number of tokens.
        """
        try:
            async for chunk in self.chunks:
                self.usage = getattr(chunk, "usage", None) or self.usage
                event = chunk.model_dump(exclude_none=True) | {"model": model}
                only_usage = "usage" in event and not any(
                    choice.get("finish_reason") or choice.get("delta") for choice in event["choices"]
                )
                if not with_usage:
                    event.pop("usage", None)
                if with_usage or not only_usage:
                    yield _event(event)
            self.has_ended = True
        except UpstreamError as error:
            yield _event(error_body(502, f"{model} broke off: {error}"))
        finally:
            await self.chunks.aclose()


def _event(data: Mapping[str, Any]) -> str:
    # ASCII, because a chunk may end within a surrogate pair, which is not valid UTF-8.
    return f"data: {json.dumps(data)}\n\n"
