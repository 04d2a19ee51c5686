"""Read the prompt column; turn lists written as text, as in RouterBench, into plain text."""

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
    """Read the prompts of a table.

    If every cell looks like a list and at least one is a list of texts, in JSON (Chatbot Arena) or as printed by Python
    (RouterBench), the cells are parsed (never evaluated) and their turns joined by a blank line, skipping nulls. A cell
    that cannot be parsed keeps its text; the number of such cells is logged.

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.
        places: ``(n,)`` index of each cell's row in the file, for the error message; None if the cells are all rows.

    Returns:
        ``(n,)`` non-empty texts that can be encoded as UTF-8.

    Raises:
        InputError: a prompt is empty or not a text.
    """
    places = np.arange(len(column)) if places is None else places
    prompts = prompt_cells(column, name, source)
    texts = dict.fromkeys(prompts)  # a long table repeats each prompt once per model
    if all(_is_bracketed(text) for text in texts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a prompt raises a SyntaxWarning that does not concern this code
            parsed = {text: _join_turns(text) for text in texts}
        if any(joined is not None for joined in parsed.values()):
            prompts = _unpack(prompts, parsed, name, source, places)
    return _encodable(prompts, name, source, places)


def conversation(cell: Any, row: int, name: str, source: str) -> str:
    """Join the user's turns of a conversation by a blank line; system and model turns are dropped.

    Args:
        cell: a list of objects with "role" and "content", or its JSON.
        row: row index, for the error message.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: the cell is not such a list, or the content of a user turn is not a text.
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
    """Join the surrogate pairs of a text, and replace lone surrogates by U+FFFD."""
    if _is_encodable(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def lost_characters(text: str) -> int:
    """Count the lone surrogates that ``whole_characters`` replaces."""
    return whole_characters(text).count("\ufffd") - text.count("\ufffd")


def is_doubled(prompt: str, single: str) -> bool:
    """Whether a prompt is another one written twice, as in the duplicate rows of RouterBench's 5-shot table."""
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
    # JSON first: both parsers agree on what Python prints wherever it is valid JSON, but only JSON decodes "\/" and
    # "\ud83d\ude00" to one character each.
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
    # A lone surrogate ("\ud83d" in JSON) is valid in a Python string, but no tokenizer or file accepts it.
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
