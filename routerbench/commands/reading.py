"""What the commands that read a table share: the option that names its columns, and what its readers remark."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from routerbench.errors import InputError


def add_column_option(parser: argparse.ArgumentParser) -> None:
    """Describe ``--column``."""
    parser.add_argument(
        "--column", metavar="WORD=NAME", action="append", default=[],
        help="the name that a column has in the file, as prompt=question; may be given several times",
    )  # fmt: skip


def given_columns(options: argparse.Namespace) -> dict[str, str]:
    """Our word for a column -> its name in the file.

    Raises:
        InputError: one is not of the form WORD=NAME.
    """
    columns = {}
    for option in options.column:
        word, equals, name = option.partition("=")
        if not (word and equals and name):
            raise InputError(f"--column {option!r} is not of the form WORD=NAME; write --column prompt=question")
        columns[word] = name
    return columns


@contextmanager
def remarks_of_readers(prefix: str) -> Iterator[list[str]]:
    """Collect what the readers of ``routerbench.data`` log, without the prefix that names the file."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage().removeprefix(prefix))  # type: ignore[method-assign]
    log = logging.getLogger("routerbench.data")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield found
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
