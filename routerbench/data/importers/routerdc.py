"""Import RouterDC (arXiv 2409.19886, github.com/shuhao02/RouterDC): JSON, a list of questions with a score per model.

An entry of its ``datasets/split2_model7*/*.json`` has ``question``, ``scores`` (maps models to numbers in [0, 1]) and,
in the training data, ``cluster_id``, the result of RouterDC's own clustering, which is ignored. Each file is a
benchmark. The split is the "train" or "test" at the end of the file name; a file without either is a test set if other
files have them (as in ``train_router_mdeberta.py``). For multiple-choice questions, the score is the model's
probability of the right choice if it chose it, else 0, and RouterDC's evaluation counts any score above 0 as right; for
others, it is the share of right answers. Scores are read unchanged. Read RouterDC's CSV files of RouterBench with
``--from table``.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from routerbench.data.checks import objects, quality_cells
from routerbench.data.importers.files import Names, data_files, split_in
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.json_records import field, read_json, records_of
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import read_prompts
from routerbench.errors import InputError

COLUMNS = {"prompt": "question", "quality": "scores"}

log = logging.getLogger(__name__)


def fits(names: set[str]) -> bool:
    """Whether the columns are those of a list of questions with scores."""
    return "question" in names and any(name.startswith("scores.") for name in names)


def read(path: Path, names: Names) -> OutcomeTable:
    """Read a file, or all files of a folder.

    Args:
        path: the file or folder.
        names: maps routerbench's column names to the fields of an entry.

    Raises:
        InputError: a file is not such a list, or a score is invalid.
    """
    outcomes, files = TableBuilder(path), data_files(path, (".json",))
    parts = {file: split_in(file.stem) for file in files}
    has_split = {"train", "test"} <= {split for _, split in parts.values()}
    for file, (benchmark, split) in parts.items():
        if has_split and not split:
            log.info("%s: %s has no split in its name and is taken for a test set", path, file.name)
            split = "test"
        records = records_of(read_json(file), file)
        prompts, scores = (field(records, names[word], file) for word in ("prompt", "quality"))
        for row, entry in enumerate(scores):
            if not isinstance(entry, dict):
                raise InputError(
                    f"{file}: row {row + 1}, column {names['quality']!r}: {entry!r} is not an object of models"
                )
        keys = [(str(file), row) for row in range(len(records))]
        kinds = [benchmark or file.stem] * len(records)
        texts = read_prompts(prompts, names["prompt"], str(file))
        rows = outcomes.rows(keys, texts, kinds, split, file, names["prompt"])
        for model in dict.fromkeys(model for entry in scores for model in entry):
            quality = quality_cells(objects(entry.get(model) for entry in scores), model, str(file))
            known = np.isfinite(quality)
            outcomes.add(rows[known], model, quality=quality[known])
    return outcomes.table()
