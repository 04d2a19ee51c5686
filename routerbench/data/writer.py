"""Write an outcome table to Parquet in RouterBench's wide layout; ``table.py`` restores it unchanged."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from routerbench.data.outcomes import SPLITS, OutcomeTable
from routerbench.data.prompts import lost_characters, read_prompts, whole_characters
from routerbench.data.table import WORDS
from routerbench.data.wide import COST_SUFFIX, NO_MODELS, RESPONSE_SUFFIX, SUFFIXES, TOKEN_SUFFIXES
from routerbench.errors import InputError
from routerbench.files import atomic_path

log = logging.getLogger(__name__)


def write_table(table: OutcomeTable, path: str | Path) -> None:
    """Write a table atomically, with one row per prompt and one column per model and kind of measurement.

    The columns are ``sample_id``, ``prompt``, ``eval_name``, ``split`` (if the table has one), ``<model>`` (quality),
    ``<model>|total_cost`` (for models with any known cost) and, if the table has them, ``<model>|input_tokens``,
    ``<model>|output_tokens`` and ``<model>|model_response``. Missing values are null. The price list is not written.

    Args:
        table: N outcomes, as returned by a reader; if it has a split, every prompt is in train, val or test.
        path: the file; its folder is created if missing.

    Raises:
        InputError: a model name is reserved by the layout, a text cannot be encoded, a prompt is in no split, or the
            disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_names(table)
    columns: dict[str, Any] = {
        "sample_id": _labels(table.ids, "sample_id", table.source),
        "prompt": pa.array(_prompts(table), pa.large_string()),
        "eval_name": _labels(table.benchmark, "eval_name", table.source),
    }
    if table.split is not None:
        if not set(table.split.tolist()) <= set(SPLITS):
            raise InputError(f"{table.source}: some prompts are in no split; write the table before it is split")
        columns["split"] = _labels(table.split, "split", table.source)
    kinds = {"": table.quality, COST_SUFFIX: table.cost}
    if table.tokens is not None:
        kinds |= {suffix: table.tokens[:, :, kind] for kind, suffix in enumerate(TOKEN_SUFFIXES.values())}
    for suffix, cells in kinds.items():
        for model, column in zip(table.models, cells.T, strict=True):
            if suffix != COST_SUFFIX or np.isfinite(column).any():
                columns[model + suffix] = pa.array(np.ascontiguousarray(column), pa.float64(), from_pandas=True)
    if table.responses is not None:
        for model, column in zip(table.models, table.responses.T, strict=True):
            columns[model + RESPONSE_SUFFIX] = pa.array(_encodable(column, model, table.source), pa.large_string())
    with atomic_path(path) as part:
        pq.write_table(pa.table(columns), part, compression="zstd")


def _check_names(table: OutcomeTable) -> None:
    for model in table.models:
        if model in {*WORDS, *NO_MODELS} or model.endswith(SUFFIXES):
            raise InputError(f"{table.source}: a model called {model!r} has no place in a wide table; rename it")
        _labels([model], "model", table.source)


def _prompts(table: OutcomeTable) -> list[str]:
    """Return the prompts, wrapped in lists of one turn if the reader would mistake them for lists of turns."""
    prompts = table.prompts.tolist()
    if any(not text.strip().startswith("[") for text in prompts):
        return prompts
    logger = logging.getLogger("routerbench.data.prompts")
    disabled, logger.disabled = logger.disabled, True  # messages of this trial read do not concern the user
    try:
        same = bool(np.all(read_prompts(table.prompts, "prompt", table.source) == table.prompts))
    except InputError:
        same = False
    finally:
        logger.disabled = disabled
    return prompts if same else [repr([text]) for text in prompts]


def _labels(texts: Iterable[str], name: str, source: str) -> Any:
    import pyarrow as pa

    texts = list(texts)
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError as error:
        wrong = next(row for row, text in enumerate(texts) if whole_characters(text) != text)
        raise InputError(
            f"{source}: row {wrong + 1}, column {name!r}: {texts[wrong]!r} holds half of a character; rename it"
        ) from error


def _encodable(texts: Any, model: str, source: str) -> list[str | None]:
    texts = texts.tolist()
    if count := sum(text is not None and lost_characters(text) > 0 for text in texts):
        log.warning(
            "%s: column %r: %d responses hold half of a character and get U+FFFD there",
            *(source, model + RESPONSE_SUFFIX, count),
        )
    return [None if text is None else whole_characters(text) for text in texts]
