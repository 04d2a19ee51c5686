"""Import SPROUT, the data of CARROT (arXiv 2502.03261, CARROT-LLM-Routing/SPROUT): Parquet, a struct column per model.

``carrot/gen_sprout.py`` of github.com/somerstep/CARROT reads ``prompt`` and, for each model, an object with ``score``,
``num_input_tokens`` and ``num_output_tokens``, from the splits train, validation and test. The published files were not
available: a ``dataset`` column, if any, is taken as the benchmark, and ``--column response=NAME`` keeps the responses
if the objects have them. There are no costs; ``--prices`` computes them from the token counts, for instance with the
prices of ``SPROUT_COSTS`` in ``carrot/constants.py`` (USD per million input and output tokens). The split is the first
word of the file name, as written by the hub (``train-00000-of-00001.parquet``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from routerbench.data.checks import Column, label_cells, objects, quality_cells, token_cells
from routerbench.data.importers.files import Names, data_files, split_in
from routerbench.data.importers.table_builder import TableBuilder
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.prompts import read_prompts
from routerbench.errors import InputError

COLUMNS = {
    "prompt": "prompt",
    "eval_name": "dataset",
    "quality": "score",
    "input_tokens": "num_input_tokens",
    "output_tokens": "num_output_tokens",
    "response": "",
}


MEASURED = ("input_tokens", "output_tokens", "response")


def fits(names: set[str]) -> bool:
    """Whether a file has objects with a score and token counts."""
    return "prompt" in names and any(
        name.endswith(".score") and name.removesuffix("score") + "num_output_tokens" in names for name in names
    )


def read(path: Path, names: Names) -> OutcomeTable:
    """Read a file, or all files of a folder.

    Args:
        path: the file or folder.
        names: maps routerbench's column names to columns of the file or fields of its objects.

    Raises:
        InputError: a file is not Parquet, has no prompts or no models, or a cell is invalid.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    outcomes = TableBuilder(path)
    for file in data_files(path, (".parquet",)):
        try:
            columns = pq.ParquetFile(file)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error
        _add(columns, file, names, outcomes)
    return outcomes.table()


def _add(columns: Any, file: Path, names: Names, outcomes: TableBuilder) -> None:
    from pyarrow import types

    schema, source = columns.schema_arrow, str(file)
    models = [
        column.name
        for column in schema
        if types.is_struct(column.type) and column.type.get_field_index(names["quality"]) >= 0
    ]
    if names["prompt"] not in schema.names or not models:
        raise InputError(
            f"{file}: a column {names['prompt']!r} and for each model one of objects with {names['quality']!r} are "
            f"needed; the file has {', '.join(schema.names)}"
        )

    def cells(name: str) -> Column:
        return objects(columns.read([name]).column(0).to_pylist())

    names.check(("eval_name",), schema.names, file)
    names.check(MEASURED, dict.fromkeys(inner.name for model in models for inner in schema.field(model).type), file)
    prompts, kind = read_prompts(cells(names["prompt"]), names["prompt"], source), names["eval_name"]
    benchmark = label_cells(cells(kind), kind, source) if kind in schema.names else ["all"] * len(prompts)
    keys = [(source, row) for row in range(len(prompts))]
    rows = outcomes.rows(keys, prompts, list(benchmark), split_in(file.stem)[1], file, names["prompt"])
    for model in models:
        outcomes.add(rows, model, **_measured(columns, model, names, source))


def _measured(columns: Any, model: str, names: Names, source: str) -> dict[str, Column]:
    checks = {"quality": quality_cells, "input_tokens": token_cells, "output_tokens": token_cells}
    # Read single fields by their paths: the responses, most of the bytes, are not loaded.
    inner = {field.name: field for field in columns.schema_arrow.field(model).type}
    wanted = {word: name for word, name in names.items() if word in {"quality", *MEASURED} and name in inner}
    read = columns.read([f"{model}.{name}" for name in wanted.values()]).column(model).to_pylist()
    found = {word: objects(None if cell is None else cell[name] for cell in read) for word, name in wanted.items()}
    return {
        word: checks[word](column, f"{model}.{wanted[word]}", source) if word in checks else column
        for word, column in found.items()
    }
