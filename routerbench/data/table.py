"""Load outcome tables from Parquet, CSV, JSON lines or a pandas pickle, in wide or long layout."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.data import long, wide
from routerbench.data.cells import Rows, merge
from routerbench.data.checks import Column, label_cells
from routerbench.data.formats import read_columns
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prices import with_prices
from routerbench.data.prompts import read_prompts
from routerbench.data.split import assign_split, read_split
from routerbench.errors import InputError

# routerbench's name of a column is also its default name in the file; the option `columns` changes the latter.
WORDS = ("prompt", "model", "quality", "cost", "eval_name", "sample_id", "split", "response", *long.TOKENS)

log = logging.getLogger(__name__)


def load(
    path: str | Path,
    layout: str = "auto",
    models: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
    drop_unpriced_models: bool = False,
    holdout_benchmarks: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    prices: str | Path | None = None,
    seed: int = 0,
) -> OutcomeTable:
    """Read an outcome table and split it.

    Args:
        path: the file; the format is detected from its content.
        layout: "wide" (one row per prompt), "long" (one row per prompt and model), or "auto" to detect it from the
            columns.
        models: models to keep, in this order; None keeps all.
        benchmarks: benchmarks to keep; None keeps all.
        drop_unpriced_models: whether to drop models without any cost if other models have costs.
        holdout_benchmarks: benchmarks that are used for test only.
        columns: maps routerbench's column names to those of the file, for example ``{"prompt": "question"}``; None
            ignores a column: ``{"split": None}`` draws a new split although the file has one.
        prices: price list, see ``prices.py``; used to compute unknown costs from the table's token counts.
        seed: random seed of the split.

    Raises:
        InputError: the file, a cell or an option is invalid.
    """
    table = read(path, layout, models, drop_unpriced_models, columns, prices)
    table = keep_benchmarks(table, benchmarks)
    return assign_split(table, seed, holdout_benchmarks)


def read(
    path: str | Path,
    layout: str = "auto",
    models: Sequence[str] | None = None,
    drop_unpriced_models: bool = False,
    columns: Mapping[str, str] | None = None,
    prices: str | Path | None = None,
) -> OutcomeTable:
    """Read and check an outcome table without splitting it; a published split is kept. Arguments as in ``load``."""
    table = parse(path, layout, models, columns)
    table = table if prices is None else with_prices(table, prices)
    return _check_prices(table, drop_unpriced_models)


def parse(
    path: str | Path,
    layout: str = "auto",
    models: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> OutcomeTable:
    """Read an outcome table without prices; models may lack costs. Arguments as in ``load``."""
    file, source = Path(path).expanduser(), str(path)
    found = read_columns(file)
    names = _name_columns(found, columns, source)
    models = None if models is None else names_in(models)
    if _layout(layout, names, found, source) == "wide":
        cells = wide.read_cells(found, names, models, source)
    else:
        cells = long.read_cells(found, names, source)
    return check_models(merge(_read_rows(found, names, source), cells, source), models)


def keep_benchmarks(table: OutcomeTable, benchmarks: Sequence[str] | None) -> OutcomeTable:
    """Select the prompts of some benchmarks; None selects all.

    Args:
        table: the outcomes.
        benchmarks: names of benchmarks in the table.

    Raises:
        InputError: a benchmark is not in the table.
    """
    if benchmarks is None:
        return table
    known = sorted(set(table.benchmark))
    for name in names_in(benchmarks):
        if name not in known:
            raise InputError(
                f"{table.source}: no benchmark {name!r} in data.benchmarks; the table has {', '.join(known)}"
            )
    keep = np.isin(table.benchmark.astype(str), np.array(names_in(benchmarks), dtype=str))
    if not keep.any():
        raise InputError(f"{table.source}: data.benchmarks is empty; the table has {', '.join(known)}")
    return table.take(keep)


def names_in(option: Sequence[str] | str) -> list[str]:
    """Return the names in an option as a list; ``data.models=gpt-4`` gives a single name."""
    return [option] if isinstance(option, str) else [str(name) for name in option]


def _name_columns(found: Mapping[str, Column], columns: Mapping[str, str] | None, source: str) -> dict[str, str]:
    """Map routerbench's column names to those of the file, for the columns that exist."""
    given = dict(columns or {})
    renamed = {word: name for word, name in given.items() if name is not None and name != word}
    for word, name in renamed.items():
        if word not in WORDS:
            raise InputError(f"{source}: no word {word!r} for a column; the words are {', '.join(WORDS)}")
        if name not in found:
            raise InputError(f"{source}: no column {name!r} to take as {word}; the table has {', '.join(found)}")
    plain = [word for word in WORDS if word in found and given.get(word, word) == word]
    names = {word: word for word in plain if word not in renamed.values()} | renamed
    if "prompt" not in names:
        raise InputError(
            f"{source}: no column 'prompt'; the table has {', '.join(found)}; say which one it is with",
            "columns.prompt=NAME",
        )
    return names


def _layout(layout: str, names: Mapping[str, str], found: Mapping[str, Column], source: str) -> str:
    if layout == "auto":
        return "long" if "model" in names and "quality" in names else "wide"
    if layout not in ("wide", "long"):
        raise InputError(f"{source}: unknown data.layout {layout!r}; it is auto, wide or long")
    if layout == "long":
        for word in ("model", "quality"):
            if word not in names:
                raise InputError(
                    f"{source}: a long table needs a column {word!r}; the table has {', '.join(found)}; say which one "
                    "it is with",
                    f"columns.{word}=NAME",
                )
    return layout


def _read_rows(found: Mapping[str, Column], names: Mapping[str, str], source: str) -> Rows:
    prompts = read_prompts(found[names["prompt"]], names["prompt"], source)

    def labels(word: str) -> NDArray[np.object_] | None:
        return label_cells(found[names[word]], names[word], source) if word in names else None

    benchmark, split = labels("eval_name"), labels("split")
    return Rows(
        prompts=prompts,
        ids=labels("sample_id"),
        benchmark=np.full(len(prompts), "all", dtype=object) if benchmark is None else benchmark,
        split=None if split is None else read_split(split, np.arange(len(split)), names["split"], source),
        columns=dict(names),
    )


def check_models(table: OutcomeTable, models: Sequence[str] | None = None) -> OutcomeTable:
    """Select models, or all; check that there are at least two and each has a known quality.

    Raises:
        InputError: there are fewer than two models, or one has no quality.
    """
    if models is not None or table.num_models < 2:
        table = table.select_models(table.models if models is None else models)
    for model, observed in zip(table.models, _is_known(table.quality), strict=True):
        if not observed:
            raise InputError(
                f"{table.source}: model {model!r} has no quality in any row; name the models to keep with",
                "models=[...]",
            )
    return table


def _check_prices(table: OutcomeTable, drop_unpriced_models: bool) -> OutcomeTable:
    unpriced = [model for model, known in zip(table.models, _is_known(table.cost), strict=True) if not known]
    if not unpriced or len(unpriced) == table.num_models:
        return table
    if not drop_unpriced_models:
        raise InputError(
            f"{table.source}: no cost for {', '.join(unpriced)}, while other models have one; leave such models out "
            "with data.drop_unpriced_models=true, or name those to keep with data.models=[...]"
        )
    log.info("%s: models without a cost are left out: %s", table.source, ", ".join(unpriced))
    return table.select_models([model for model in table.models if model not in unpriced])


def _is_known(cells: NDArray[np.float64]) -> list[bool]:
    """``M`` flags, whether a model has any finite value."""
    return [bool(np.isfinite(column).any()) for column in cells.T]
