"""What every router is: a prediction of quality and cost of each model, made from the prompt alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable


class Prediction(NamedTuple):
    """Predicted outcomes of N prompts on M models. One prediction serves every willingness to pay.

    Attributes:
        quality: ``(N, M)`` predicted mean quality in [0, 1]; on the scale "ranking" any finite numbers.
        cost: ``(N, M)`` predicted mean cost in USD per prompt, at least 0; all NaN if no cost was ever seen.
        quality_std: ``(N, M)`` standard error of ``quality``, in its units, or None if the router knows none: how far
            the predicted mean may be off, not how far single answers scatter around it.
        scale: "quality" if ``quality`` may be weighed against a cost, "ranking" if only the order of the prompts within
            a model, or of the models within a prompt, means something: it is calibrated before lambda touches it.
    """

    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality_std: NDArray[np.float64] | None = None
    scale: Literal["quality", "ranking"] = "quality"

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Prediction":
        """The prediction of some prompts, by mask or index."""
        std = None if self.quality_std is None else self.quality_std[rows]
        return self._replace(quality=self.quality[rows], cost=self.cost[rows], quality_std=std)


Score = Callable[[Prediction, OutcomeTable], float]
"""How well a prediction routes the prompts of a table; higher is better."""


class Router(ABC):
    """Predicts quality and cost of M models from the embedding of a prompt. It never sees lambda.

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
    def arrays(self) -> dict[str, NDArray]:
        """Everything learned, by name: the weights of the artefact."""

    @abstractmethod
    def load_arrays(self, arrays: dict[str, NDArray]) -> None:
        """Take back what ``arrays`` returned."""


class ClosedFormRouter(Router):
    """A router that is computed from the train prompts rather than trained by gradient."""

    @abstractmethod
    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Learn from ``train``; whatever must be chosen, choose by the ``score`` of predictions on ``val``."""
