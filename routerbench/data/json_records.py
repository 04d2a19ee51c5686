"""Read JSON records (a list of objects, or JSON lines) and convert them to columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from routerbench.data.checks import Column, objects
from routerbench.errors import InputError


def read_json(file: Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is not JSON, or is truncated.
    """
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return json.load(stream)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        breaks_off = error.msg.startswith("Unterminated string") or not error.doc[error.pos :].strip()
        raise InputError(f"{file}: {'JSON that breaks off' if breaks_off else 'not JSON'} ({error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON ({error})") from error


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Read the objects of a JSON lines file; empty lines are skipped.

    Raises:
        InputError: a line is not an object.
        UnicodeDecodeError: the file is not UTF-8.
    """
    # Not pyarrow: json.loads has no limit on line length, keeps dates as texts, and the line number is known.
    with file.open(encoding="utf-8-sig", newline="\n") as lines:
        return [_record(line, number, file) for number, line in enumerate(lines, start=1) if line.strip()]


def records_of(value: Any, file: Path) -> list[dict[str, Any]]:
    """Check that a value is a list of objects, and return it.

    Raises:
        InputError: the value is not a list, is empty, or has a member that is not an object.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{file}: not a list of records")
    for row, record in enumerate(value):
        if not isinstance(record, dict):
            raise InputError(f"{file}: row {row + 1}: {str(record)[:60]!r} is not a record; it must be a JSON object")
    return value


def columns_of(records: list[dict[str, Any]]) -> dict[str, Column]:
    """``(n,)`` cells of each field, in order of appearance; None where a record lacks the field."""
    names = dict.fromkeys(name for record in records for name in record)
    return {name: objects(record.get(name) for record in records) for name in names}


def field(records: list[dict[str, Any]], name: str, file: Path) -> Column:
    """``(n,)`` values of one field; None where a record lacks it.

    Raises:
        InputError: no record has the field.
    """
    if not any(name in record for record in records):
        raise InputError(f"{file}: no field {name!r} in its records; they have {', '.join(records[0])}")
    return objects(record.get(name) for record in records)


def _record(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: line {number} is not JSON ({error}); write one object on each line") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: line {number} is not a JSON object; write one object on each line")
    return record
