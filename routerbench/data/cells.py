"""Merge the rows and cells of a file into one row per prompt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import is_doubled
from routerbench.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """Descriptions of the prompts, one per data row (n rows).

    Attributes:
        prompts: ``(n,)`` request texts.
        ids: ``(n,)`` prompt ids; rows with the same id describe the same prompt. None if the file has no ids.
        benchmark: ``(n,)`` benchmark names.
        split: ``(n,)`` "train", "val" or "test"; None if the file has no split.
        columns: maps "prompt", "eval_name" and "split" to the column names in the file.
    """

    prompts: NDArray[np.object_]
    ids: NDArray[np.object_] | None
    benchmark: NDArray[np.object_]
    split: NDArray[np.object_] | None
    columns: dict[str, str]


@dataclass(frozen=True)
class Cells:
    """C measurements of a file: one per row of a long table, one per row and model of a wide table.

    Attributes:
        models: ``M`` names.
        row: ``(C,)`` index of the data row.
        model: ``(C,)`` index of the model.
        quality: ``(C,)`` in [0, 1], NaN if not observed.
        cost: ``(C,)`` USD, NaN if unknown.
        responses: ``(C,)`` texts, None for a missing response; None if the file has no responses.
        columns: maps "quality", "cost", "response" and the token counts to the column names in the file, with {model}
            in place of the model name.
        by_text: whether rows without ids that share prompt and benchmark describe the same prompt.
        input_tokens: ``(C,)`` token counts, NaN if unknown; None if the file has no such column.
        output_tokens: the same for the responses.
    """

    models: tuple[str, ...]
    row: NDArray[np.int64]
    model: NDArray[np.int64]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    responses: NDArray[np.object_] | None
    columns: dict[str, str]
    by_text: bool
    input_tokens: NDArray[np.float64] | None = None
    output_tokens: NDArray[np.float64] | None = None


def merge(rows: Rows, cells: Cells, source: str) -> OutcomeTable:
    """Merge rows of the same prompt into one, keeping the order of first appearance.

    Rows are merged cell by cell. RouterBench's 5-shot table needs this: 14 ids have two rows, one with the prompt
    written twice, and each row has the scores that the other lacks.

    Args:
        rows: the n rows of the file.
        cells: their measurements.
        source: name of the file.

    Raises:
        InputError: two rows of the same prompt disagree.
    """
    group, first = _group(rows, cells.by_text)
    count, num_models = len(first), len(cells.models)
    pair = group[cells.row] * num_models + cells.model
    _log_repeats(pair, cells, source)
    found = {"quality": cells.quality, "cost": cells.cost, "response": cells.responses}
    found |= {"input_tokens": cells.input_tokens, "output_tokens": cells.output_tokens}
    placed = {
        word: _place(word, values, pair, count, cells, rows, source)
        for word, values in found.items()
        if values is not None
    }
    ids = np.array([str(number + 1) for number in range(count)], dtype=object) if rows.ids is None else rows.ids[first]
    return OutcomeTable(
        prompts=_one_prompt(rows, group, first, source),
        models=cells.models,
        quality=placed["quality"],
        cost=placed["cost"],
        benchmark=_same("eval_name", rows.benchmark, rows, group, first, source),
        ids=ids,
        rows=np.arange(count),
        source=source,
        split=None if rows.split is None else _same("split", rows.split, rows, group, first, source),
        responses=placed.get("response"),
        tokens=_tokens(placed),
    )


def _tokens(placed: dict[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """``(N, M, 2)`` input and output token counts, or None if the file has neither."""
    unknown = np.full_like(placed["quality"], np.nan)
    both = [placed.get(word, unknown) for word in ("input_tokens", "output_tokens")]
    return None if all(cells is unknown for cells in both) else np.stack(both, axis=2)


def _group(rows: Rows, by_text: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``(n,)`` prompt number of each row, and ``(N,)`` index of the first row of each prompt."""
    if rows.ids is not None:
        keys = rows.ids.tolist()
    elif by_text:
        keys = list(zip(rows.benchmark, rows.prompts, strict=True))
    else:
        return np.arange(len(rows.prompts)), np.arange(len(rows.prompts))
    number: dict[Any, int] = {}
    group = np.fromiter((number.setdefault(key, len(number)) for key in keys), dtype=np.int64, count=len(keys))
    return group, np.unique(group, return_index=True)[1]


def _place(
    word: str, values: NDArray[Any], pair: NDArray[np.int64], count: int, cells: Cells, rows: Rows, source: str
) -> NDArray[Any]:
    """``(N, M)`` values; known values of the same cell must agree."""
    is_text = values.dtype == object
    known = np.flatnonzero(values != None if is_text else ~np.isnan(values))  # noqa: E711, elementwise
    out = np.full(count * len(cells.models), None if is_text else np.nan, dtype=values.dtype)
    out[pair[known]] = values[known]
    clash = known[out[pair[known]] != values[known]]
    if len(clash):
        one = clash[0]
        other = known[(pair[known] == pair[one]) & (values[known] != values[one])][0]
        column = cells.columns[word].replace("{model}", cells.models[cells.model[one]])
        what = f"{_name(rows, cells.row[one])} and model {cells.models[cells.model[one]]!r} hold "
        what += f"{_short(values[one])} and {_short(values[other])}"
        raise _conflict(cells.row[one], cells.row[other], column, what, source)
    return out.reshape(count, len(cells.models))


def _one_prompt(rows: Rows, group: NDArray[np.int64], first: NDArray[np.int64], source: str) -> NDArray[np.object_]:
    chosen = rows.prompts[first]
    for row in np.flatnonzero(rows.prompts != chosen[group]):
        ours, theirs = chosen[group[row]], rows.prompts[row]
        if is_doubled(ours, theirs):
            chosen[group[row]] = theirs
        elif ours != theirs and not is_doubled(theirs, ours):
            what = f"{_name(rows, row)} hold different prompts, {_short(ours)} and {_short(theirs)}"
            raise _conflict(first[group[row]], row, rows.columns["prompt"], what, source)
    return chosen


def _same(
    word: str, values: NDArray[np.object_], rows: Rows, group: NDArray[np.int64], first: NDArray[np.int64], source: str
) -> NDArray[np.object_]:
    chosen = values[first]
    clash = np.flatnonzero(values != chosen[group])
    if len(clash):
        row = clash[0]
        what = f"{_name(rows, row)} hold {chosen[group[row]]!r} and {values[row]!r}"
        raise _conflict(first[group[row]], row, rows.columns[word], what, source)
    return chosen


def _log_repeats(pair: NDArray[np.int64], cells: Cells, source: str) -> None:
    _, firsts = np.unique(pair, return_index=True)
    repeats = len(np.unique(cells.row)) - len(np.unique(cells.row[firsts]))
    if repeats:
        log.info("%s: %d rows repeat an earlier row's prompt and are merged with it, cell by cell", source, repeats)


def _conflict(
    row: np.signedinteger[Any] | int, other: np.signedinteger[Any] | int, column: str, what: str, source: str
) -> InputError:
    low, high = sorted((int(row) + 1, int(other) + 1))
    return InputError(f"{source}: rows {low} and {high}, column {column!r}: both for {what}; keep one of the rows")


def _name(rows: Rows, row: np.signedinteger[Any] | int) -> str:
    return f"prompt {_short(rows.prompts[row])}" if rows.ids is None else f"sample_id {rows.ids[row]!r}"


def _short(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else text[:57] + "..."
