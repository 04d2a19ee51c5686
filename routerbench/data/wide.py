"""RouterBench's wide table layout: one row per prompt; per model a quality column, often cost and response columns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from routerbench.data.cells import Cells
from routerbench.data.checks import Column, cost_cells, numbers, quality_cells, response_cells, token_cells
from routerbench.errors import InputError

COST_SUFFIX = "|total_cost"
RESPONSE_SUFFIX = "|model_response"
TOKEN_SUFFIXES = {"input_tokens": "|input_tokens", "output_tokens": "|output_tokens"}
SUFFIXES = (COST_SUFFIX, RESPONSE_SUFFIX, *TOKEN_SUFFIXES.values())

# Columns, some of them numeric, that tables often have beside those of the models.
NO_MODELS = {"", "Unnamed: 0", "index", "level_0", "__index_level_0__", "oracle_model_to_route_to"}
NO_MODELS |= {"sample_id", "prompt", "eval_name", "split"}

log = logging.getLogger(__name__)


def read_cells(
    columns: Mapping[str, Column], names: Mapping[str, str], models: Sequence[str] | None, source: str
) -> Cells:
    """Read the measurements of a wide table.

    A column is a model if there is a matching "|total_cost", "|model_response", "|input_tokens" or "|output_tokens"
    column, or if it is numeric and not known to be something else. A few non-numeric cells are treated as errors; they
    do not make a column non-numeric.

    Args:
        columns: maps each column name to its ``(n,)`` cells.
        names: maps routerbench's column names to those of the file.
        models: models to read, or None for all; other columns are ignored.
        source: name of the file.

    Raises:
        InputError: there is no model, a requested model is unknown, or a cell is invalid.
    """
    found = _find_models(columns, set(names.values()), source)
    chosen = found if models is None else tuple(dict.fromkeys(models))
    for model in chosen:
        if model not in found:
            raise InputError(f"{source}: no model {model!r}; the table has {', '.join(found)}")
    used = {*names.values(), *(name + suffix for name in chosen for suffix in ("", *SUFFIXES))}
    if ignored := [name for name in columns if name not in used]:
        log.info("%s: columns not used: %s", source, ", ".join(ignored))
    count = len(next(iter(columns.values())))
    unknown = np.full(count, np.nan)
    quality = [_quality(columns[name], name, models is None, source) for name in chosen]

    def amounts(suffix: str, check: Callable[[Column, str, str], NDArray[np.float64]]) -> NDArray[np.float64]:
        names = [name + suffix for name in chosen]
        cells = [check(columns[name], name, source) if name in columns else unknown for name in names]
        return np.stack(cells, axis=1).ravel()

    responses = None
    if any(name + RESPONSE_SUFFIX in columns for name in chosen):
        nothing = np.full(count, None, dtype=object)
        texts = (columns.get(name + RESPONSE_SUFFIX, nothing) for name in chosen)
        responses = np.stack([response_cells(column) for column in texts], axis=1).ravel()
    return Cells(
        models=chosen,
        row=np.repeat(np.arange(count), len(chosen)),
        model=np.tile(np.arange(len(chosen)), count),
        quality=np.stack(quality, axis=1).ravel(),
        cost=amounts(COST_SUFFIX, cost_cells),
        responses=responses,
        columns={"quality": "{model}", "cost": "{model}" + COST_SUFFIX, "response": "{model}" + RESPONSE_SUFFIX}
        | {word: "{model}" + suffix for word, suffix in TOKEN_SUFFIXES.items()},
        by_text=False,
        **{
            word: amounts(suffix, token_cells)
            for word, suffix in TOKEN_SUFFIXES.items()
            if any(name + suffix in columns for name in chosen)
        },
    )


def _find_models(columns: Mapping[str, Column], described: set[str], source: str) -> tuple[str, ...]:
    companions = dict.fromkeys(
        name.removesuffix(suffix) for name in columns for suffix in SUFFIXES if name.endswith(suffix)
    )
    for model in companions:
        if model not in columns:
            suffix = next(suffix for suffix in SUFFIXES if model + suffix in columns)
            raise InputError(f"{source}: column {model + suffix!r} has no quality beside it; add a column {model!r}")
    models = tuple(
        name
        for name, column in columns.items()
        if name in companions
        or (name not in described | NO_MODELS and not name.endswith(SUFFIXES) and _is_numeric(column))
    )
    if not models:
        raise InputError(
            f"{source}: no model column; a wide table has a column of quality and one of cost for each model ('NAME', "
            f"'NAME{COST_SUFFIX}'), a long one the columns 'model' and 'quality'; this one has {', '.join(columns)}; "
            "if it is a long one, say which they are with",
            *("columns.model=NAME", "columns.quality=NAME"),
        )
    return models


def _quality(column: Column, name: str, is_guessed: bool, source: str) -> NDArray[np.float64]:
    """Check the quality of a model; if the model was detected, not requested, the error suggests naming the models."""
    try:
        return quality_cells(column, name, source)
    except InputError as error:
        if not is_guessed:
            raise
        advice = f"{error}; if {name!r} is not about quality, name the models with"
        raise InputError(advice, "models=[...]") from error


def _is_numeric(column: Column) -> bool:
    values, wrong = numbers(column)
    return bool(np.isfinite(values).sum() > len(wrong))
