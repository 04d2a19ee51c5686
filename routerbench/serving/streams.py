"""Answers that come in pieces, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

from routerbench.serving.errors import error_body
from routerbench.serving.forwarding import UpstreamError, upstream_error


class Stream:
    """A stream whose first chunk has come.

    Attributes:
        usage: the tokens, as the last chunk that knew them has them.
        has_ended: whether all chunks have come.
    """

    def __init__(self, first: list[Any], rest: Any) -> None:
        self.first, self.rest = first, rest
        self.usage: Any = None
        self.has_ended = False

    @classmethod
    async def begin(cls, chunks: Any) -> Stream:
        """Wait for the first chunk, with which come the errors of the call.

        Raises:
            UpstreamError: the provider did not answer.
        """
        try:
            return cls([await anext(chunks)], chunks)
        except StopAsyncIteration:
            return cls([], chunks)
        except asyncio.CancelledError:
            await chunks.aclose()
            raise
        except Exception as error:
            raise upstream_error(error) from error

    async def events(
        self, model: str, with_usage: bool, on_error: Callable[[UpstreamError], None]
    ) -> AsyncGenerator[str]:
        """All chunks but the end; an error midway is an event, too, for the status was sent.

        Args:
            model: who answers, by the router's name.
            with_usage: whether the client asked for the tokens.
            on_error: is told of an error midway.
        """
        try:
            async for chunk in self._chunks():
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
        except Exception as error:
            failed = upstream_error(error)
            on_error(failed)
            yield _event(error_body(502, f"{model} broke off: {failed}"))
        finally:
            await self.rest.aclose()

    async def _chunks(self) -> AsyncIterator[Any]:
        for chunk in self.first:
            yield chunk
        async for chunk in self.rest:
            yield chunk


def _event(data: Mapping[str, Any]) -> str:
    # In ASCII: a piece may end in half of a character, which is no UTF-8.
    return f"data: {json.dumps(data)}\n\n"
