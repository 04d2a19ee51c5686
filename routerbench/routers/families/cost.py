"""Cost prediction shared by routers that only model quality: log cost is linear in the embedding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.routers.families.ridge import Standardisation, ridge

ALPHAS = (1e1, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6)
LOWEST_RATIO = 1e-3  # minimum ratio of a cost to its model's mean, because a cost of 0 has no logarithm


class RidgeCost:
    """Predicts the log cost of every model as a linear function of the embedding.

    Costs are skewed and span orders of magnitude, so their logarithm is regressed. The prediction is then scaled to the
    model's mean cost on train, because budgets concern means, and the exponential of a mean logarithm is smaller. The
    penalty is selected by the leave-one-out likelihood of gamma distributions, the loss of ``training/losses.py``.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    chosen_alpha: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Examples, alphas: Sequence[float] = ALPHAS) -> "RidgeCost":
        """Fit to the known costs of ``train``; a model without any is predicted as NaN."""
        standardisation, cost = Standardisation.of(train.embeddings), train.table.cost
        penalties = np.sort(alphas)[::-1]
        mean_cost = _means(cost)
        ratio = cost / np.where(mean_cost > 0, mean_cost, 1)
        path = ridge(standardisation(train.embeddings), np.log(np.maximum(ratio, LOWEST_RATIO)), penalties)
        with np.errstate(divide="ignore"):  # a model that costs nothing gets a bias of minus infinity
            scale = np.log(mean_cost) - np.log(_means(np.exp(path.held_out), np.isfinite(ratio)))
        losses = [_loss(np.exp(held_out), cost) for held_out in path.held_out + scale[:, None]]
        best = int(np.argmin(losses))
        found = cls()
        found.chosen_alpha = penalties[[best]]
        found.weights, found.bias = standardisation.into(path.weights[best], path.bias[best] + scale[best])
        return found

    def predict(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(N, M)`` expected cost in USD for ``(N, D)`` embeddings."""
        return np.exp(embeddings @ self.weights + self.bias)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(D, M)`` weights, ``(M,)`` bias and the ``(1,)`` selected penalty, with names that start with "cost."."""
        return {"cost.weights": self.weights, "cost.bias": self.bias, "cost.alpha": self.chosen_alpha}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "RidgeCost":
        """Restore what ``arrays`` returned; other arrays are ignored."""
        found = cls()
        found.weights, found.bias, found.chosen_alpha = (
            arrays[f"cost.{name}"] for name in ("weights", "bias", "alpha")
        )
        return found


def _means(cells: NDArray[np.float64], known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Means of the known cells over the prompts, the last axis but one; NaN if there are none."""
    known = np.isfinite(cells) if known is None else known
    return np.where(known, cells, 0).sum(axis=-2) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def _loss(predicted: NDArray[np.float64], cost: NDArray[np.float64]) -> float:
    """Negative log-likelihood of gamma distributions with means ``predicted``, as in ``training/losses.py``."""
    known = np.isfinite(cost) & (predicted > 0)
    return float((cost[known] / predicted[known] + np.log(predicted[known])).sum())
