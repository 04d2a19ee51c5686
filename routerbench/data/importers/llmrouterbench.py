"""Import LLMRouterBench (arXiv 2601.07206, github.com/ynulihao/LLMRouterBench): a tree of JSON files, one per run.

The layout follows its ``data_collector/storage.py`` and ``baselines/data_loader.py``: ``bench/DATASET/SPLIT/MODEL/``
contains ``DATASET-SPLIT-MODEL-YYYYMMDD_HHMMSS.json``, an object with ``dataset_name``, ``split``, ``model_name``,
``demo`` and ``records``. A record has ``index``, ``origin_query``, ``prompt``, ``prompt_tokens``,
``completion_tokens``, ``cost`` (USD), ``score``, ``prediction`` and ``raw_output``. As upstream, the latest run that is
not a demo is used; unlike upstream, a record without a score is not observed instead of wrong. Records of a dataset
with the same split and index are one prompt. A prompt is a text or a list of ``{"role", "content"}``, of which the
user's turns are used; upstream uses the JSON of the list. The split is that of the benchmark, usually "test"; it is
kept only if there are both train and test. Responses are dropped because they make up most of the data;
``--column response=raw_output`` keeps them. The published files themselves were not available.
"""

from __future__ import annotations

import logging
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from routerbench.data.checks import cost_cells, label_cells, objects, quality_cells, token_cells
from routerbench.data.importers.files import Names, data_files
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.json_records import field, read_json, records_of
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import conversation, read_prompts
from routerbench.errors import InputError

COLUMNS = {
    "prompt": "prompt",
    "quality": "score",
    "cost": "cost",
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "response": "",
}
QUERY = "origin_query"  # the prompt before it is formatted for a model
_RUN = ("dataset_name", "split", "model_name")

log = logging.getLogger(__name__)


def fits(names: set[str]) -> bool:
    """Whether the columns are those of a model run."""
    return {*_RUN, "records"} <= names


def read(path: Path, names: Names) -> OutcomeTable:
    """Read a tree of runs, or a subtree.

    Args:
        path: the folder.
        names: maps routerbench's column names to the fields of a record.

    Raises:
        InputError: a file is not a run, two folders contain the same run, or a field is missing or invalid.
    """
    outcomes = TableBuilder(path)
    seen: dict[tuple[str, ...], Path] = {}
    runs = skipped = 0
    for _, files in groupby(data_files(path, (".json",)), key=lambda file: file.parent):
        newest = sorted(files, key=_time, reverse=True)
        chosen = next(((file, run) for file in newest if not (run := _run(file)).get("demo")), None)
        skipped += len(newest) - (chosen is not None)
        if chosen is None:
            continue
        file, run = chosen
        key = tuple(run[name] for name in _RUN)
        if key in seen:
            raise InputError(f"{file}: the same dataset, split and model as {seen[key]}; keep one of the files")
        seen[key] = file
        _add(run, file, names, outcomes)
        runs += 1
    if not runs:
        raise InputError(f"{path}: all runs are demos; nothing is left to read")
    if skipped:
        log.info("%s: %d files are demos or have a later run beside them and are left out", path, skipped)
    return outcomes.table()


def _add(run: dict[str, Any], file: Path, names: Names, outcomes: TableBuilder) -> None:
    dataset, split, model = (run[name] for name in _RUN)
    records, source = records_of(run["records"], file), str(file)
    cells = {word: field(records, name, file) for word, name in names.items() if name}
    index = label_cells(field(records, "index", file), "index", source)
    name = names["prompt"]
    texts = objects(
        conversation(cell, row, name, source) if isinstance(cell, list) else cell
        for row, cell in enumerate(cells["prompt"])
    )
    rows = outcomes.rows(
        [f"{dataset}/{split}/{number}" for number in index],
        *(read_prompts(texts, name, source), [dataset] * len(records), split, file, name),
        advice="correct one of them" if name == QUERY else f"if each model has its own, --column prompt={QUERY}",
    )
    outcomes.add(
        rows,
        model,
        cells.get("response"),
        quality=quality_cells(cells["quality"], names["quality"], source),
        cost=cost_cells(cells["cost"], names["cost"], source),
        **{word: token_cells(cells[word], names[word], source) for word in ("input_tokens", "output_tokens")},
    )


def _run(file: Path) -> dict[str, Any]:
    run = read_json(file)
    if not isinstance(run, dict) or not {*_RUN, "records"} <= set(run):
        raise InputError(f"{file}: not a run of LLMRouterBench; it is an object with {', '.join(_RUN)} and records")
    for name in _RUN:
        if not isinstance(run[name], str) or not run[name].strip():
            raise InputError(f"{file}: {name!r} is {run[name]!r}, which is no name")
    return run


def _time(file: Path) -> tuple[str, str]:
    found = re.search(r"(\d{8}_\d{6})\.json$", file.name)
    return (found[1] if found else "", file.name)
