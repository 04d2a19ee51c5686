"""Readers of prompts for an export: from a table, or from RouterArena's JSON array."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.formats import read_columns
from routerbench.errors import InputError

PROMPT = ("prompt_formatted", "prompt")  # the first one that is not empty, as in RouterArena
INDEX = ("global index", "global_index", "Global Index")


def read_prompts(path: Path) -> list[str]:
    """Read the N prompts of a file, unchanged.

    Raises:
        InputError: the file cannot be read, has no prompts, or one is empty.
    """
    return _texts(_columns(path), PROMPT, path)


def read_indexed_prompts(path: Path) -> list[tuple[str, str]]:
    """Read N pairs of global index and prompt, unchanged, as RouterArena compares them. Indices are unique.

    Raises:
        InputError: the file cannot be read, lacks a column, has an empty cell, or repeats an index.
    """
    columns = _columns(path)
    indices, prompts = _texts(columns, INDEX, path), _texts(columns, PROMPT, path)
    rows: dict[str, int] = {}
    for row, index in enumerate(indices, start=1):
        if rows.setdefault(index, row) != row:
            raise InputError(f"{path}: row {row}: global index {index!r} is that of row {rows[index]}; remove one")
    return list(zip(indices, prompts, strict=True))


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            is_array = file.read(64).lstrip().startswith(b"[")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the prompts as --prompts FILE") from error
    if not is_array:
        return read_columns(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is no JSON array ({error})") from error
    for row, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: entry {row} is no JSON object; write one object for each prompt")
    if not entries:
        raise InputError(f"{path}: the array is empty")
    names = dict.fromkeys(name for entry in entries for name in entry)
    return {name: np.array([entry.get(name) for entry in entries], object) for name in names}


def _texts(columns: dict[str, NDArray[Any]], names: tuple[str, ...], path: Path) -> list[str]:
    """Return, for each row, the text of the first column that has one."""
    found = [columns[name].tolist() for name in names if name in columns]
    if not found:
        raise InputError(f"{path}: no column {names[0]!r} or {names[1]!r}; it has {', '.join(map(repr, columns))}")
    texts = []
    for row, cells in enumerate(zip(*found, strict=True), start=1):
        text = next((cell for cell in cells if isinstance(cell, str) and cell.strip()), None)
        if text is None:
            raise InputError(
                f"{path}: row {row}: column {names[0]!r} or {names[1]!r} is empty or no text: {cells[0]!r}"
            )
        texts.append(text)
    return texts
