"""HybridLLM: is the small model's answer good enough, compared with the large model's?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.ridge import Standardisation

ITERATIONS = 200


class HybridLLMRouter(ClosedFormRouter):
    """Predicts the probability that a small model is worse than the large one by at most a margin.

    HybridLLM (arXiv 2404.14618) has two models and labels a prompt by ``quality_small >= quality_large - margin``. The
    margin maximises the differences between labels: without it, nearly all labels would be equal if the large model is
    much better. "deterministic" labels have a margin of 0, "transformed" ones the chosen margin; the paper's
    probabilistic labels need several responses per prompt, which a table does not have.

    With more than two models, which the paper does not cover, the large model is the best single model on train, and
    every other model is a small model with its own margin. The paper fine-tunes DeBERTa; this is a logistic regression
    on the embedding. Its output is the confidence that a model is good enough, not its quality, so it is a ranking. The
    large model is always good enough. The paper assumes known costs; here they are predicted by regression.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        labels: "transformed" or "deterministic".
        penalty: penalty of the squared weights, on standardised embeddings, above 0.
    """

    def __init__(self, embedding_dim: int, num_models: int, labels: str, penalty: float) -> None:
        super().__init__(embedding_dim, num_models)
        self.labels = labels
        self.penalty = penalty
        if labels not in ("transformed", "deterministic"):
            raise InputError(f"router.labels must be transformed or deterministic, got {labels!r}")
        if not penalty > 0:
            raise InputError(f"router.penalty must be above 0, got {penalty}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit one regression per small model; there are no hyperparameters to select."""
        from sklearn.linear_model import LogisticRegression

        standardisation, quality = Standardisation.of(train.embeddings), train.table.quality
        inputs = standardisation(train.embeddings)
        large = int(np.nanmean(quality, axis=0).argmax())
        weights, bias = np.zeros((self.embedding_dim, self.num_models)), np.zeros(self.num_models)
        self.margin = np.zeros(self.num_models)
        for small in range(self.num_models):
            gap = quality[:, large] - quality[:, small]
            known = np.isfinite(gap)
            if small == large or not known.any():
                continue
            if self.labels == "transformed":
                self.margin[small] = margin(gap[known])
            label = gap[known] <= self.margin[small]
            share = (label.sum() + 1) / (len(label) + 2)  # avoids 0 and 1, whose logits are infinite
            bias[small] = np.log(share / (1 - share))
            if 0 < label.sum() < len(label):
                model = LogisticRegression(C=1 / self.penalty, max_iter=ITERATIONS).fit(inputs[known], label)
                weights[:, small], bias[small] = model.coef_[0], model.intercept_.item()
        self.weights, self.bias = standardisation.into(weights, bias)
        self.bias[large] = np.inf
        self.cost = RidgeCost.fit(train)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the probability that each model is good enough, 1 for the large one, for ``(N, D)`` embeddings."""
        probability = (1 + np.tanh((embeddings @ self.weights + self.bias) / 2)) / 2
        return Prediction(probability, self.cost.predict(embeddings), scale="ranking")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(D, M)`` weights, ``(M,)`` bias and margins, and the arrays of the cost."""
        return {"weights": self.weights, "bias": self.bias, "margin": self.margin} | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.weights, self.bias, self.margin = (arrays[name] for name in ("weights", "bias", "margin"))
        self.cost = RidgeCost.from_arrays(arrays)


def margin(gap: NDArray[np.float64]) -> float:
    """Find the smallest margin that maximises the mean label difference ``|y_i - y_j|``, which is ``2 p (1 - p)``.

    Args:
        gap: ``(N,)`` quality of the large model minus that of the small one.

    Returns:
        A margin, 0 or one of the positive gaps.

    Example:
        >>> margin(np.array([0.0, 0.5, 1.0, 1.0]))  # at 0 one label of four is true, at 0.5 two
        0.5
    """
    candidates = np.unique(np.append(0.0, gap[gap > 0]))
    count = np.searchsorted(np.sort(gap), candidates, side="right")  # integers: ties are exact, the first wins
    return float(candidates[np.argmax(count * (len(gap) - count))])
