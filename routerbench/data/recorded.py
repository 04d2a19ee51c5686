"""Read again the table that an artefact's card names.

The card comes from whoever trained the router. Only the readers of this folder are called, with plain arguments of the
annotated types. Files must be regular files on this machine, nothing is downloaded, and the table must be the one that
the card records.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from routerbench.data import demo, routerbench, table
from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError

_READERS: dict[str, Callable[..., OutcomeTable]] = {
    f"{module.__name__}.load": module.load for module in (demo, routerbench, table)
}
_FILES = ("path", "prices")  # arguments that name a file


def read_recorded(data: Any, card: str, advice: str) -> OutcomeTable:
    """Read the table that a card records.

    Args:
        data: the card's entry: ``config`` with the reader and its arguments, ``digest`` and ``split_digest``.
        card: name of the card, for error messages.
        advice: what to do if the table cannot be read, for error messages.

    Raises:
        InputError: the entry is invalid, a file is missing or not local, or the table differs from the recorded one.
    """
    config = data.get("config") if isinstance(data, Mapping) else None
    if not isinstance(config, Mapping) or not config:
        raise InputError(f"{card}: does not say which table its router was trained on; {advice}")
    reader = _READERS.get(str(config.get("_target_")))
    if reader is None:
        raise InputError(f"{card}: refuses to call {config.get('_target_')!r} for its data; {advice}")
    arguments = {name: value for name, value in config.items() if name != "_target_"}
    hints = typing.get_type_hints(reader)
    for name, value in arguments.items():
        if name not in hints or name == "return" or not _fits(value, hints[name]):
            raise InputError(f"{card}: data.{name}={str(value)[:60]} is not valid for {reader.__module__}; {advice}")
        if name in _FILES and value is not None and not _is_file(value):
            raise InputError(f"{card}: data.{name}={str(value)[:200]}: no such file, seen from {Path.cwd()}; {advice}")
    if reader is table.load and "path" not in arguments:
        raise InputError(f"{card}: does not say which file its router was trained on; {advice}")
    if reader is routerbench.load and not routerbench.is_cached(arguments.get("shots", 0)):
        raise InputError(f"{card}: the RouterBench dataset is not in the cache, and is not downloaded; {advice}")
    found = reader(**arguments)
    if (found.digest(), found.split_digest()) != (data.get("digest"), data.get("split_digest")):
        raise InputError(f"{found.source}: changed since the router was trained on it ({card}); {advice}")
    return found


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # a name that is too long, no home, a null character
        return False


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON has an annotated type; a ``Path`` is written as text."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if hint is None or hint is type(None):
        return value is None
    if origin is Sequence:
        # One text stands for a list of one: data.holdout_benchmarks=coding
        return isinstance(value, str) or (isinstance(value, list) and all(_fits(each, arguments[0]) for each in value))
    if origin is Mapping:
        return isinstance(value, dict) and all(isinstance(each, str | int | None) for each in (*value, *value.values()))
    if hint is int:
        return type(value) is int and value >= 0  # True is no number, and no option of a reader is negative
    if hint is bool:
        return isinstance(value, bool) or value in (0, 1)
    return isinstance(value, str | int | float) and not isinstance(value, bool)  # models may be called 1 and 2
