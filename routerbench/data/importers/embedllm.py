"""EmbedLLM (arXiv 2410.02223, github.com/richardzhuang0412/EmbedLLM, data at RZ412/EmbedLLM): CSV, a row per outcome.

``train.csv``, ``val.csv`` and ``test.csv`` have ``prompt_id``, ``model_id``, ``model_name``, ``label`` (1 for right, 0
for wrong) and ``category``; ``question_order.csv`` has ``prompt_id`` and ``prompt``. These names are those that its
``algorithm/mf.py`` and ``data_preprocessing`` and readers by others use; the files themselves were not at hand. Where
the outcomes have a ``prompt`` of their own, it is taken. The authors of IrtNet report outcomes that are there twice
with different labels: they get the mean, and are counted. There are no costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, label_cells, quality_cells
from routerbench.data.formats import read_coded_csv
from routerbench.data.importers.collect import Collection
from routerbench.data.importers.files import column_names, data_files, split_in
from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError

COLUMNS = {
    "prompt": "prompt",
    "model": "model_name",
    "quality": "label",
    "eval_name": "category",
    "sample_id": "prompt_id",
}
QUESTIONS = "question_order.csv"


def fits(names: set[str]) -> bool:
    """Whether a file is of outcomes."""
    return {"prompt_id", "label"} <= names and bool({"model_id", "model_name"} & names)


def read(path: Path, names: Mapping[str, str]) -> OutcomeTable:
    """Read one file of outcomes, or all of a folder.

    Args:
        path: ``train.csv`` or another, or the folder.
        names: our word for a column -> its name.

    Raises:
        InputError: no file has outcomes, no file has the prompts, or a cell is wrong.
    """
    needed = {names["sample_id"], names["quality"]}
    files = [file for file in data_files(path, (".csv",)) if needed <= column_names(file)]
    if not files:
        raise InputError(f"{path}: no CSV file with the columns {', '.join(sorted(needed))}")
    outcomes, questions = Collection(path), _questions(path if path.is_dir() else path.parent, names)
    for file in files:
        _add(file, names, questions, outcomes)
    return outcomes.table()


def _add(file: Path, names: Mapping[str, str], questions: dict[str, str], outcomes: Collection) -> None:
    found, source = column_names(file), str(file)
    model_name = names["model"] if names["model"] in found else "model_id"
    wanted = [names["sample_id"], model_name, names["quality"]]
    wanted += [name for name in (names["prompt"], names["eval_name"]) if name in found]
    columns = read_coded_csv(file, wanted)
    for name in (names["sample_id"], model_name):
        label, texts = columns[name]
        if (label < 0).any() or not all(text.strip() for text in texts):
            label_cells(_taken(label, texts), name, source)  # says which row it is
    codes, ids = columns[names["sample_id"]]
    _, first = np.unique(codes, return_index=True)

    def of_prompts(name: str) -> Column:
        code, texts = columns[name]
        return _taken(code[first], texts)

    if names["prompt"] in columns:
        prompts = of_prompts(names["prompt"])
    else:
        prompts = np.array([questions.get(key) for key in ids], dtype=object)
        if lacking := [key for key, prompt in zip(ids, prompts, strict=True) if prompt is None]:
            raise InputError(
                f"{file}: row {first[ids.tolist().index(lacking[0])] + 1}, column {names['sample_id']!r}: "
                f"{lacking[0]!r} has no prompt in {file.parent / QUESTIONS}; put that file beside it"
            )
    kind = names["eval_name"]
    benchmark = label_cells(of_prompts(kind), kind, source) if kind in columns else ["all"] * len(first)
    split = split_in(file.stem)[1]
    rows = outcomes.rows(ids.tolist(), prompts, list(benchmark), split, file, names["prompt"])
    models = outcomes.models(columns[model_name][1].tolist())
    label, texts = columns[names["quality"]]
    outcomes.add(rows[codes], models[columns[model_name][0]], quality=_quality(label, texts, names["quality"], source))


def _quality(codes: NDArray[np.int64], texts: Column, name: str, source: str) -> NDArray[np.float64]:
    try:
        return _taken(codes, quality_cells(texts, name, source), missing=np.nan)
    except InputError:
        return quality_cells(_taken(codes, texts), name, source)  # knows the row


def _taken(codes: NDArray[np.int64], values: Column, missing: Any = None) -> Column:
    return np.append(values, [missing]).astype(values.dtype)[codes]  # code -1 is an empty cell: the last


def _questions(folder: Path, names: Mapping[str, str]) -> dict[str, str]:
    file = folder / QUESTIONS
    if not file.is_file():
        return {}
    columns = read_coded_csv(file, [names["sample_id"], names["prompt"]])
    ids, prompts = (_taken(*columns[names[word]]) for word in ("sample_id", "prompt"))
    return dict(zip(ids.tolist(), prompts.tolist(), strict=True))
