"""Is a prediction calibrated on every group of prompts, for every model, and if not, one round of mending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 5  # of predicted quality, of equal width; one benchmark of one model rarely fills more
SMALLEST = 30  # outcomes of a cell below which its mean says little
# Candidates for the errors of 0 that every cell starts with, the most cautious first; infinitely many change nothing.
PRIORS = (np.inf, 1000.0, 300.0, 100.0, 30.0, 10.0)
_NUM_FLIPS = 200
_LEVEL = 0.95


class Cell(NamedTuple):
    """One group of prompts, one model, one bin of predicted quality.

    Attributes:
        group: its name.
        model: index.
        low: lower end of the bin, in [0, 1].
        error: mean of measured minus predicted quality.
        size: number of outcomes.
    """

    group: str
    model: int
    low: float
    error: float
    size: int


class GroupCalibration(NamedTuple):
    """How far predictions are off on average, over the cells with at least 30 outcomes.

    Attributes:
        mean: ``|E[Q - q | cell]|``, weighted by the size of the cells; NaN if all are smaller.
        largest: the largest one.
        mean_by_chance: what ``mean`` would be for a calibrated prediction with as much scatter.
        largest_by_chance: what ``largest`` would exceed in one of twenty cases then.
        worst: the cell of ``largest``, or None.
        num_cells: how many cells there are.
        covered: share of the outcomes that they hold.
    """

    mean: float
    largest: float
    mean_by_chance: float
    largest_by_chance: float
    worst: Cell | None
    num_cells: int
    covered: float


def group_calibration(
    groups: NDArray[np.str_],
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    rng: np.random.Generator,
    smallest: int = SMALLEST,
) -> GroupCalibration:
    """Calibration by group, model and bin of predicted quality (multicalibration: Hebert-Johnson et al. 2018).

    The mean of few outcomes is off by chance. How far, the same errors tell, less their mean in the cell, with signs
    that are drawn anew for every prompt (the wild bootstrap: models err on the same prompts).

    Args:
        groups: ``(N,)`` names.
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        rng: draws the signs.
        smallest: outcomes that a cell must have to count.

    Example:
        >>> q, outcome = np.full((4, 1), 0.5), np.array([[1.0], [1.0], [1.0], [0.0]])
        >>> found = group_calibration(np.array(["a", "a", "b", "b"]), q, outcome, np.random.default_rng(0), smallest=2)
        >>> found.mean, found.largest, found.worst.group
        (0.25, 0.5, 'a')
    """
    names, group = np.unique(groups.astype(str), return_inverse=True)
    cell, known = _cells(group, predicted), np.isfinite(measured)
    error = np.where(known, measured - predicted, 0)
    shape = (len(names), predicted.shape[1], NUM_BINS)
    count = np.bincount(cell[known], minlength=int(np.prod(shape)))
    mean = _sums(cell, error, len(count)) / np.maximum(count, 1)
    large = count >= smallest
    if not large.any():
        return GroupCalibration(np.nan, np.nan, np.nan, np.nan, None, 0, 0.0)
    centred = np.where(known, error - mean[cell], 0)
    size = count[large]
    by_chance = []
    for _ in range(_NUM_FLIPS):
        signs = rng.choice([-1.0, 1.0], size=(len(groups), 1))
        flipped = np.abs(_sums(cell, signs * centred, len(count))[large] / size)
        by_chance.append((np.average(flipped, weights=size), flipped.max()))
    means, maxima = np.array(by_chance).T
    off = np.abs(mean[large])
    place = int(np.flatnonzero(large)[off.argmax()])
    row, model, low = np.unravel_index(place, shape)
    worst = Cell(str(names[row]), int(model), float(low / NUM_BINS), float(mean[place]), int(count[place]))
    return GroupCalibration(
        mean=float(np.average(off, weights=size)),
        largest=float(off.max()),
        mean_by_chance=float(means.mean()),
        largest_by_chance=float(np.quantile(maxima, _LEVEL)),
        worst=worst,
        num_cells=int(large.sum()),
        covered=float(size.sum() / known.sum()),
    )


@dataclass(frozen=True)
class Patch:
    """One round of multicalibration: every cell's mean error is added to its predictions.

    The mean of a cell with n errors is shrunken by ``n / (n + prior)``.

    Attributes:
        names: ``(G,)`` groups, rising.
        shifts: ``(G, M, NUM_BINS)`` what is added to q.
        prior: errors of 0 that every cell starts with; infinity if the round changes nothing.
    """

    names: NDArray[np.str_]
    shifts: NDArray[np.float64]
    prior: float

    @classmethod
    def fit(
        cls,
        groups: NDArray[np.str_],
        predicted: NDArray[np.float64],
        measured: NDArray[np.float64],
        prior: float,
    ) -> Patch:
        """Learn the shifts.

        Args:
            groups: ``(N,)`` names.
            predicted: ``(N, M)`` q in [0, 1].
            measured: ``(N, M)`` outcomes, NaN where not known.
            prior: above 0, may be infinite.
        """
        names, group = np.unique(groups.astype(str), return_inverse=True)
        cell, known = _cells(group, predicted), np.isfinite(measured)
        shape = (len(names), predicted.shape[1], NUM_BINS)
        total = _sums(cell, np.where(known, measured - predicted, 0), int(np.prod(shape)))
        count = np.bincount(cell[known], minlength=len(total))
        return cls(names, (total / (count + prior)).reshape(shape), prior)

    def __call__(self, groups: NDArray[np.str_], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, M)`` mended predictions in [0, 1]; those of a group that was never seen stay as they are."""
        names = groups.astype(str)
        place = np.searchsorted(self.names, names).clip(max=len(self.names) - 1)
        shift = self.shifts.ravel()[_cells(place, predicted)]
        is_known = self.names[place] == names
        return np.where(is_known[:, None], (predicted + shift).clip(0, 1), predicted)


def choose_prior(
    groups: NDArray[np.str_],
    predicted: NDArray[np.float64],
    measured: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> float:
    """The prior whose patch, learned on the other folds, has the least squared error; the largest of equals.

    Args:
        groups: ``(N,)`` names.
        predicted: ``(N, M)`` q in [0, 1].
        measured: ``(N, M)`` outcomes, NaN where not known.
        fold: ``(N,)`` numbers.
    """
    errors = np.zeros(len(PRIORS))
    for number in np.unique(fold):
        out = fold == number
        for place, prior in enumerate(PRIORS):
            patch = Patch.fit(groups[~out], predicted[~out], measured[~out], prior)
            errors[place] += np.nansum((measured[out] - patch(groups[out], predicted[out])) ** 2)
    return PRIORS[int(errors.argmin())]


def _cells(group: NDArray[np.int64], predicted: NDArray[np.float64]) -> NDArray[np.int64]:
    """``(N, M)`` number of the cell that each prediction falls in: by group, then model, then bin."""
    bins = np.minimum((predicted * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    num_models = predicted.shape[1]
    return (group[:, None] * num_models + np.arange(num_models)) * NUM_BINS + bins


def _sums(cell: NDArray[np.int64], values: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    return np.bincount(cell.ravel(), values.ravel(), minlength=number).astype(np.float64)
