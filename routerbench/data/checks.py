"""Convert columns to checked numbers and texts; report the first invalid cell."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError

# A column as read from a file: numbers, or objects with None for missing cells.
Column = NDArray[Any]

_TRUTHS = {"true": 1.0, "false": 0.0}


def numbers(column: Column) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Parse the cells of a column as numbers.

    Args:
        column: ``(n,)`` cells; booleans and texts such as "0.5" or "True" are valid numbers.

    Returns:
        ``(n,)`` values, NaN for missing cells, and the indices of the cells that are not numbers.

    Example:
        >>> values, wrong = numbers(np.array(["0.5", None, "True", "good"], dtype=object))
        >>> values.tolist(), wrong.tolist()
        ([0.5, nan, 1.0, nan], [3])
    """
    try:
        return column.astype(np.float64), np.empty(0, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        values = [_number(cell) for cell in column.tolist()]
    wrong = np.array([row for row, value in enumerate(values) if value is None], dtype=np.int64)
    return np.array(values, dtype=np.float64), wrong


def quality_cells(column: Column, name: str, source: str) -> NDArray[np.float64]:
    """``(n,)`` quality in [0, 1], NaN if not observed.

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: a cell is not a number in [0, 1].
    """
    values, wrong = numbers(column)
    if len(wrong):
        raise _wrong_cell(column, wrong[0], name, source, "is not a number; quality is a number in [0, 1]")
    outside = np.flatnonzero((values < 0) | (values > 1))
    if len(outside):
        why = "is not a quality in [0, 1]; divide by the highest possible score"
        raise _wrong_cell(column, outside[0], name, source, why)
    return values


def cost_cells(column: Column, name: str, source: str) -> NDArray[np.float64]:
    """``(n,)`` cost in USD per prompt, NaN if unknown.

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: a cell is not a finite number >= 0.
    """
    why = "is not a cost; a cost is in USD per prompt, finite and at least 0, or an empty cell where it is not known"
    return _amounts(column, name, source, why)


def token_cells(column: Column, name: str, source: str) -> NDArray[np.float64]:
    """``(n,)`` token counts, NaN if unknown.

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: a cell is not a finite number >= 0.
    """
    why = "is not a number of tokens; it is finite and at least 0, or an empty cell where it is not known"
    return _amounts(column, name, source, why)


def label_cells(column: Column, name: str, source: str) -> NDArray[np.object_]:
    """``(n,)`` names (ids, benchmarks, models) as texts; the integer 7 becomes "7".

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: a cell is empty.
    """
    labels = np.fromiter((_label(cell) for cell in column.tolist()), dtype=object, count=len(column))
    for row, label in enumerate(labels):
        if not label.strip():
            raise _wrong_cell(column, row, name, source, "is empty; fill it in, or leave the whole column out")
    return labels


def prompt_cells(column: Column, name: str, source: str) -> NDArray[np.object_]:
    """``(n,)`` non-empty prompts, unchanged.

    Args:
        column: ``(n,)`` cells of the file.
        name: column name, for the error message.
        source: file name, for the error message.

    Raises:
        InputError: a cell is not a text, or contains only white space.
    """
    for row, cell in enumerate(column.tolist()):
        if not _label(cell).strip():
            raise _wrong_cell(column, row, name, source, "is an empty prompt; remove the row or give it its prompt")
        if not isinstance(cell, str):
            raise _wrong_cell(column, row, name, source, "is not a text; a prompt is the text that the model is sent")
    return column.astype(object)


def response_cells(column: Column) -> NDArray[np.object_]:
    """``(n,)`` response texts, None if missing."""
    cells = (cell if cell is None or isinstance(cell, str) else _label(cell) or None for cell in column.tolist())
    return np.fromiter(cells, dtype=object, count=len(column))


def objects(cells: Iterable[Any]) -> NDArray[np.object_]:
    """``(n,)`` column of arbitrary objects, which may be lists."""
    cells = list(cells)
    return np.fromiter(cells, dtype=object, count=len(cells))


def _amounts(column: Column, name: str, source: str, why: str) -> NDArray[np.float64]:
    """``(n,)`` finite numbers >= 0, NaN if missing; ``why`` is the reason given for any other cell."""
    values, wrong = numbers(column)
    if not len(wrong):
        wrong = np.flatnonzero((values < 0) | np.isinf(values))
    if len(wrong):
        raise _wrong_cell(column, wrong[0], name, source, why)
    return values


def _number(cell: Any) -> float | None:
    if cell is None:
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return _TRUTHS.get(cell.strip().lower()) if isinstance(cell, str) else None


def _label(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():  # integers with missing cells are stored as floats
        return str(int(cell))
    return str(cell)


def _wrong_cell(column: Column, row: int, name: str, source: str, why: str) -> InputError:
    value = column[row].item() if isinstance(column[row], np.generic) else column[row]
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    return InputError(f"{source}: row {row + 1}, column {name!r}: {shown} {why}")
