"""Guess the benchmark of a prompt and predict the models' means on it, the strongest signal in most prompts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score

PRIOR_PROMPTS = 3  # number of prompts that the overall mean counts for in a benchmark's mean


class BenchmarkRouter(ClosedFormRouter):
    """Predicts the probability of every benchmark, and the models' mean outcomes under these probabilities.

    Models differ more between task types than within them (arXiv 2505.12601). The reference benchmark_oracle, which
    knows the benchmark that this router has to guess, measures how much. The guess is a softmax regression on the
    embedding. Its probabilities are raised to a power and renormalised: with power 2, the likeliest benchmark gets more
    than its probability. Penalty and power are selected on validation.

    On a table with a single benchmark, this is the router ``constant``.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        penalty: one or more candidates for the penalty of the squared weights.
        power: one or more candidates for the power of the probabilities, above 0.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        penalty: Sequence[float] | float,
        power: Sequence[float] | float,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.penalty = [penalty] if isinstance(penalty, int | float) else list(penalty)
        self.power = [power] if isinstance(power, int | float) else list(power)
        for name, values in (("penalty", self.penalty), ("power", self.power)):
            if not values or not min(values) > 0:
                raise InputError(f"router.{name} must be a list of numbers above 0, got {values}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit a classifier of the benchmarks of ``train``, and the models' means on each."""
        self.names, label = np.unique(train.table.benchmark.astype(str), return_inverse=True)
        self.quality, self.cost = (
            group_means(cells, label, len(self.names)) for cells in (train.table.quality, train.table.cost)
        )
        candidates = {}
        for penalty in self.penalty if len(self.names) > 1 else self.penalty[:1]:
            self.weights, self.bias = softmax_regression(train.embeddings, label, penalty)
            for power in self.power:
                self.chosen_power = power
                value = score(self.predict(val.embeddings), val.table)
                candidates[value, penalty, power] = self.weights, self.bias
        best = max(candidates)
        self.weights, self.bias = candidates[best]
        self.chosen_power = best[2]

    def posterior(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(N, G)`` probabilities of the G benchmarks in train."""
        logits = embeddings @ self.weights + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict mean outcomes, weighted by the benchmark probabilities, for ``(N, D)`` embeddings."""
        share = self.posterior(embeddings) ** self.chosen_power
        share /= share.sum(axis=1, keepdims=True)
        return Prediction(share @ self.quality, share @ self.cost)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(D, G)`` weights and ``(G,)`` bias of the classifier, ``(G, M)`` means, power, and benchmark names."""
        return {
            "weights": self.weights,
            "bias": self.bias,
            "quality": self.quality,
            "cost": self.cost,
            "chosen_power": np.array(self.chosen_power),
            "names": np.frombuffer("\0".join(self.names).encode(), np.uint8),  # safetensors cannot store texts
        }

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the classifier and the means."""
        self.weights, self.bias, self.quality, self.cost = (
            arrays[name] for name in ("weights", "bias", "quality", "cost")
        )
        self.chosen_power = float(arrays["chosen_power"])
        self.names = np.array(arrays["names"].tobytes().decode().split("\0"))


def group_means(cells: NDArray[np.float64], group: NDArray[np.int64], num_groups: int) -> NDArray[np.float64]:
    """``(num_groups, M)`` means of known cells, shrunk to the model's overall mean, which counts as 3 prompts.

    Args:
        cells: ``(N, M)``, NaN if unknown.
        group: ``(N,)`` group of each prompt, starting at 0.
        num_groups: G.

    Returns:
        Means; NaN for a model without known cells.

    Example:
        >>> group_means(np.array([[0.0], [1.0], [1.0]]), np.array([0, 1, 1]), 2).round(2).tolist()
        [[0.5], [0.8]]
    """
    known = np.isfinite(cells)
    is_member = (group[:, None] == np.arange(num_groups)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        overall = np.where(known, cells, 0).sum(axis=0) / known.sum(axis=0)
    total = is_member.T @ np.where(known, cells, 0) + PRIOR_PROMPTS * overall
    return total / (is_member.T @ known + PRIOR_PROMPTS)


def softmax_regression(
    embeddings: NDArray[np.float32], label: NDArray[np.int64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a multinomial logistic regression by L-BFGS, on embeddings scaled to mean squared length 1.

    Args:
        embeddings: ``(N, D)``.
        label: ``(N,)`` numbers from 0 to G - 1, each occurring at least once.
        penalty: weight of the squared weights relative to twice the sum of log losses.

    Returns:
        ``(D, G)`` weights and ``(G,)`` bias for unscaled embeddings; zeros if G is 1.
    """
    from sklearn.linear_model import LogisticRegression

    num_labels = int(label.max()) + 1
    if num_labels == 1:
        return np.zeros((embeddings.shape[1], 1)), np.zeros(1)
    center = embeddings.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(((embeddings - center) ** 2).sum(axis=1).mean()) or 1.0
    model = LogisticRegression(C=1 / penalty, tol=1e-3, max_iter=200).fit((embeddings - center) / scale, label)
    weights, bias = model.coef_.T / scale, model.intercept_
    if num_labels == 2:  # scikit-learn only returns the second label's weights
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias.item()])
    return weights, bias - center @ weights
