"""Learned LLM routers: train them on a table of outcomes, evaluate them honestly, load them to route.

Dimensions in every docstring: N prompts, M models, D embedding size, K neighbours, L lambdas, B batch, T tokens.
"""

from routerbench.artefact import load
from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.policy import select
from routerbench.routers.base import Prediction
from routerbench.trained import Decision, TrainedRouter

__all__ = ["Decision", "InputError", "OutcomeTable", "Prediction", "TrainedRouter", "load", "select"]


def __getattr__(name: str) -> str:
    """Read ``__version__`` from the installed package, so that pyproject.toml is the only place that has it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("routerbench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
