"""Learned LLM routers: train them on a table of outcomes, evaluate them, and load them to route.

Dimensions in docstrings: N prompts, M models, D embedding size, L lambdas; CONTRIBUTING.md lists all letters.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routerbench.artefact import load
    from routerbench.artefact.decisions import Decision
    from routerbench.artefact.trained import TrainedRouter
    from routerbench.data.outcomes import OutcomeTable
    from routerbench.errors import InputError
    from routerbench.policy import select
    from routerbench.routers.base import Prediction

__all__ = ["Decision", "InputError", "OutcomeTable", "Prediction", "TrainedRouter", "load", "select"]

_HOMES = {
    "Decision": "artefact.decisions",
    "InputError": "errors",
    "OutcomeTable": "data.outcomes",
    "Prediction": "routers.base",
    "TrainedRouter": "artefact.trained",
    "load": "artefact",
    "select": "policy",
}


def __getattr__(name: str) -> Any:
    """Import a public name or a module on access, so that a command loads only what it uses."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name == "__version__":  # of the installed package; defined only in pyproject.toml
        return importlib.import_module("importlib.metadata").version(__name__)
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
