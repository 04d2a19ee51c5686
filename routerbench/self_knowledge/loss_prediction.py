"""When does a predictor know its own loss? A second predictor looks for errors that the first did not expect.

Gollakota et al. 2025 (arXiv 2502.20375): a predicted probability p says by itself what loss to expect of it, for the
squared error ``p (1 - p)``. Whoever predicts the loss better than that has found where p is not calibrated, and only
there can it be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.resample import basic_interval, weights
from routerbench.evaluation.results import Figure

# Candidates for the prompts without surprise that every feature starts with, the most cautious first; infinitely many
# leave the self-entropy as it is.
PENALTIES = np.array([np.inf, 10000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0])
_LOSS_BINS = 10
_FEWEST = 10  # known outcomes of a model below which its loss is what it expects itself


class Features(NamedTuple):
    """What a loss predictor sees beside the predicted quality q and its square.

    Attributes:
        name: as in the report.
        information: what it takes to compute them, "prompt only" or "benchmark id".
        columns: ``(N, P)`` of about unit variance, or 0/1; P may be 0.
    """

    name: str
    information: str
    columns: NDArray[np.float64]


@dataclass(frozen=True)
class Advantage:
    """How much better a loss predictor LP does than the self-entropy H, out of fold.

    Attributes:
        features: what LP sees beside q.
        information: "prompt only" or "benchmark id".
        overall: ``E[(l - H)^2] - E[(l - LP)^2]`` over all known cells, l the squared error.
        unexplained: ``E[(l - H)^2]``, what there is to gain; most of it is chance.
        per_model: the same of each of M models, None for one without outcomes.
    """

    features: str
    information: str
    overall: Figure
    unexplained: float
    per_model: tuple[Figure, ...]

    @property
    def share(self) -> Figure:
        """``overall`` as a share of ``unexplained``."""
        parts = self.overall.value, self.overall.low, self.overall.high
        return Figure(*(None if part is None else part / max(self.unexplained, 1e-12) for part in parts))

    @property
    def is_significant(self) -> bool:
        """Whether the interval over prompts lies above 0."""
        return self.overall.low is not None and self.overall.low > 0


def expected_loss(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    is_graded: NDArray[np.bool_],
    learn: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The squared error that a prediction expects of itself.

    For outcomes of 0 or 1 it is ``q (1 - q)``. A grade between them scatters less than that, by an amount that q does
    not say: there the mean squared error of the learning prompts takes its place, in ten bins of q over all models.

    Args:
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        is_graded: ``(N,)`` whether the prompt's benchmark has other outcomes than 0 and 1.
        learn: ``(N,)`` prompts whose outcomes may be read.

    Returns:
        ``(N, M)`` in [0, 1].

    Example:
        >>> q, outcome = np.array([[0.5, 0.9], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.25, 0.75]])
        >>> expected_loss(q, outcome, np.array([False, True]), np.array([True, True])).round(4).tolist()
        [[0.25, 0.09], [0.0625, 0.0625]]
    """
    expected = predicted * (1 - predicted)
    cells = (is_graded & learn)[:, None] & np.isfinite(measured)
    if not cells.any():
        return expected
    loss = (measured[cells] - predicted[cells]) ** 2
    edges = np.quantile(predicted[cells], np.linspace(0, 1, _LOSS_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, predicted)
    count = np.bincount(bins[cells], minlength=_LOSS_BINS)
    means = np.bincount(bins[cells], loss, minlength=_LOSS_BINS) / np.maximum(count, 1)
    means = np.where(count > 0, means, loss.mean())
    return np.where(is_graded[:, None], means[bins], expected)


def predict_loss(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    is_graded: NDArray[np.bool_],
    columns: NDArray[np.float64],
    learn: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The expected loss, and a prediction of the loss that starts from it and learns where it is wrong.

    For each model a ridge regression of ``loss - expected`` on 1, q, q^2 and the features. All weights are drawn to 0,
    the expected loss; how strongly, leave-one-out errors of the learning prompts choose.

    Args:
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        is_graded: ``(N,)`` whether the prompt's benchmark has other outcomes than 0 and 1.
        columns: ``(N, P)`` features.
        learn: ``(N,)`` prompts whose outcomes may be read.

    Returns:
        ``(N, M)`` expected and predicted squared error in [0, 1], for all prompts.
    """
    expected = expected_loss(predicted, measured, is_graded, learn)
    surprise = (measured - predicted) ** 2 - expected
    found = expected.copy()
    for model, q in enumerate(predicted.T):
        known = learn & np.isfinite(measured[:, model])
        if known.sum() >= _FEWEST:
            powers = [_standardised(power, known) for power in (q, q**2)]
            inputs = np.column_stack([np.ones(len(q)), *powers, columns])
            found[:, model] += inputs @ _ridge(inputs[known], surprise[known, model])
    return expected, found.clip(0, 1)


def cross_fitted(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    is_graded: NDArray[np.bool_],
    columns: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``predict_loss`` of each fold, learned on the others.

    Args:
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        is_graded: ``(N,)`` whether the prompt's benchmark has other outcomes than 0 and 1.
        columns: ``(N, P)`` features.
        fold: ``(N,)`` numbers.
    """
    expected, found = np.empty_like(predicted), np.empty_like(predicted)
    for number in np.unique(fold):
        held_out = fold == number
        parts = predict_loss(predicted, measured, is_graded, columns, ~held_out)
        expected[held_out], found[held_out] = (part[held_out] for part in parts)
    return expected, found


def advantages(
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    is_graded: NDArray[np.bool_],
    features: Sequence[Features],
    fold: NDArray[np.int64],
    num_resamples: int,
    rng: np.random.Generator,
) -> tuple[Advantage, ...]:
    """The advantage of a loss predictor on each set of features, with intervals over the same resampled prompts.

    Args:
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        is_graded: ``(N,)`` whether the prompt's benchmark has other outcomes than 0 and 1.
        features: F sets.
        fold: ``(N,)`` numbers; no prompt's loss is predicted by a predictor that saw it.
        num_resamples: bootstrap resamples; 0 for figures without intervals.
        rng: draws them.
    """
    loss, known = (measured - predicted) ** 2, np.isfinite(measured)
    gains, base = [], 0.0
    for _, _, columns in features:
        expected, found = cross_fitted(predicted, measured, is_graded, columns, fold)
        gains.append(np.where(known, (loss - expected) ** 2 - (loss - found) ** 2, 0))
        base = float(((loss - expected) ** 2)[known].mean())
    stacked = np.stack(gains, axis=1)  # (N, F, M)
    values = _means(np.ones((len(loss), 1)), stacked, known)
    parts = [_means(drawn, stacked, known) for drawn in weights(len(loss), num_resamples, rng)]
    resampled = np.concatenate([values[:0], *parts])

    def figure(place: tuple[int, int]) -> Figure:
        value = float(values[0, *place])
        if not np.isfinite(value):
            return Figure(None)
        bounds = basic_interval(value, value, resampled[:, *place]) if num_resamples else None
        return Figure(value, *(bounds or (None, None)))

    found_advantages = []
    for row, (name, information, _) in enumerate(features):
        overall, *per_model = (figure((row, column)) for column in range(values.shape[2]))
        found_advantages.append(Advantage(name, information, overall, base, tuple(per_model)))
    return tuple(found_advantages)


def _means(drawn: NDArray[np.float64], gains: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(b, F, 1 + M)`` mean gains over all cells, then over each model's, under ``(N, b)`` weights."""
    total, count = np.tensordot(drawn.T, gains, 1), (drawn.T @ known)[:, None]
    total, count = (np.concatenate([part.sum(axis=2, keepdims=True), part], axis=2) for part in (total, count))
    with np.errstate(invalid="ignore"):
        return total / count


def _standardised(column: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A column less its mean over its standard deviation, both over the known rows."""
    return (column - column[known].mean()) / max(column[known].std(), 1e-9)


def _ridge(inputs: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(P,)`` weights under the penalty with the least leave-one-out error, the largest of equals."""
    left, size, right = np.linalg.svd(inputs, full_matrices=False)
    kept = size**2 / (size**2 + PENALTIES[:, None])  # (K, P)
    residual = target[:, None] - left @ (kept * (left.T @ target)).T
    errors = residual / np.maximum(1 - left**2 @ kept.T, 1e-9)
    best = PENALTIES[(errors**2).mean(axis=0).argmin()]
    return right.T @ (size / (size**2 + best) * (left.T @ target))
