"""What every router is: a prediction of quality and cost of each model, made from the prompt alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable


@dataclass(frozen=True)
class Choices:
    """What a router that sees lambda decides for N prompts: a step function of lambda, given at L knots.

    The decision at a knot holds from just above the knot before it up to the knot itself, as in a `Sweep`, where a tie
    at a breakpoint belongs to the left. So at every knot it is just what was decided there.

    Attributes:
        lambdas: ``(L,)`` knots in USD per unit of quality, strictly ascending, at least 0, the last one infinite.
        chosen: ``(N, L)`` index of the model that is chosen at each knot.
    """

    lambdas: NDArray[np.float64]
    chosen: NDArray[np.integer]

    def __post_init__(self) -> None:
        """Refuse what is no step function of all lambdas."""
        lambdas, shape = self.lambdas, self.chosen.shape
        if lambdas.ndim != 1 or not len(lambdas) or shape[1:] != lambdas.shape:
            raise ValueError(f"choices need knots (L,) and models (N, L), got {lambdas.shape} and {shape}")
        if not (lambdas[0] >= 0 and (lambdas[1:] > lambdas[:-1]).all() and np.isposinf(lambdas[-1])):
            raise ValueError(f"knots of choices must ascend from at least 0 to infinity, got {lambdas}")

    def at(self, lambdas: NDArray[np.float64]) -> NDArray[np.integer]:
        """``(N, K)`` models chosen at ``(K,)`` lambdas, or ``(N, 1)`` at one, none of them negative.

        Example:
            >>> choices = Choices(np.array([0.5, 2.0, np.inf]), np.array([[0, 1, 2]]))
            >>> choices.at(np.array([0.0, 0.5, 0.6, 2.0, np.inf])).tolist()
            [[0, 0, 1, 1, 2]]
        """
        return self.chosen[:, np.searchsorted(self.lambdas, np.atleast_1d(lambdas), side="left")]

    @staticmethod
    def concatenate(parts: Sequence["Choices"]) -> "Choices":
        """The choices of several groups of prompts, one after the other, at the knots of all of them."""
        lambdas = np.unique(np.concatenate([part.lambdas for part in parts]))
        return Choices(lambdas, np.concatenate([part.at(lambdas) for part in parts]))


class Prediction(NamedTuple):
    """Predicted outcomes of N prompts on M models. One prediction serves every willingness to pay.

    Attributes:
        quality: ``(N, M)`` predicted mean quality in [0, 1]; on the scale "ranking" any finite numbers.
        cost: ``(N, M)`` predicted mean cost in USD per prompt, at least 0; all NaN if no cost was ever seen.
        quality_std: ``(N, M)`` standard error of ``quality``, in its units, or None if the router knows none: how far
            the predicted mean may be off, not how far single answers scatter around it.
        scale: "quality" if ``quality`` may be weighed against a cost, "ranking" if only the order of the prompts within
            a model, or of the models within a prompt, means something: it is calibrated before lambda touches it.
        choices: the decisions of a router that sees lambda; where they are given, they decide, and quality and cost
            only say what to expect of them.
    """

    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality_std: NDArray[np.float64] | None = None
    scale: Literal["quality", "ranking"] = "quality"
    choices: Choices | None = None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Prediction":
        """The prediction of some prompts, by mask or index."""
        std = None if self.quality_std is None else self.quality_std[rows]
        choices = None if self.choices is None else Choices(self.choices.lambdas, self.choices.chosen[rows])
        return self._replace(quality=self.quality[rows], cost=self.cost[rows], quality_std=std, choices=choices)

    @staticmethod
    def concatenate(parts: Sequence["Prediction"]) -> "Prediction":
        """The predictions of one or more groups of prompts by one kind of router, one after the other."""
        stds = [part.quality_std for part in parts if part.quality_std is not None]
        choices = [part.choices for part in parts if part.choices is not None]
        return Prediction(
            np.concatenate([part.quality for part in parts]),
            np.concatenate([part.cost for part in parts]),
            np.concatenate(stds) if stds else None,
            parts[0].scale,
            Choices.concatenate(choices) if choices else None,
        )


Score = Callable[[Prediction, OutcomeTable], float]
"""How well a prediction routes the prompts of a table; higher is better."""


class Router(ABC):
    """Predicts quality and cost of M models from the embedding of a prompt.

    It never sees lambda, but for the routers that decide themselves at each of many: they predict `Choices` as well.

    As in scikit-learn, every constructor argument is kept as an attribute of the same name, all of them plain
    numbers, strings and lists: the artefact writes them down and calls the constructor with them.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.num_models = num_models

    @abstractmethod
    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the outcomes of ``(N, D)`` embeddings on all M models."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, by name: the weights of the artefact."""

    @abstractmethod
    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what ``arrays`` returned."""


class ClosedFormRouter(Router):
    """A router that is computed from the train prompts rather than trained by gradient."""

    @property
    def draws(self) -> bool:
        """Whether chance has a part in the fit, so that another seed gives another router."""
        return hasattr(self, "seed")

    @abstractmethod
    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Learn from ``train``; whatever must be chosen, choose by the ``score`` of predictions on ``val``."""
