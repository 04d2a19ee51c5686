"""Ridge regression of quality and log cost: the strongest simple router, fitted in closed form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.ridge import Standardisation, ridge


class LinearRouter(ClosedFormRouter):
    """Predicts quality and log cost of every model as linear functions of the embedding.

    Quality is clipped to [0, 1]. Quality and cost have separate penalties, because the length of an answer is easier to
    predict than the skill that a prompt requires.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        alpha: one or more candidates for both penalties, as in scikit-learn's Ridge, on standardised embeddings.
    """

    def __init__(self, embedding_dim: int, num_models: int, alpha: Sequence[float] | float) -> None:
        super().__init__(embedding_dim, num_models)
        self.alpha = [alpha] if isinstance(alpha, int | float) else list(alpha)
        if not self.alpha or not min(self.alpha) > 0:
            raise InputError(f"router.alpha must be a list of numbers above 0, got {self.alpha}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit all penalties at once and select the best; ties go to the largest.

        Penalties are compared by their leave-one-out predictions on train, which are exact and free; on validation,
        with a sixth of the prompts, the differences would be lost in noise. If missing values leave fewer complete
        prompts in train than in validation, validation is used.
        """
        standardisation = Standardisation.of(train.embeddings)
        alphas = np.sort(self.alpha)[::-1]
        path = ridge(standardisation(train.embeddings), train.table.quality, alphas)
        self.cost = RidgeCost.fit(train, self.alpha)
        judge, held_out = train, path.held_out
        if val.table.is_complete.sum() > train.table.is_complete.sum():
            judge, held_out = val, standardisation(val.embeddings) @ path.weights + path.bias[:, None]
        cost = self.cost.predict(judge.embeddings)
        scores = [score(Prediction(quality.clip(0, 1), cost), judge.table) for quality in held_out]
        best = int(np.argmax(scores))
        self.chosen_alpha = alphas[[best]]
        self.weights, self.bias = standardisation.into(path.weights[best], path.bias[best])

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict quality and cost of ``(N, D)`` embeddings.

        There is no ``quality_std``: at the selected penalties, the posterior variance is close to that of the prior and
        hardly depends on the prompt.
        """
        quality = embeddings @ self.weights + self.bias
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(D, M)`` weights, ``(M,)`` bias and ``(1,)`` selected penalty of quality, and the arrays of the cost."""
        own = {"weights": self.weights, "bias": self.bias, "chosen_alpha": self.chosen_alpha}
        return own | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.weights, self.bias, self.chosen_alpha = arrays["weights"], arrays["bias"], arrays["chosen_alpha"]
        self.cost = RidgeCost.from_arrays(arrays)
