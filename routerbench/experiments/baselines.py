"""The routers that every other one is measured by: hard to beat, and fitted in seconds."""

from __future__ import annotations

from collections.abc import Callable

from routerbench.data.outcomes import Examples
from routerbench.routers.base import Router
from routerbench.routers.knn import KNNRouter
from routerbench.routers.linear import LinearRouter
from routerbench.training.closed_form import ClosedForm

Fit = Callable[[Examples, Examples, str], Router]
"""Trains a new router for the models of train; the text names a folder for its logs."""

# What conf/router/knn.yaml and conf/router/linear.yaml say; a test holds them together.
NUM_NEIGHBORS = (5, 10, 20, 40, 80, 160, 320)
WEIGHTING = ("uniform", "cosine")
ALPHA = (1, 10, 100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000)


def _knn(train: Examples, val: Examples, label: str) -> Router:
    router = KNNRouter(train.embeddings.shape[1], train.table.num_models, NUM_NEIGHBORS, WEIGHTING)
    ClosedForm().fit(router, train, val)
    return router


def _linear(train: Examples, val: Examples, label: str) -> Router:
    router = LinearRouter(train.embeddings.shape[1], train.table.num_models, ALPHA)
    ClosedForm().fit(router, train, val)
    return router


BASELINES: dict[str, Fit] = {"knn": _knn, "linear": _linear}


def with_baselines(name: str, fit: Fit) -> dict[str, Fit]:
    """The chosen router and the baselines knn and linear, with the options of ``conf/``.

    Args:
        name: of the chosen router; one that is called as a baseline takes its place.
        fit: trains the chosen router.
    """
    return {name: fit} | {other: each for other, each in BASELINES.items() if other != name}
