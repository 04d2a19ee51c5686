"""A router that ignores the prompt: the baseline for learned routers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.onboarding import Onboarding, shrunk_mean


class ConstantRouter(ClosedFormRouter, Onboarding):
    """Predicts each model's mean quality and cost on train, for every prompt.

    Swept over lambda, it calls one single model after the other, like RouterBench's Zero router, but without mixing two
    models.
    """

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Compute the means of the observed outcomes; there are no hyperparameters."""
        self.quality = np.nanmean(train.table.quality, axis=0)
        self.cost = np.nanmean(train.table.cost, axis=0) if train.table.has_cost else np.full(self.num_models, np.nan)

    def _append_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        """Append a model's means; its mean quality is shrunk towards those of the others."""
        self.quality = np.append(self.quality, shrunk_mean(quality, self.quality))
        self.cost = np.append(self.cost, cost.mean())

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the same means for each of the N embeddings."""
        return Prediction(np.tile(self.quality, (len(embeddings), 1)), np.tile(self.cost, (len(embeddings), 1)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The two ``(M,)`` means."""
        return {"quality": self.quality, "cost": self.cost}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the means."""
        self.quality, self.cost = arrays["quality"], arrays["cost"]
