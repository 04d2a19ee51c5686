"""The text of a conversation that a router routes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routerbench.data.prompts import TURN_SEPARATOR
from routerbench.errors import InputError


def prompt_of(messages: Sequence[Any]) -> str:
    """Join the user's turns of a conversation in OpenAI's format, as the tables of outcomes do.

    System prompts, answers and tool results are left out because routers are not trained on them. So are images.

    Args:
        messages: messages with a role and a content, which is a text or a list of parts.

    Raises:
        InputError: a message has another form, or there is no text of the user.

    Example:
        >>> prompt_of([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])
        'Why?'
    """
    turns = []
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InputError(f'message {i} is not of the form {{"role": "user", "content": "..."}}')
        if message["role"] == "user":
            turns += _texts(message.get("content"), i)
    prompt = TURN_SEPARATOR.join(text for text in turns if text.strip())
    if not prompt:
        raise InputError("the messages have no text of a user, by which to route them")
    return prompt


def _texts(content: Any, i: int) -> list[str]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(f"message {i}: content is neither a text nor a list of parts")
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"message {i}: a part of type text has no text")
    return texts
