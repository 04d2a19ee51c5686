"""Options shared by several commands: table, seed and spending."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from routerbench.errors import InputError

if TYPE_CHECKING:
    from routerbench.artefact.trained import TrainedRouter


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--column`` and ``--model``."""
    parser.add_argument(
        "--column", metavar="WORD=NAME", action="append", default=[],
        help="the name that a column has in the file, as prompt=question; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="NAME", action="append", dest="models",
        help="a model to keep; all by default; given once for each",
    )  # fmt: skip


def given_columns(options: argparse.Namespace) -> dict[str, str]:
    """Map our column names to those of the file.

    Raises:
        InputError: an option is not of the form WORD=NAME.
    """
    columns = {}
    for option in options.column:
        word, equals, name = option.partition("=")
        if not (word and equals and name):
            raise InputError(f"--column {option!r} is not of the form WORD=NAME; write --column prompt=question")
        columns[word] = name
    return columns


@contextmanager
def reading(prefix: str) -> Iterator[list[str]]:
    """Collect the log messages of ``routerbench.data``, without the prefix that names the file.

    Raises:
        InputError: an error of the readers, with the command's options in place of those of ``data=table``.
    """
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage().removeprefix(prefix))  # type: ignore[method-assign]
    log = logging.getLogger("routerbench.data")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield found
    except InputError as error:
        raise InputError(" ".join([error.message, *map(_ours, error.options)])) from error
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _ours(option: str) -> str:
    """Translate an option of ``data=table`` into that of the command."""
    if option.startswith("columns."):
        return f"--column {option.removeprefix('columns.')}"
    return "--model NAME for each" if option.startswith("models=") else option


def add_seed_option(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add ``--seed``."""
    parser.add_argument("--seed", type=int, default=0, help=purpose)


def check_seed(seed: int) -> None:
    """Refuse a seed that some random number generators do not accept.

    Raises:
        InputError: the seed is negative or too large.
    """
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed must be from 0 to {2**31 - 1}, got {seed}")


def add_spending_options(parser: argparse._ActionsContainer) -> None:
    """Add ``--willingness-to-pay``, ``--budget`` and ``--keep``."""
    parser.add_argument(
        "--willingness-to-pay", metavar="X", type=float, help="lambda, USD per unit of quality; 0: cheapest, inf: best"
    )
    parser.add_argument("--budget", metavar="USD_PER_1K", type=float, help="USD that 1,000 prompts may cost on average")
    parser.add_argument("--keep", metavar="SHARE", type=float, help="of the best single model's quality, as 0.95")


def given_lambda(options: argparse.Namespace, trained: TrainedRouter) -> float:
    """Return the lambda of the spending options.

    Raises:
        InputError: see ``TrainedRouter.lambda_for``.
    """
    return trained.lambda_for(options.willingness_to_pay, options.budget, options.keep)
