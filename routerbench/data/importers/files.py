"""Find the files of a source and list their columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from routerbench.errors import InputError

SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")


class Names(dict[str, str]):
    """Maps routerbench's column names to those of the source.

    Args:
        usual: the project's usual names; these columns may be missing unless the importer requires them.
        typed: names given by the user; these columns must exist.
    """

    def __init__(self, usual: Mapping[str, str], typed: Mapping[str, str]) -> None:
        super().__init__({**usual, **typed})
        self._typed = typed

    def check(self, words: Iterable[str], found: Iterable[str], file: Path) -> None:
        """Check that a file has the columns that the user named.

        Args:
            words: routerbench's names of the columns to check.
            found: names of all candidate columns.
            file: the file, for the error message.

        Raises:
            InputError: the file lacks a column.
        """
        found = list(found)
        for word in words:
            if word in self._typed and self[word] not in found:
                raise InputError(f"{file}: no column {self[word]!r} to take as {word}; the file has {', '.join(found)}")


def data_files(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Return the file itself, or all files of a folder with one of the suffixes, sorted; hidden files are skipped.

    Raises:
        InputError: the folder has no such file.
    """
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.suffix in suffixes and not file.name.startswith(".")]
    if not files:
        raise InputError(f"{path}: the folder has no file that ends in {', '.join(suffixes)}")
    return files


def column_names(file: Path) -> set[str]:
    """Return the column names of a file, nested ones as "column.field"; empty if they cannot be determined."""
    try:
        with file.open("rb") as stream:
            head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.startswith(b"PAR1"):
            return _parquet_names(file)
        if head[:1] in (b"{", b"["):
            return _json_names(file)
        if b"\0" in head or head.startswith(b"\x80"):
            return set()
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return set(next(csv.reader(lines), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()  # the reader reports the error


def split_in(stem: str) -> tuple[str, str]:
    """Extract the benchmark and the split (or "") from a file name.

    Example:
        >>> split_in("gsm8k-train"), split_in("mbpp"), split_in("test-00000-of-00001")
        (('gsm8k', 'train'), ('mbpp', ''), ('', 'test'))
    """
    stem = re.sub(r"-\d+-of-\d+$", "", stem)
    found = re.fullmatch(r"(?:(.*)[-_])?(train|val|valid|validation|dev|test)", stem)
    if found is None:
        return stem, ""
    return found[1] or "", {"train": "train", "test": "test"}.get(found[2], "val")


def _parquet_names(file: Path) -> set[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
    except pa.ArrowException:
        return set()
    inside = {f"{column.name}.{inner.name}" for column in schema for inner in _fields(column.type)}
    return {*schema.names, *inside}


def _fields(kind: Any) -> list[Any]:
    from pyarrow import types

    return [kind.field(number) for number in range(kind.num_fields)] if types.is_struct(kind) else []


def _json_names(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8-sig")
    try:
        record, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return set()
    inside = {f"{name}.{inner}" for name, value in record.items() if isinstance(value, dict) for inner in value}
    return {*record, *inside}
