"""Ridge regression of quality and of the logarithm of cost: the strongest simple router, fitted in closed form."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score

LOWEST_RATIO = 1e-3  # of a cost to its model's mean, because a cost of 0 has no logarithm


class LinearRouter(ClosedFormRouter):
    """Predicts the quality and the log cost of every model as linear functions of the embedding.

    Quality is clipped to [0, 1]. Costs are skewed and span orders of magnitude, so that their logarithm is regressed
    and the prediction scaled to the model's mean cost on train: a budget is spent on means, and the exponential of a
    mean logarithm is less. Quality and cost have penalties of their own, as the length of an answer is easier to read
    from a prompt than the skill that it asks for.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        alpha: candidates for both penalties, or one, as in scikit-learn's Ridge, on standardised embeddings.
    """

    def __init__(self, embedding_dim: int, num_models: int, alpha: Sequence[float] | float) -> None:
        super().__init__(embedding_dim, num_models)
        self.alpha = [alpha] if isinstance(alpha, int | float) else list(alpha)
        if not self.alpha or not min(self.alpha) > 0:
            raise InputError(f"router.alpha must be a list of numbers above 0, got {self.alpha}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit all penalties at once and keep the best, the largest of those that are equally good.

        Each penalty is judged by its leave-one-out predictions of train. They are exact and free, and validation has
        a sixth of the prompts: differences between penalties drown in its noise. Where train has fewer prompts to score
        on, as its cells are missing, validation decides.
        """
        mean, std = train.embeddings.mean(axis=0, dtype=np.float64), train.embeddings.std(axis=0, dtype=np.float64)
        # A column that is constant on train says nothing; divided by nothing it would drown all others elsewhere.
        std = np.where(std > 1e-6, std, 1)
        alphas = np.sort(self.alpha)[::-1]
        mean_cost = _means(train.table.cost)
        ratio = train.table.cost / np.where(mean_cost > 0, mean_cost, 1)
        targets = np.hstack([train.table.quality, np.log(np.maximum(ratio, LOWEST_RATIO))])
        weights, bias, held_out = ridge((train.embeddings - mean) / std, targets, alphas)

        cost = slice(self.num_models, None)
        with np.errstate(divide="ignore"):  # a model that costs nothing gets a bias of minus infinity
            scale = np.log(mean_cost) - np.log(_means(np.exp(held_out[:, :, cost]), np.isfinite(ratio)))
        bias[:, cost] += scale
        held_out[:, :, cost] += scale[:, None]
        table = train.table
        if val.table.is_complete.sum() > table.is_complete.sum():
            table, held_out = val.table, (val.embeddings - mean) / std @ weights + bias[:, None]
        predictions = [_prediction(outputs) for outputs in held_out]
        best_cost = int(np.argmin([_cost_loss(prediction.cost, table.cost) for prediction in predictions]))
        scores = [score(each._replace(cost=predictions[best_cost].cost), table) for each in predictions]
        chosen = np.repeat([int(np.argmax(scores)), best_cost], self.num_models)

        self.chosen_alpha = alphas[chosen[[0, -1]]]
        columns = np.arange(2 * self.num_models)
        # For the embedding as it is: the standardisation goes into the weights.
        self.weights = weights[chosen, :, columns].T / std[:, None]
        self.bias = bias[chosen, columns] - mean @ self.weights

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Quality and cost of ``(N, D)`` embeddings.

        Without ``quality_std``: at the penalties that are chosen the posterior variance is nearly the prior's, and
        says nothing of the prompt.
        """
        return _prediction(embeddings @ self.weights + self.bias)

    def arrays(self) -> dict[str, NDArray]:
        """``(D, 2 M)`` weights and ``(2 M,)`` bias, first quality, then log cost; the ``(2,)`` chosen penalties."""
        return {"weights": self.weights, "bias": self.bias, "chosen_alpha": self.chosen_alpha}

    def load_arrays(self, arrays: dict[str, NDArray]) -> None:
        """Take back the weights."""
        self.weights, self.bias, self.chosen_alpha = arrays["weights"], arrays["bias"], arrays["chosen_alpha"]


class RidgePath(NamedTuple):
    """Ridge regressions of T targets at A penalties.

    Attributes:
        weights: ``(A, D, T)``.
        bias: ``(A, T)`` intercepts, NaN for a target that is never known.
        held_out: ``(A, N, T)`` what is predicted for each prompt by the fit to all others.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    held_out: NDArray[np.float64]


def ridge(inputs: NDArray[np.float64], targets: NDArray[np.float64], alphas: NDArray[np.float64]) -> RidgePath:
    """Ridge regression of each target on the prompts where it is known; the intercept is not penalised.

    With the eigendecomposition ``X'X = V diag(s) V'`` of the centred inputs the weights are
    ``V diag(1 / (s + alpha)) V'X'y``, so that one serves all penalties and all targets that are known on the same
    prompts, in a complete table all. The prediction of prompt i without itself is ``y - (y - f) / (1 - h)``, where f is
    the fit to all and h the i-th diagonal of the hat matrix (Hastie et al., The Elements of Statistical Learning, 2009,
    sections 3.4.1 and 7.10).

    Args:
        inputs: ``(N, D)``.
        targets: ``(N, T)``, NaN where not known.
        alphas: ``(A,)`` penalties above 0 of the squared weights, beside the sum of squared errors.

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


def _prediction(outputs: NDArray[np.float64]) -> Prediction:
    """Quality and log cost, ``(N, 2 M)``, as they are to be used."""
    quality, log_cost = np.hsplit(outputs, 2)
    return Prediction(quality.clip(0, 1), np.exp(log_cost))


def _means(cells: NDArray[np.float64], known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Means over the prompts, the last axis but one, of the known cells, NaN where there is none."""
    known = np.isfinite(cells) if known is None else known
    return np.where(known, cells, 0).sum(axis=-2) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def _cost_loss(predicted: NDArray[np.float64], cost: NDArray[np.float64]) -> float:
    """Negative log-likelihood of gamma distributions with the ``predicted`` means, as in ``training/losses.py``."""
    known = np.isfinite(cost) & (predicted > 0)
    return float((cost[known] / predicted[known] + np.log(predicted[known])).sum())
