"""Import battles, as published by Chatbot Arena (arXiv 2403.04132): a prompt, two models and the preferred response.

The files are Parquet, CSV, JSON lines or a JSON list, with ``model_a``, ``model_b`` and either ``winner`` ("model_a",
"model_b", "tie", "tie (bothbad)"; from ``lmsys/chatbot_arena_conversations``) or a one in ``winner_model_a``,
``winner_model_b`` or ``winner_tie`` (from ``lmsys-arena-human-preference-55k``). The prompt is in ``prompt``, a text or
a JSON list of turns as in the second data set; otherwise it is what the user says in ``conversation_a``, a list of
``{"role", "content"}`` or its JSON. The columns of the first data set come from its card; those of the second, the
values of ``winner`` and the rest are from memory, because the files themselves were not available.

Battles have no absolute quality. Each prompt becomes one row: quality is 1 for the winner, 0 for the loser and .5 for
both in a tie (even if both were bad, which says nothing about which is better); the other models are not observed. If a
prompt was judged several times, each model gets its mean. With more than two models no prompt has outcomes of all of
them; because routers are selected on the validation split, train on two models that were compared, as RouteLLM does:
``data.models=[a,b]``. A split in the file names is ignored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, label_cells, numbers, objects
from routerbench.data.formats import read_columns
from routerbench.data.importers.files import Names, data_files
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import conversation, read_prompts
from routerbench.errors import InputError

COLUMNS = {"prompt": "prompt", "model_a": "model_a", "model_b": "model_b", "winner": "winner", "eval_name": ""}
CONVERSATION = "conversation_a"
ONE_HOT = {"winner_model_a": 1.0, "winner_model_b": 0.0, "winner_tie": 0.5}
WINNERS = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5, "both_bad": 0.5}


def fits(names: set[str]) -> bool:
    """Whether the columns are those of a file of battles."""
    return {"model_a", "model_b"} <= names


def read(path: Path, names: Names) -> OutcomeTable:
    """Read a file, or all files of a folder.

    Args:
        path: the file or folder.
        names: maps routerbench's column names to those of the file.

    Raises:
        InputError: a column is missing, or a cell is invalid.
    """
    outcomes = TableBuilder(path)
    for file in data_files(path):
        _add(read_columns(file), file, names, outcomes)
    return outcomes.table()


def _add(columns: dict[str, Column], file: Path, names: Names, outcomes: TableBuilder) -> None:
    source = str(file)
    names.check(names, columns, file)
    for word in ("model_a", "model_b"):
        if names[word] not in columns:
            raise InputError(f"{file}: no column {names[word]!r}; the table has {', '.join(columns)}")
    one, other = (label_cells(columns[names[word]], names[word], source) for word in ("model_a", "model_b"))
    if len(same := np.flatnonzero(one == other)):
        row = same[0]
        raise InputError(
            f"{file}: row {row + 1}, column {names['model_b']!r}: {one[row]!r} fights itself; remove the row"
        )
    result = _results(columns, names, source)
    prompts, name = _prompts(columns, names, source)
    kind = names["eval_name"]
    benchmark = label_cells(columns[kind], kind, source) if kind in columns else ["all"] * len(prompts)
    keys = list(zip(benchmark, prompts, strict=True))
    rows = outcomes.rows(keys, prompts, list(benchmark), "", file, name)
    outcomes.add(rows, outcomes.models(one), quality=result)
    outcomes.add(rows, outcomes.models(other), quality=1 - result)


def _results(columns: dict[str, Column], names: Names, source: str) -> NDArray[np.float64]:
    """``(n,)`` 1 if model_a wins, 0 if model_b wins, .5 for a tie."""
    name = names["winner"]
    if name in columns:
        words = label_cells(columns[name], name, source)
        for row, word in enumerate(words):
            if word not in WINNERS:
                raise InputError(
                    f"{source}: row {row + 1}, column {name!r}: {word!r} is not one of {', '.join(WINNERS)}"
                )
        return np.array([WINNERS[word] for word in words])
    if not set(ONE_HOT) <= set(columns):
        raise InputError(f"{source}: no column {name!r}, nor {', '.join(ONE_HOT)}; the table has {', '.join(columns)}")
    votes = np.stack([numbers(columns[column])[0] for column in ONE_HOT], axis=1)
    wrong = np.flatnonzero(~(np.isin(votes, (0, 1)).all(axis=1) & (votes.sum(axis=1) == 1)))
    if len(wrong):
        shown = ", ".join(f"{vote:g}" for vote in votes[wrong[0]])
        raise InputError(f"{source}: row {wrong[0] + 1}, columns {', '.join(ONE_HOT)}: {shown}; exactly one must be 1")
    return votes @ np.array(list(ONE_HOT.values()))


def _prompts(columns: dict[str, Column], names: Names, source: str) -> tuple[NDArray[np.object_], str]:
    name = names["prompt"]
    if name in columns:
        return read_prompts(columns[name], name, source), name
    if CONVERSATION not in columns:
        raise InputError(f"{source}: no column {name!r}, nor {CONVERSATION!r}; the table has {', '.join(columns)}")
    cells = enumerate(columns[CONVERSATION].tolist())
    said = objects(conversation(cell, row, CONVERSATION, source) for row, cell in cells)
    return read_prompts(said, CONVERSATION, source), CONVERSATION
