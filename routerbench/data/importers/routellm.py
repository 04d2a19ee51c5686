"""Import RouteLLM (arXiv 2406.18665, github.com/lm-sys/RouteLLM): CSV, prompts with the correctness of two models.

``routellm/evals/mmlu/responses/mmlu_DOMAIN.csv`` has ``prompt`` and a column of True and False for each model;
``gsm8k/gsm8k_responses.csv`` also has ``MODEL_response``. Each file is a benchmark. There are no splits and no costs.
RouteLLM excludes from its evaluation the prompts in ``contaminated_prompts.jsonl``, which resemble the training data of
its own routers; they are kept here. Its training data are battles: use ``--from battles``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from routerbench.data.checks import quality_cells
from routerbench.data.formats import read_columns
from routerbench.data.importers.files import Names, data_files
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import read_prompts
from routerbench.data.wide import NO_MODELS, SUFFIXES
from routerbench.errors import InputError

COLUMNS = {"prompt": "prompt"}
RESPONSE_SUFFIX = "_response"


def fits(names: set[str]) -> bool:
    """Whether a file has responses in RouteLLM's format; without responses it is an ordinary wide table."""
    return "prompt" in names and any(name + RESPONSE_SUFFIX in names for name in names)


def read(path: Path, names: Names) -> OutcomeTable:
    """Read a file, or all files of a folder.

    Args:
        path: the file or folder.
        names: maps routerbench's column names to those of the file.

    Raises:
        InputError: a file has no prompts or no models, or a cell is invalid.
    """
    outcomes = TableBuilder(path)
    for file in data_files(path, (".csv",)):
        columns = read_columns(file)
        if names["prompt"] not in columns:
            raise InputError(f"{file}: no column {names['prompt']!r}; the table has {', '.join(columns)}")
        prompts = read_prompts(columns.pop(names["prompt"]), names["prompt"], str(file))
        models = [name for name in columns if name not in NO_MODELS and not name.endswith(RESPONSE_SUFFIX)]
        if wrong := [name for name in models if name.endswith(SUFFIXES)]:
            raise InputError(f"{file}: column {wrong[0]!r} is not RouteLLM's; the file is a wide table: --from table")
        benchmark = file.stem.removesuffix("_responses")
        keys = [(str(file), row) for row in range(len(prompts))]
        rows = outcomes.rows(keys, prompts, [benchmark] * len(prompts), "", file, names["prompt"])
        for model in models:
            quality = quality_cells(columns[model], model, str(file))
            responses = columns.get(model + RESPONSE_SUFFIX, np.full(len(rows), None, dtype=object))
            outcomes.add(rows, model, responses if model + RESPONSE_SUFFIX in columns else None, quality=quality)
    return outcomes.table()
