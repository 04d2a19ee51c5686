"""Ridge regression in closed form, with all penalties, targets and leave-one-out predictions at once."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Standardisation(NamedTuple):
    """``(D,)`` mean and standard deviation of the columns of the train embeddings."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32]) -> "Standardisation":
        """Compute the statistics of ``(N, D)`` embeddings."""
        std = embeddings.std(axis=0)
        # A column that is constant on train says nothing; dividing by its std would make it dominate elsewhere.
        return cls(embeddings.mean(axis=0, dtype=np.float64), np.where(std > 1e-6, std, 1))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Standardise ``(N, D)`` embeddings."""
        return (embeddings - self.mean) / self.std

    def into(
        self, weights: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Convert ``(D, T)`` weights and ``(T,)`` bias for standardised embeddings to those for raw embeddings."""
        weights = weights / self.std[:, None]
        return weights, bias - self.mean @ weights


class RidgePath(NamedTuple):
    """Ridge regressions of T targets at A penalties.

    Attributes:
        weights: ``(A, D, T)``.
        bias: ``(A, T)`` intercepts, NaN for a target without known values.
        held_out: ``(A, N, T)`` prediction for each prompt by the fit to all others.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    held_out: NDArray[np.float64]


def ridge(inputs: NDArray[np.float64], targets: NDArray[np.float64], alphas: NDArray[np.float64]) -> RidgePath:
    """Fit ridge regressions of each target on the prompts where it is known; the intercept is not penalised.

    With the eigendecomposition ``X'X = V diag(s) V'`` of the centred inputs, the weights are
    ``V diag(1 / (s + alpha)) V'X'y``, so one decomposition serves all penalties and all targets that are known on the
    same prompts; in a complete table, these are all targets. The leave-one-out prediction of prompt i is
    ``y - (y - f) / (1 - h)``, where f is the fit to all prompts and h the i-th diagonal element of the hat matrix
    (Hastie et al., The Elements of Statistical Learning, 2009, sections 3.4.1 and 7.10).

    Args:
        inputs: ``(N, D)``.
        targets: ``(N, T)``, NaN if unknown.
        alphas: ``(A,)`` penalties of the squared weights, above 0, relative to the sum of squared errors.

    Example:
        >>> path = ridge(np.array([[-1.0], [1.0]]), np.array([[2.0], [4.0]]), np.array([2.0]))
        >>> path.weights.item(), path.bias.item()  # least squares would give 1 and 3
        (0.5, 3.0)
    """
    known = np.isfinite(targets)
    groups = defaultdict(list)
    for target, column in enumerate(known.T):
        groups[column.tobytes()].append(target)
    weights = np.zeros((len(alphas), inputs.shape[1], targets.shape[1]))
    bias = np.full((len(alphas), targets.shape[1]), np.nan)
    held_out = np.full((len(alphas), *targets.shape), np.nan)
    for group in groups.values():
        rows = known[:, group[0]]
        if not rows.any():
            continue
        x, y = inputs if rows.all() else inputs[rows], targets[rows][:, group]
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        values, vectors = np.linalg.eigh(x.T @ x - len(x) * np.outer(x_mean, x_mean))
        rotated = x @ vectors
        rotated -= x_mean @ vectors
        shrinkage = 1 / (values.clip(0) + alphas[:, None])
        shrunk = shrinkage[:, :, None] * (rotated.T @ (y - y_mean))
        weights[:, :, group] = vectors @ shrunk
        bias[:, group] = y_mean - x_mean @ weights[:, :, group]
        left_out = 1 - 1 / len(x) - rotated**2 @ shrinkage.T
        errors = (y - y_mean - rotated @ shrunk) / np.maximum(left_out.T, 1e-9)[:, :, None]
        held_out[:, :, group] = np.nan if rows.all() else inputs @ weights[:, :, group] + bias[:, None, group]
        held_out[np.ix_(np.arange(len(alphas)), np.flatnonzero(rows), np.asarray(group))] = y - errors
    return RidgePath(weights, bias, held_out)
