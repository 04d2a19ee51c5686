"""The prompt column as request texts: lists of turns in writing, as RouterBench has them, are unpacked."""

from __future__ import annotations

import ast
import json
import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, prompt_cells
from routerbench.errors import InputError

TURN_SEPARATOR = "\n\n"

log = logging.getLogger(__name__)


def read_prompts(
    column: Column, name: str, source: str, places: NDArray[np.int64] | None = None
) -> NDArray[np.object_]:
    """The request texts of a table.

    Where every cell is written like a list and at least one is a list of texts, in JSON (as of Chatbot Arena) or as
    Python prints it (as of RouterBench), the cells are parsed (never evaluated) and the turns joined by a blank line,
    without those that are null; a cell that does not parse keeps its text, and their number is logged.

    Args:
        column: ``(n,)`` cells of the file.
        name: the column's name, for the message.
        source: the file's name, for the message.
        places: ``(n,)`` index of each cell's row in the file, for the message; None if they are all rows.

    Returns:
        ``(n,)`` texts, none empty, all encodable as UTF-8.

    Raises:
        InputError: a prompt is empty or not a text.
    """
    places = np.arange(len(column)) if places is None else places
    prompts = prompt_cells(column, name, source)
    texts = dict.fromkeys(prompts)  # a long table repeats each prompt once per model
    if all(_is_bracketed(text) for text in texts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" inside a prompt is its author's, not a mistake in our code
            parsed = {text: _join_turns(text) for text in texts}
        if any(joined is not None for joined in parsed.values()):
            prompts = _unpack(prompts, parsed, name, source, places)
    return _encodable(prompts, name, source, places)


def conversation(cell: Any, row: int, name: str, source: str) -> str:
    """What the user says in a conversation, turns joined by a blank line; a system's and a model's turns are left out.

    Args:
        cell: a list of objects with "role" and "content", or its JSON.
        row: its index, for the message.
        name: of its column, for the message.
        source: the file's name, for the message.

    Raises:
        InputError: it is something else, or a turn's content is no text.
    """
    try:
        turns = json.loads(cell) if isinstance(cell, str) else list(cell)
        return TURN_SEPARATOR.join([turn["content"] for turn in turns if turn["role"] == "user"])
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{source}: row {row + 1}, column {name!r}: {str(cell)[:60]!r} is not a list of turns with a role and a "
            "content of text"
        ) from error


def whole_characters(text: str) -> str:
    """The text without halves of characters: the two of one character are joined, one alone becomes U+FFFD."""
    if _is_encodable(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def lost_characters(text: str) -> int:
    """How many halves of characters ``whole_characters`` gives up."""
    return whole_characters(text).count("\ufffd") - text.count("\ufffd")


def is_doubled(prompt: str, single: str) -> bool:
    """Whether a prompt is another one written twice, as in the twin rows of RouterBench's 5-shot table."""
    return prompt in (single + single, single + TURN_SEPARATOR + single)


def _is_bracketed(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith("[") and stripped.endswith("]")


def _join_turns(text: str) -> str | None:
    turns = _list_in(text.strip())
    if turns and all(turn is None or isinstance(turn, str) for turn in turns):
        return TURN_SEPARATOR.join([turn for turn in turns if turn is not None])
    return None


def _list_in(text: str) -> list[Any] | None:
    # JSON first: what Python prints is JSON too only where both mean the same, while "\/" and "\ud83d\ude00" are one
    # character each in JSON alone.
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, list) else None
    return None


def _unpack(
    prompts: NDArray[np.object_], parsed: dict[str, str | None], name: str, source: str, places: NDArray[np.int64]
) -> NDArray[np.object_]:
    kept = sum(parsed[text] is None for text in prompts)
    if kept:
        log.warning(
            "%s: %d of %d prompts are not lists of turns like the others and keep their text",
            source,
            kept,
            len(prompts),
        )
    for row, text in zip(places, prompts, strict=True):
        joined = parsed[text]
        if joined is not None and not joined.strip():
            raise InputError(f"{source}: row {row + 1}, column {name!r}: {text!r} is an empty prompt; remove the row")
    unpacked = (text if (joined := parsed[text]) is None else joined for text in prompts)
    return np.fromiter(unpacked, dtype=object, count=len(prompts))


def _encodable(prompts: NDArray[np.object_], name: str, source: str, places: NDArray[np.int64]) -> NDArray[np.object_]:
    # Half a surrogate pair ("\ud83d" in JSON) is a legal Python text that no tokenizer and no file accepts.
    broken = [row for row, text in enumerate(prompts) if not _is_encodable(text)]
    if not broken:
        return prompts
    if lost := [row for row in broken if lost_characters(prompts[row])]:
        log.warning(
            "%s: column %r: %d prompts hold half of a character and get U+FFFD there, the first in row %d",
            *(source, name, len(lost), places[lost[0]] + 1),
        )
    prompts = prompts.copy()
    for row in broken:
        prompts[row] = whole_characters(prompts[row])
    return prompts


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
