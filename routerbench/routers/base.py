"""Router interface: predicts quality and cost of each model from the prompt alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable


@dataclass(frozen=True)
class Choices:
    """Decisions for N prompts as a step function of lambda with L knots, from a router that sees lambda.

    A decision holds from just above the previous knot up to and including its own knot, as in a `Sweep`, where a tie at
    a breakpoint belongs to the left.

    Attributes:
        lambdas: ``(L,)`` knots in USD per unit of quality, strictly ascending, at least 0, the last one infinite.
        chosen: ``(N, L)`` index of the model chosen at each knot.
    """

    lambdas: NDArray[np.float64]
    chosen: NDArray[np.integer]

    def __post_init__(self) -> None:
        """Check that the knots and choices define a step function for all lambdas."""
        lambdas, shape = self.lambdas, self.chosen.shape
        if lambdas.ndim != 1 or not len(lambdas) or shape[1:] != lambdas.shape:
            raise ValueError(f"choices need knots (L,) and models (N, L), got {lambdas.shape} and {shape}")
        if not (lambdas[0] >= 0 and (lambdas[1:] > lambdas[:-1]).all() and np.isposinf(lambdas[-1])):
            raise ValueError(f"knots of choices must ascend from at least 0 to infinity, got {lambdas}")

    def at(self, lambdas: NDArray[np.float64]) -> NDArray[np.integer]:
        """``(N, K)`` models chosen at ``(K,)`` non-negative lambdas; ``(N, 1)`` for a scalar.

        Example:
            >>> choices = Choices(np.array([0.5, 2.0, np.inf]), np.array([[0, 1, 2]]))
            >>> choices.at(np.array([0.0, 0.5, 0.6, 2.0, np.inf])).tolist()
            [[0, 0, 1, 1, 2]]
        """
        return self.chosen[:, np.searchsorted(self.lambdas, np.atleast_1d(lambdas), side="left")]

    @staticmethod
    def concatenate(parts: Sequence["Choices"]) -> "Choices":
        """Concatenate the choices for several groups of prompts, at the union of their knots."""
        lambdas = np.unique(np.concatenate([part.lambdas for part in parts]))
        return Choices(lambdas, np.concatenate([part.at(lambdas) for part in parts]))


class Prediction(NamedTuple):
    """Predicted outcomes of N prompts on M models, valid for every willingness to pay.

    Attributes:
        quality: ``(N, M)`` predicted mean quality in [0, 1]; on the scale "ranking", any finite numbers.
        cost: ``(N, M)`` predicted mean cost in USD per prompt, at least 0; all NaN if no cost was known in the fit.
        quality_std: ``(N, M)`` standard error of ``quality``, in the same units, or None if unknown: the uncertainty of
            the predicted mean, not the variance of single responses.
        scale: "quality" if ``quality`` can be weighed against a cost; "ranking" if only the order of the prompts for a
            model, or of the models for a prompt, is meaningful, so that it must be calibrated before lambda is applied.
        choices: decisions of a router that sees lambda. If given, quality and cost are only the expected outcomes.
    """

    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality_std: NDArray[np.float64] | None = None
    scale: Literal["quality", "ranking"] = "quality"
    choices: Choices | None = None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Prediction":
        """Select prompts by mask or index."""
        std = None if self.quality_std is None else self.quality_std[rows]
        choices = None if self.choices is None else Choices(self.choices.lambdas, self.choices.chosen[rows])
        return self._replace(quality=self.quality[rows], cost=self.cost[rows], quality_std=std, choices=choices)

    @staticmethod
    def concatenate(parts: Sequence["Prediction"]) -> "Prediction":
        """Concatenate predictions of the same kind of router for one or more groups of prompts."""
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

    Routers do not see lambda, except for those that also predict `Choices`, their own decisions at many values of it.

    As in scikit-learn, every constructor argument is stored as an attribute of the same name, and all of them are plain
    numbers, strings and lists: the artefact saves them and calls the constructor with them.

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
        """Return everything learned, by name: the weights of the artefact."""

    @abstractmethod
    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""


class ClosedFormRouter(Router):
    """A router that is computed from the train prompts, not trained by gradient descent."""

    @property
    def draws(self) -> bool:
        """Whether the fit is random, so that another seed gives another router."""
        return hasattr(self, "seed")

    @abstractmethod
    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit to ``train``; hyperparameters are selected by the ``score`` of predictions on ``val``."""


class OnlineRouter(Router):
    """A router that goes on learning from the calls it chooses, whose outcomes are known for the called model only."""

    @abstractmethod
    def select(
        self, embeddings: NDArray[np.float32], willingness_to_pay: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose the models for some prompts, with exploration.

        Args:
            embeddings: ``(N, D)`` embeddings.
            willingness_to_pay: lambda in USD per unit of quality, above 0; ``inf`` to ignore cost.
            rng: random number generator.

        Returns:
            ``(N,)`` index of the chosen model.
        """

    @abstractmethod
    def update(
        self,
        embeddings: NDArray[np.float32],
        models: NDArray[np.int64],
        quality: NDArray[np.float64],
        cost: NDArray[np.float64],
    ) -> None:
        """Learn from calls, in their order.

        Args:
            embeddings: ``(N, D)`` embeddings of the prompts.
            models: ``(N,)`` index of the model that was called for each.
            quality: ``(N,)`` measured quality in [0, 1].
            cost: ``(N,)`` measured cost in USD.

        Raises:
            ValueError: a number is missing, or a model does not exist.
        """
