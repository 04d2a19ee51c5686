"""Read Parquet, CSV, JSON and pickled pandas frames as columns; the format is detected from the content."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column
from routerbench.data.json_records import columns_of, read_json, read_json_lines, records_of
from routerbench.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ACCEPTED = "a table is a Parquet, CSV or JSON file, or a pickled pandas frame of texts and numbers"
# A CSV row must fit into one block, and few-shot prompts with eleven responses are long.
_CSV_BLOCK_BYTES = 64 * 2**20


def read_columns(path: Path) -> dict[str, Column]:
    """Read a table of any supported format.

    Args:
        path: the file.

    Returns:
        Maps each column name to its ``(n,)`` cells, in the order of the file; missing cells are None (or NaN). CSV
            cells are texts.

    Raises:
        InputError: the file is missing, is not a table, has no rows, or has duplicate column names.
    """
    columns = _reader(path)(path)
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{path}: the table has no rows")
    return columns


def _reader(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder; give the file of the table inside it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise InputError(f"{path}: the file is empty; {_ACCEPTED}")
    if head.startswith(b"PAR1"):
        return _read_parquet
    if head.startswith(b"\x80"):
        from routerbench.data.pickles import read_pickle

        return read_pickle
    if b"\0" in head:
        raise InputError(f"{path}: is not a table; {_ACCEPTED}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return _read_jsonl
    return _read_json_list if re.match(rb"\[\s*([{\]]|$)", text) else _read_csv


def _read_parquet(path: Path) -> dict[str, Column]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, "Parquet", error) from error
    return _from_arrow(table, path)


def read_coded_csv(path: Path, names: Sequence[str]) -> dict[str, tuple[NDArray[np.int64], Column]]:
    """Read CSV columns of repetitive texts, storing each distinct text once to save memory.

    Args:
        path: the file.
        names: columns to read.

    Returns:
        For each column, the ``(n,)`` index of each cell's text (-1 if empty) and the texts in order of appearance.

    Raises:
        InputError: the file is missing, is not CSV, has no rows, or lacks a column.
    """
    table = _csv_table(path, names)
    if not len(table):
        raise InputError(f"{path}: the table has no rows")
    coded = {name: table.column(name).unify_dictionaries().combine_chunks() for name in names}
    return {
        name: (
            cells.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64),
            _objects(cells.dictionary.to_pylist(), len(cells.dictionary)),
        )
        for name, cells in coded.items()
    }


def _read_csv(path: Path) -> dict[str, Column]:
    return _from_arrow(_csv_table(path, None), path)


def _csv_table(path: Path, names: Sequence[str] | None) -> pa.Table:
    """Read all columns of a CSV file as texts, or the named ones as dictionary-encoded texts."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file))
        for name in names or ():
            if name not in header:
                raise InputError(f"{path}: no column {name!r}; the table has {', '.join(header)}")
        # All columns are texts: the prompt "007" must not become the number 7.
        kind = pa.large_string() if names is None else pa.dictionary(pa.int32(), pa.string())
        cells = arrow_csv.ConvertOptions(
            column_types={name: kind for name in header},
            include_columns=list(names or []),
            null_values=[""],
            strings_can_be_null=True,
        )
        # Only single-threaded errors contain the row number.
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=cells,
        )
    except (pa.ArrowException, csv.Error, StopIteration, UnicodeDecodeError, OSError) as error:
        raise _unreadable(path, "CSV", error) from error


def _read_jsonl(path: Path) -> dict[str, Column]:
    try:
        return columns_of(read_json_lines(path))
    except UnicodeDecodeError as error:
        raise _unreadable(path, "JSON lines", error) from error


def _read_json_list(path: Path) -> dict[str, Column]:
    return columns_of(records_of(read_json(path), path))


def _from_arrow(table: pa.Table, path: Path) -> dict[str, Column]:
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise InputError(f"{path}: two columns are called {name!r}; rename one")
    return {name: _cells(table.column(name)) for name in table.column_names}


def _cells(column: pa.ChunkedArray) -> Column:
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type):
        column = column.cast("float64")
    is_text = types.is_string(column.type) or types.is_large_string(column.type)
    if is_text or types.is_floating(column.type) or (types.is_integer(column.type) and not column.null_count):
        cells: Column = column.to_numpy()
        return cells
    return _objects(column.to_pylist(), len(column))


def _objects(cells: Iterable[Any], count: int) -> NDArray[np.object_]:
    return np.fromiter(cells, dtype=object, count=count)


def _unreadable(path: Path, kind: str, error: Exception) -> InputError:
    reason = str(error).split("\n")[0]
    return InputError(f"{path}: cannot be read as {kind} ({reason}); {_ACCEPTED}")
