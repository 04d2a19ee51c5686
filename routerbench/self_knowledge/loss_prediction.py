"""Loss prediction: does a second predictor know more about a router's loss than the router (arXiv 2502.20375)?

A predicted quality q implies its own expected squared error, the self-entropy, which is ``q (1 - q)`` for outcomes of 0
and 1. A second predictor can improve on it only where q is not calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.resample import basic_interval, weights
from routerbench.evaluation.results import Figure

PENALTIES = (10000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)
_LOSS_BINS = 10
_FEWEST = 10  # minimum number of known outcomes of a model to fit its loss


class Prompts(NamedTuple):
    """Predictions and known outcomes of N prompts.

    Attributes:
        predicted: ``(N, M)`` predicted quality q in [0, 1].
        measured: ``(N, M)`` outcomes in [0, 1]; NaN if unknown.
        is_graded: ``(N,)`` whether the prompt's benchmark has outcomes other than 0 and 1.
        fold: ``(N,)`` fold from 0, or -1 without known outcomes; errors are predicted from the other folds.
    """

    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    is_graded: NDArray[np.bool_]
    fold: NDArray[np.int64]


class FeatureSet(NamedTuple):
    """Inputs of a loss predictor, in addition to q and its square.

    Attributes:
        name: name in the report.
        information: information that the features require, "prompt only" or "benchmark id".
        columns: ``(N, P)`` features with about unit variance, or indicators; P may be 0.
    """

    name: str
    information: str
    columns: NDArray[np.float64]


class Advantage(NamedTuple):
    """Advantage of a loss predictor LP over the self-entropy H, out of fold.

    Attributes:
        features: name of the feature set of LP.
        information: "prompt only" or "benchmark id".
        value: ``E[(l - H)^2] - E[(l - LP)^2]`` over all known cells, where l is the squared error.
        share: ``value`` relative to ``E[(l - H)^2]``, most of which is chance.
    """

    features: str
    information: str
    value: Figure
    share: Figure


def expected_loss(prompts: Prompts, learn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the ``(N, M)`` squared errors in [0, 1] that the predictions imply.

    For outcomes of 0 and 1 it is ``q (1 - q)``. Graded outcomes vary less, by an amount that q does not determine. On
    graded benchmarks it is therefore the mean squared error of the training prompts, in ten bins of q over all models.

    Args:
        prompts: N prompts.
        learn: ``(N,)`` mask of the prompts whose outcomes may be used.
    """
    q, measured, is_graded, _ = prompts
    cells = (is_graded & learn)[:, None] & np.isfinite(measured)
    if not cells.any():
        return q * (1 - q)
    loss = (measured[cells] - q[cells]) ** 2
    edges = np.quantile(q[cells], np.linspace(0, 1, _LOSS_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, q)
    count = np.bincount(bins[cells], minlength=_LOSS_BINS)
    means = np.bincount(bins[cells], loss, minlength=_LOSS_BINS) / np.maximum(count, 1)
    means = np.where(count > 0, means, loss.mean())
    return np.where(is_graded[:, None], means[bins], q * (1 - q))


def predict_loss(prompts: Prompts, columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the ``(N, M)`` expected and predicted squared errors in [0, 1], fitted on the other folds.

    The predicted loss is the expected one plus, for each model, a ridge regression of ``loss - expected`` on 1, q, q^2
    and the ``(N, P)`` features. The penalty minimises the leave-one-out error on the training prompts. If no penalty
    improves on a prediction of 0, the regression is omitted.
    """
    expected, found = np.empty_like(prompts.predicted), np.empty_like(prompts.predicted)
    for number in np.unique(prompts.fold):
        out = prompts.fold == number
        own = expected_loss(prompts, ~out)
        surprise = (prompts.measured - prompts.predicted) ** 2 - own
        surprise[out] = np.nan
        expected[out] = own[out]
        found[out] = (own + _regression(prompts.predicted, columns, surprise))[out]
    return expected, found.clip(0, 1)


def _regression(
    predicted: NDArray[np.float64], columns: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute ``(N, M)`` predictions of a target from q and features, fitted where the target is not NaN."""
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    found = np.zeros_like(predicted)
    for model, q in enumerate(predicted.T):
        known = np.isfinite(target[:, model])
        if known.sum() < _FEWEST:
            continue
        powers = np.column_stack([q, q**2])
        powers = StandardScaler().fit(powers[known]).transform(powers)
        inputs, wanted = np.column_stack([np.ones(len(q)), powers, columns]), target[known, model]
        ridge = RidgeCV(PENALTIES, fit_intercept=False, gcv_mode="svd").fit(inputs[known], wanted)
        if -ridge.best_score_ < (wanted**2).mean():
            found[:, model] = ridge.predict(inputs)
    return found


def advantages(
    prompts: Prompts, features: Sequence[FeatureSet], num_resamples: int, rng: np.random.Generator
) -> tuple[Advantage, ...]:
    """Compute the advantage of a loss predictor with each feature set.

    Args:
        prompts: N prompts; those with a fold are resampled.
        features: F feature sets.
        num_resamples: number of bootstrap resamples, shared by all sets; 0 for figures without intervals.
        rng: random number generator for the resamples.
    """
    loss, known = (prompts.measured - prompts.predicted) ** 2, np.isfinite(prompts.measured)
    gains, unexplained = [], 0.0
    for one in features:
        expected, found = predict_loss(prompts, one.columns)
        gains.append(np.where(known, (loss - expected) ** 2 - (loss - found) ** 2, 0).sum(axis=1))
        unexplained = max(1e-12, float(((loss - expected) ** 2)[known].mean()))  # the same for all sets
    sums = np.column_stack([*gains, known.sum(axis=1)])[prompts.fold >= 0]
    drawn = [np.ones((len(sums), 1)), *weights(len(sums), num_resamples, rng)]
    means = np.concatenate([part.T @ sums for part in drawn])
    means = means[:, :-1] / means[:, -1:]  # (1 + B, F), the first row as measured
    return tuple(
        Advantage(
            one.name, one.information, *(mean_figure(part[0], part[1:]) for part in (column, column / unexplained))
        )
        for one, column in zip(features, means.T, strict=True)
    )


def mean_figure(value: float, resampled: NDArray[np.float64]) -> Figure:
    """Make a figure of a mean, with its interval over ``(B,)`` resamples if there are any."""
    bounds = basic_interval(value, value, resampled) if len(resampled) else None
    return Figure(float(value), *(bounds or (None, None)))
