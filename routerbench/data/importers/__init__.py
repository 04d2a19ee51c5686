"""Importers of other projects' data: one module per value of ``convert --from``.

Each module has ``COLUMNS`` (maps routerbench's names of the columns that can be renamed to those in the project's
files), ``fits`` (whether a file's columns match the project's format) and ``read``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from routerbench.data.importers.files import Names, column_names, data_files
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.table import check_models, parse
from routerbench.errors import InputError

TABLE = "table"
FORMATS = {
    TABLE: "a wide or long table, as for data=table",
    "battles": "pairs of models and who won, as of Chatbot Arena",
    "embedllm": "EmbedLLM's CSV file, or the folder of train, val and test",
    "llmrouterbench": "LLMRouterBench's folder of results",
    "routellm": "RouteLLM's CSV of MMLU or GSM8K, or a folder of them",
    "routerdc": "RouterDC's JSON file, or a folder of them",
    "sprout": "SPROUT's Parquet file, or the folder of train, validation and test",
}
_PEEKS = 20  # number of files per folder that are inspected


def read(path: str | Path, word: str, columns: Mapping[str, str], models: Sequence[str] | None = None) -> OutcomeTable:
    """Read a source.

    Args:
        path: file or folder.
        word: one of ``FORMATS``.
        columns: maps routerbench's column names to those of the source, which must exist.
        models: models to keep, in this order; None keeps all.

    Returns:
        The outcomes, with the source's split if it has train and test.

    Raises:
        InputError: the source or a key of ``columns`` is invalid, there are fewer than two models, or a model has no
            quality.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise InputError(f"{path}: no such file or folder")
    if word == TABLE:
        return parse(path, models=models, columns=columns)
    importer = _module(word)
    for name in columns:
        if name not in importer.COLUMNS:
            raise InputError(f"--column {name}=...: --from {word} renames {', '.join(importer.COLUMNS)}")
    return check_models(importer.read(file, Names(importer.COLUMNS, columns)), models)


def detect(path: str | Path) -> str:
    """Detect the format of a source from the columns of its files.

    Raises:
        InputError: no format fits, or several do; the message lists the formats.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise InputError(f"{path}: no such file or folder")
    samples = [column_names(sample) for sample in data_files(file)[:_PEEKS]]
    words = [word for word in FORMATS if word != TABLE and any(_module(word).fits(names) for names in samples)]
    if not words and file.is_file():
        return TABLE
    if len(words) == 1:
        return words[0]
    found = f"looks like {' and '.join(words)}" if words else "its format cannot be told from its files"
    raise InputError(f"{path}: {found}; say which it is with --from {'|'.join(FORMATS)}")


def _module(word: str) -> ModuleType:
    return importlib.import_module(f"routerbench.data.importers.{word}")
