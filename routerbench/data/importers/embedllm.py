"""Import EmbedLLM (arXiv 2410.02223, github.com/richardzhuang0412/EmbedLLM): CSV, one row per outcome.

The data is published as RZ412/EmbedLLM. ``train.csv``, ``val.csv`` and ``test.csv`` have ``prompt_id``, ``model_id``,
``model_name``, ``label`` (1 for right, 0 for wrong) and ``category``; ``question_order.csv`` has ``prompt_id`` and
``prompt``. These names are the ones used by EmbedLLM's ``algorithm/mf.py`` and ``data_preprocessing`` and by
third-party readers; the files themselves were not available. A ``prompt`` column in the outcome files takes precedence;
an id with two prompts is an error. The authors of IrtNet report duplicate outcomes with different labels: these are
averaged and counted. A prompt in several categories, such as mmlu and mmlu_anatomy, is one prompt of the category in
which it comes first; such prompts are counted, too. There are no costs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, label_cells, objects, prompt_cells, quality_cells
from routerbench.data.formats import read_coded_csv
from routerbench.data.importers.files import Names, column_names, data_files, split_in
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import read_prompts
from routerbench.errors import InputError

COLUMNS = {
    "prompt": "prompt",
    "model": "model_name",
    "quality": "label",
    "eval_name": "category",
    "sample_id": "prompt_id",
}
QUESTIONS = "question_order.csv"
Check = Callable[[Column, str, str], Column]


def fits(names: set[str]) -> bool:
    """Whether the columns are those of a file of outcomes."""
    return {"prompt_id", "label"} <= names and bool({"model_id", "model_name"} & names)


def read(path: Path, names: Names) -> OutcomeTable:
    """Read one file of outcomes, or all files of a folder.

    Args:
        path: ``train.csv`` or another file, or the folder.
        names: maps routerbench's column names to those of the files.

    Raises:
        InputError: no file has outcomes, no file has the prompts, an id has two prompts, or a cell is invalid.
    """
    needed = {names["sample_id"], names["quality"]}
    files = {file: found for file in data_files(path, (".csv",)) if needed <= (found := column_names(file))}
    if not files:
        raise InputError(f"{path}: no CSV file with the columns {', '.join(sorted(needed))}")
    outcomes, questions = TableBuilder(path), {}
    if any(names["prompt"] not in found for found in files.values()):
        questions = _questions(path if path.is_dir() else path.parent, names)
    for file, found in files.items():
        _add(file, found, names, questions, outcomes)
    return outcomes.table()


def _add(file: Path, found: set[str], names: Names, questions: dict[str, str], outcomes: TableBuilder) -> None:
    source = str(file)
    names.check(("model", "eval_name", *(() if questions else ("prompt",))), sorted(found), file)
    id_name, prompt_name, kind_name, quality_name = (
        names[word] for word in ("sample_id", "prompt", "eval_name", "quality")
    )
    model_name = names["model"] if names["model"] in found else "model_id"
    described = [id_name, *(name for name in (prompt_name, kind_name) if name in found)]
    columns = read_coded_csv(file, list(dict.fromkeys([*described, model_name, quality_name])))
    for name in dict.fromkeys([*described, model_name]):
        _check(prompt_cells if name == prompt_name else label_cells, columns[name], name, source)
    # Each combination of id, prompt and category once: with 100 models, 99 of 100 rows repeat it.
    shape = [len(columns[name][1]) for name in described]
    combination = np.ravel_multi_index([columns[name][0] for name in described], shape)
    first = np.sort(np.unique(combination, return_index=True)[1])

    def cells(name: str) -> Column:
        codes, texts = columns[name]
        return texts[codes[first]]

    if prompt_name in columns:
        prompts = read_prompts(cells(prompt_name), prompt_name, source, first)
    else:
        prompts = _prompts_of(cells(id_name), questions, id_name, file, first)
    benchmark = cells(kind_name).tolist() if kind_name in columns else ["all"] * len(first)
    rows = outcomes.rows(
        *(cells(id_name).tolist(), prompts, benchmark, split_in(file.stem)[1], file, prompt_name), places=first
    )
    codes, ids = columns[id_name]
    row_of_id = np.empty(len(ids), dtype=np.int64)
    row_of_id[codes[first]] = rows
    model_codes, models = columns[model_name]
    quality = _quality(*columns[quality_name], quality_name, source)
    outcomes.add(row_of_id[codes], outcomes.models(models.tolist())[model_codes], quality=quality)


def _prompts_of(
    ids: Column, questions: dict[str, str], name: str, file: Path, places: NDArray[np.int64]
) -> NDArray[np.object_]:
    for row, key in zip(places, ids, strict=True):
        if key not in questions:
            raise InputError(
                f"{file}: row {row + 1}, column {name!r}: {key!r} has no prompt in {file.parent / QUESTIONS}; put that "
                "file beside it"
            )
    return objects(questions[key] for key in ids)


def _quality(codes: NDArray[np.int64], texts: Column, name: str, source: str) -> NDArray[np.float64]:
    try:
        return _taken(codes, quality_cells(texts, name, source), missing=np.nan)
    except InputError:
        return quality_cells(_taken(codes, texts), name, source)  # determines the row for the error message


def _taken(codes: NDArray[np.int64], values: Column, missing: Any = None) -> Column:
    return np.append(values, [missing]).astype(values.dtype)[codes]  # code -1, an empty cell, selects the last value


def _check(cells: Check, column: tuple[NDArray[np.int64], Column], name: str, source: str) -> None:
    """Refuse empty cells; all cells are expanded only to find the row for the error message."""
    codes, texts = column
    if (codes < 0).any() or not all(text.strip() for text in texts):
        cells(_taken(codes, texts), name, source)


def _questions(folder: Path, names: Names) -> dict[str, str]:
    file = folder / QUESTIONS
    if not file.is_file():
        return {}
    id_name, prompt_name = names["sample_id"], names["prompt"]
    columns = read_coded_csv(file, [id_name, prompt_name])
    ids = label_cells(_taken(*columns[id_name]), id_name, str(file)).tolist()
    prompts = read_prompts(_taken(*columns[prompt_name]), prompt_name, str(file)).tolist()
    first: dict[str, int] = {}
    for row, key in enumerate(ids):
        other = first.setdefault(key, row)
        if prompts[other] != prompts[row]:
            raise InputError(
                f"{file}: row {row + 1}, column {prompt_name!r}: {prompts[row][:50]!r} is another prompt than "
                f"{prompts[other][:50]!r} of row {other + 1}, but both are number {key!r}; correct one of them"
            )
    return {key: prompts[row] for key, row in first.items()}
