"""Specs of routers and encoders: class and constructor arguments, as in ``router.json``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.routers.base import Router

MACHINE = ("device", "cache_dir")  # arguments that depend on the machine, not on the router
T = TypeVar("T")


def spec_of(part: Router | Encoder) -> dict[str, Any]:
    """Return the class and its constructor arguments, except those that depend on the machine."""
    names = [name for name in inspect.signature(type(part)).parameters if name not in MACHINE]
    arguments = {name: getattr(part, name) for name in names}
    return {"class": f"{type(part).__module__}.{type(part).__qualname__}", "arguments": arguments}


def build(spec: Mapping[str, Any], kind: type[T], source: Path, **machine: Any) -> T:
    """Construct the object of a spec.

    Args:
        spec: spec from ``spec_of``.
        kind: required base class.
        source: file of the spec, for error messages.
        machine: arguments that depend on the machine; those unknown to the class are ignored.

    Raises:
        InputError: the class is not a ``kind`` of this package, or does not take the arguments.
    """
    path, arguments = str(spec.get("class")), spec.get("arguments", {})
    module, _, name = path.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name) if module.startswith("routerbench.") else None
    except (ImportError, AttributeError):
        cls = None
    if not (inspect.isclass(cls) and issubclass(cls, kind)):
        raise InputError(f"{source}: refuses to load {path!r}; it is no {kind.__name__} of routerbench")
    accepted = {key: value for key, value in machine.items() if key in inspect.signature(cls).parameters}
    try:
        return cls(**arguments, **accepted)
    except TypeError as error:
        raise InputError(f"{source}: {path} does not take these arguments: {error}") from error
