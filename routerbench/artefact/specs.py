"""A router or an encoder as its class and the arguments that make it, as ``router.json`` holds it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.routers.base import Router

MACHINE = ("device", "cache_dir")  # arguments that say nothing about the router
T = TypeVar("T")


def spec_of(part: Router | Encoder) -> dict[str, Any]:
    """The class and the constructor arguments, which are attributes of the same names; what is the machine's stays."""
    names = [name for name in inspect.signature(type(part)).parameters if name not in MACHINE]
    arguments = {name: getattr(part, name) for name in names}
    return {"class": f"{type(part).__module__}.{type(part).__qualname__}", "arguments": arguments}


def build(spec: Mapping[str, Any], kind: type[T], source: Path, **machine: Any) -> T:
    """Construct what a spec describes.

    Args:
        spec: of ``spec_of``.
        kind: of what it has to be.
        source: file that it was read from, for errors.
        machine: this machine's arguments; those that the class has are passed on.

    Raises:
        InputError: the class is no ``kind`` of this package, or does not take the arguments.
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
