"""Calibration of predictions by group of prompts and model, and its correction by one round of multicalibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.self_knowledge.loss_prediction import Prompts

NUM_BINS = 5  # equal-width bins of predicted quality; one benchmark and model rarely has enough outcomes for more
SMALLEST = 30  # minimum number of outcomes of a cell to report its mean
# Candidate numbers of pseudo-observations of error 0 per cell, in descending order; infinity changes nothing.
PRIORS = (np.inf, 1000.0, 300.0, 100.0, 30.0, 10.0)
_NUM_FLIPS = 200


class GroupCalibration(NamedTuple):
    """Mean errors of cells, each a group of prompts, a model and a bin of predicted quality, with at least 30 outcomes.

    Attributes:
        num_cells: number of cells.
        mean: mean over the cells of the absolute mean error, weighted by size; NaN without cells.
        by_chance: expected ``mean`` of a calibrated prediction whose errors have the same variance.
        worst: indices of group, model and bin of the largest absolute mean error; None without cells.
        largest: mean of measured minus predicted quality in the cell ``worst``.
    """

    num_cells: int
    mean: float
    by_chance: float
    worst: tuple[int, int, int] | None
    largest: float


def group_calibration(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], group: NDArray[np.int64], rng: np.random.Generator
) -> GroupCalibration:
    """Compute calibration by group, model and bin of predicted quality (multicalibration: Hebert-Johnson et al. 2018).

    The contribution of chance is estimated by the wild bootstrap: the errors of each cell are centred and multiplied by
    random signs, one per prompt and the same for all models.

    Args:
        predicted: ``(N, M)`` predicted quality in [0, 1].
        measured: ``(N, M)`` outcomes; NaN if unknown.
        group: ``(N,)`` group of each prompt, from 0.
        rng: random number generator for the signs.
    """
    cell, error = _cells(group, predicted), measured - predicted
    count, total = _count_and_sum(cell, error)
    large = np.flatnonzero(count >= SMALLEST)
    if not len(large):
        return GroupCalibration(0, np.nan, np.nan, None, np.nan)
    mean, size = total / np.maximum(count, 1), count[large]
    centred = np.nan_to_num(error - mean[cell])
    by_chance = []
    for _ in range(_NUM_FLIPS):
        signs = rng.choice([-1.0, 1.0], size=(len(group), 1))
        flipped = np.bincount(cell.ravel(), (signs * centred).ravel())[large] / size
        by_chance.append(np.average(np.abs(flipped), weights=size))
    worst = int(large[np.abs(mean[large]).argmax()])
    return GroupCalibration(
        num_cells=len(large),
        mean=float(np.average(np.abs(mean[large]), weights=size)),
        by_chance=float(np.mean(by_chance)),
        worst=(*divmod(worst // NUM_BINS, predicted.shape[1]), worst % NUM_BINS),
        largest=float(mean[worst]),
    )


def multicalibrate(
    prompts: Prompts, group: NDArray[np.int64], priors: Sequence[float] = PRIORS
) -> tuple[NDArray[np.float64], float]:
    """Apply one round of multicalibration: add to each prediction the mean error of its cell in the other folds.

    A mean of n errors is multiplied by ``n / (n + prior)``. The prior with the smallest squared error is chosen.

    Args:
        prompts: N prompts.
        group: ``(N,)`` group of each prompt, from 0.
        priors: candidates; the first one wins ties.

    Returns:
        ``(N, M)`` corrected predictions in [0, 1], and the chosen prior.
    """
    candidates = [_corrected(prompts, group, prior) for prior in priors]
    best = int(np.argmin([np.nansum((prompts.measured - candidate) ** 2) for candidate in candidates]))
    return candidates[best], priors[best]


def _corrected(prompts: Prompts, group: NDArray[np.int64], prior: float) -> NDArray[np.float64]:
    cell, corrected = _cells(group, prompts.predicted), prompts.predicted.copy()
    for number in np.unique(prompts.fold):
        out = prompts.fold == number
        count, total = _count_and_sum(cell, np.where(out[:, None], np.nan, prompts.measured - prompts.predicted))
        corrected[out] += (total / (count + prior))[cell[out]]
    return corrected.clip(0, 1)


def _cells(group: NDArray[np.int64], predicted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Compute the ``(N, M)`` cell indices, in order of group, model and bin."""
    bins = np.minimum((predicted * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    num_models = predicted.shape[1]
    return (group[:, None] * num_models + np.arange(num_models)) * NUM_BINS + bins


def _count_and_sum(
    cell: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    known, size = np.isfinite(values), int(cell.max()) + 1
    sums = np.bincount(cell[known], values[known], minlength=size).astype(np.float64)
    return np.bincount(cell[known], minlength=size), sums
