"""The long table layout: one row per prompt and model, as in a log of model calls."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from routerbench.data.cells import Cells
from routerbench.data.checks import Column, cost_cells, label_cells, quality_cells, response_cells, token_cells

TOKENS = ("input_tokens", "output_tokens")

log = logging.getLogger(__name__)


def read_cells(columns: Mapping[str, Column], names: Mapping[str, str], source: str) -> Cells:
    """Read the measurements of a long table.

    Args:
        columns: maps each column name to its ``(n,)`` cells.
        names: maps routerbench's column names to those of the file; has "model" and "quality".
        source: name of the file.

    Raises:
        InputError: a cell is invalid.
    """
    if ignored := [name for name in columns if name not in names.values()]:
        log.info("%s: columns not used: %s", source, ", ".join(ignored))
    labels = label_cells(columns[names["model"]], names["model"], source)
    models = tuple(dict.fromkeys(labels))
    index = {name: number for number, name in enumerate(models)}
    return Cells(
        models=models,
        row=np.arange(len(labels)),
        model=np.fromiter((index[label] for label in labels), dtype=np.int64, count=len(labels)),
        quality=quality_cells(columns[names["quality"]], names["quality"], source),
        cost=cost_cells(columns[names["cost"]], names["cost"], source)
        if "cost" in names
        else np.full(len(labels), np.nan),
        responses=response_cells(columns[names["response"]]) if "response" in names else None,
        columns={word: names.get(word, word) for word in ("quality", "cost", "response", *TOKENS)},
        by_text=True,
        **{word: token_cells(columns[names[word]], names[word], source) for word in TOKENS if word in names},
    )
