"""Is a prediction calibrated on every group of prompts, for every model, and does one round of corrections help?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.self_knowledge.loss_prediction import Prompts

NUM_BINS = 5  # of predicted quality, of equal width; one benchmark of one model rarely fills more
SMALLEST = 30  # outcomes of a cell below which its mean is too uncertain
# Candidates for the number of errors of 0 that are added to every cell, largest first; infinity changes nothing.
PRIORS = (np.inf, 1000.0, 300.0, 100.0, 30.0, 10.0)
_NUM_FLIPS = 200


class GroupCalibration(NamedTuple):
    """Mean errors of the cells with at least 30 outcomes: a group of prompts, a model and a bin of predicted quality.

    Attributes:
        num_cells: how many cells there are.
        mean: mean of the cells' absolute mean errors, weighted by size; NaN without cells.
        by_chance: what to expect of a calibrated prediction whose errors vary as much.
        worst: group, model and bin of the largest absolute mean error, as numbers; None without cells.
        largest: mean of measured minus predicted quality in that cell.
    """

    num_cells: int
    mean: float
    by_chance: float
    worst: tuple[int, int, int] | None
    largest: float


def group_calibration(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], group: NDArray[np.int64], rng: np.random.Generator
) -> GroupCalibration:
    """Calibration by group, model and bin of predicted quality (multicalibration: Hebert-Johnson et al. 2018).

    To estimate what chance contributes, the errors of each cell are centred and get random signs, one per prompt and
    the same for all models (the wild bootstrap).

    Args:
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        group: ``(N,)`` numbers from 0.
        rng: draws the signs.
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
    """One round of multicalibration: add to each prediction the mean error of its cell in the other folds.

    A mean of n errors is multiplied by ``n / (n + prior)``. The prior with the least squared error is chosen.

    Args:
        prompts: to correct.
        group: ``(N,)`` numbers from 0.
        priors: candidates; the first of equals is chosen.

    Returns:
        ``(N, M)`` predictions in [0, 1], and the prior.
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
    """``(N, M)`` number of each prediction's cell: by group, then model, then bin."""
    bins = np.minimum((predicted * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    num_models = predicted.shape[1]
    return (group[:, None] * num_models + np.arange(num_models)) * NUM_BINS + bins


def _count_and_sum(
    cell: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Number and sum of the known values in each cell."""
    known, size = np.isfinite(values), int(cell.max()) + 1
    sums = np.bincount(cell[known], values[known], minlength=size).astype(np.float64)
    return np.bincount(cell[known], minlength=size), sums
