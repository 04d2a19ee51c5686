"""The prompt column as request texts: RouterBench's stringified lists of turns are unpacked, other texts stay."""

from __future__ import annotations

import ast
import logging
import warnings

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, prompt_cells
from routerbench.errors import InputError

TURN_SEPARATOR = "\n\n"

log = logging.getLogger(__name__)


def read_prompts(column: Column, name: str, source: str) -> NDArray[np.object_]:
    """The request texts of a table.

    Where every cell is written like a Python list and at least one is a list of texts, the cells are parsed (never
    evaluated) and the turns joined by a blank line; a cell that does not parse keeps its text, and their number is
    logged.

    Args:
        column: ``(n,)`` cells of the file.
        name: the column's name, for the message.
        source: the file's name, for the message.

    Returns:
        ``(n,)`` texts, none empty, all encodable as UTF-8.

    Raises:
        InputError: a prompt is empty or not a text.
    """
    prompts = prompt_cells(column, name, source)
    texts = dict.fromkeys(prompts)  # a long table repeats each prompt once per model
    if all(_is_bracketed(text) for text in texts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" inside a prompt is its author's, not a mistake in our code
            parsed = {text: _join_turns(text) for text in texts}
        if any(joined is not None for joined in parsed.values()):
            prompts = _unpack(prompts, parsed, name, source)
    return _encodable(prompts, name, source)


def is_doubled(prompt: str, single: str) -> bool:
    """Whether a prompt is another one written twice, as in the twin rows of RouterBench's 5-shot table."""
    return prompt in (single + single, single + TURN_SEPARATOR + single)


def _is_bracketed(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith("[") and stripped.endswith("]")


def _join_turns(text: str) -> str | None:
    try:
        turns = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
        return TURN_SEPARATOR.join(turns)
    return None


def _unpack(prompts: NDArray[np.object_], parsed: dict[str, str | None], name: str, source: str) -> NDArray[np.object_]:
    kept = sum(parsed[text] is None for text in prompts)
    if kept:
        log.warning(
            "%s: %d of %d prompts are not lists of turns like the others and keep their text",
            source,
            kept,
            len(prompts),
        )
    for row, text in enumerate(prompts):
        joined = parsed[text]
        if joined is not None and not joined.strip():
            raise InputError(f"{source}: row {row + 1}, column {name!r}: {text!r} is an empty prompt; remove the row")
    unpacked = (text if (joined := parsed[text]) is None else joined for text in prompts)
    return np.fromiter(unpacked, dtype=object, count=len(prompts))


def _encodable(prompts: NDArray[np.object_], name: str, source: str) -> NDArray[np.object_]:
    # Half a surrogate pair ("\ud83d" in JSON) is a legal Python text that no tokenizer and no file accepts.
    broken = [row for row, text in enumerate(prompts) if not _is_encodable(text)]
    if broken:
        log.warning(
            "%s: column %r: %d prompts hold half of a character and get U+FFFD there, the first in row %d",
            *(source, name, len(broken), broken[0] + 1),
        )
        prompts = prompts.copy()
        for row in broken:
            prompts[row] = prompts[row].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return prompts


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
