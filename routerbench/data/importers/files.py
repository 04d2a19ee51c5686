"""The files of a source, and a look at the columns of one."""

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
    """Our word for a column -> its name in the source.

    Args:
        usual: the names that the project gives them; such a column may be missing, unless the importer needs it.
        typed: those that the user gives; such a column must be there.
    """

    def __init__(self, usual: Mapping[str, str], typed: Mapping[str, str]) -> None:
        super().__init__({**usual, **typed})
        self._typed = typed

    def check(self, words: Iterable[str], found: Iterable[str], file: Path) -> None:
        """Refuse a file without a column that the user typed.

        Args:
            words: ours, of the columns to look for.
            found: names of all columns that they could be.
            file: the file, for the message.

        Raises:
            InputError: the file lacks a column.
        """
        found = list(found)
        for word in words:
            if word in self._typed and self[word] not in found:
                raise InputError(f"{file}: no column {self[word]!r} to take as {word}; the file has {', '.join(found)}")


def data_files(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """The file itself, or all files of a folder that end in one of the suffixes, by name; hidden ones are passed over.

    Raises:
        InputError: the folder has none.
    """
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.suffix in suffixes and not file.name.startswith(".")]
    if not files:
        raise InputError(f"{path}: the folder has no file that ends in {', '.join(suffixes)}")
    return files


def column_names(file: Path) -> set[str]:
    """The names of a file's columns; those inside a column are written "column.field". Empty if it has none to tell."""
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
        return set()  # the reader will say it


def split_in(stem: str) -> tuple[str, str]:
    """What a file's name says: the benchmark, and the split or "".

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
