"""Calibration metrics of predicted quality. Measured quality may be any grade in [0, 1], not only 0 or 1."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.checks import ROUNDING, pairs


class Reliability(NamedTuple):
    """Predicted and measured quality in K non-empty bins of predicted quality, ascending.

    Attributes:
        predicted: ``(K,)`` mean predicted quality in [0, 1].
        measured: ``(K,)`` mean measured quality in [0, 1], equal to ``predicted`` if the prediction is calibrated.
        num_cells: ``(K,)`` number of cells in the bin, at least 1.
    """

    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    num_cells: NDArray[np.int64]


class CalibrationErrors(NamedTuple):
    """Errors of the predicted quality of some cells.

    Attributes:
        ece: expected calibration error in [0, 1].
        brier: mean squared error in [0, 1].
        nll: mean negative log-likelihood in nats.
        num_cells: number of cells.
    """

    ece: float
    brier: float
    nll: float
    num_cells: int


def reliability(
    predicted: ArrayLike, measured: ArrayLike, num_bins: int = 15, *, equal_mass: bool = False
) -> Reliability:
    """Compute the reliability diagram (DeGroot and Fienberg 1983; bins as in Guo et al. 2017, arXiv 1706.04599).

    Args:
        predicted: ``(...)`` predicted quality in [0, 1].
        measured: ``(...)`` measured quality in [0, 1].
        num_bins: number of bins ``(low, high]``, the first with its lower end; empty ones are left out.
        equal_mass: whether bins have equal numbers of cells, up to ties, which share a bin, instead of equal widths.

    Returns:
        Means and counts of each non-empty bin.

    Raises:
        ValueError: shapes differ, there is no cell, a number is missing or outside [0, 1], or there is no bin.

    Example:
        >>> diagram = reliability([0.25, 0.25, 0.75, 1.0], [0.0, 1.0, 1.0, 0.5], num_bins=2)
        >>> diagram.predicted.tolist(), diagram.measured.tolist(), diagram.num_cells.tolist()
        ([0.25, 0.875], [0.5, 0.75], [2, 2])
    """
    predicted, measured = _checked(predicted, measured)
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}")
    inner = np.linspace(0, 1, num_bins + 1)[1:-1]
    bins = np.searchsorted(np.quantile(predicted, inner) if equal_mass else inner, predicted)
    count = np.bincount(bins)
    kept = count > 0
    mean_predicted, mean_measured = (np.bincount(bins, values)[kept] / count[kept] for values in (predicted, measured))
    return Reliability(mean_predicted, mean_measured, count[kept])


def ece(predicted: ArrayLike, measured: ArrayLike, num_bins: int = 15, *, equal_mass: bool = False) -> float:
    """Compute the expected calibration error, the mean distance of the bins from the diagonal (Naeini et al. 2015).

    ``sum_b n_b / n |mean predicted - mean measured|``. A constant prediction of the overall mean has 0, so read it
    together with the Brier score. It increases with the number of bins, and by chance is above 0 for a calibrated
    prediction; both effects are smaller with equal-mass bins.

    Args:
        predicted: ``(...)`` predicted quality in [0, 1].
        measured: ``(...)`` measured quality in [0, 1].
        num_bins: number of bins.
        equal_mass: whether bins have equal numbers of cells instead of equal widths.

    Returns:
        In [0, 1]; lower is better.

    Raises:
        ValueError: see ``reliability``.

    Example:
        >>> ece([0.25, 0.25, 0.75, 1.0], [0.0, 1.0, 1.0, 0.5], num_bins=2)
        0.1875
    """
    diagram = reliability(predicted, measured, num_bins, equal_mass=equal_mass)
    return float(np.average(np.abs(diagram.predicted - diagram.measured), weights=diagram.num_cells))


def brier(predicted: ArrayLike, measured: ArrayLike) -> float:
    """Compute the mean squared error of the predicted quality, the score of Brier (1950) for one event.

    Args:
        predicted: ``(...)`` predicted quality in [0, 1].
        measured: ``(...)`` measured quality in [0, 1].

    Returns:
        In [0, 1]; lower is better. Minimal at the conditional mean, where the variance of the outcomes remains.

    Raises:
        ValueError: shapes differ, there is no cell, or a number is missing or outside [0, 1].

    Example:
        >>> brier([0.5, 1.0], [1.0, 1.0])
        0.125
    """
    predicted, measured = _checked(predicted, measured)
    return float(((predicted - measured) ** 2).mean())


def nll(predicted: ArrayLike, measured: ArrayLike) -> float:
    """Compute the mean negative log-likelihood, ``-y log p - (1 - y) log(1 - p)`` for any y in [0, 1].

    As in scikit-learn, predictions are clipped 2e-16 from 0 and 1, so a wrong prediction of 0 or 1 costs 36 nats
    instead of infinitely many. kNN with few neighbours often predicts 0 or 1.

    Args:
        predicted: ``(...)`` predicted quality in [0, 1].
        measured: ``(...)`` measured quality in [0, 1].

    Returns:
        In nats, at least 0; lower is better. Minimal at the conditional mean.

    Raises:
        ValueError: see ``brier``.

    Example:
        >>> round(nll([0.5, 0.5], [1.0, 0.25]), 6)  # log 2
        0.693147
    """
    predicted, measured = _checked(predicted, measured)
    epsilon = np.finfo(np.float64).eps
    chance = predicted.clip(epsilon, 1 - epsilon)
    return float(-(measured * np.log(chance) + (1 - measured) * np.log1p(-chance)).mean())


def calibration_by(
    group: ArrayLike, predicted: ArrayLike, measured: ArrayLike, num_bins: int = 15
) -> dict[str, CalibrationErrors]:
    """Compute calibration errors by group. An overall calibrated prediction may be miscalibrated for single models.

    Args:
        group: names that broadcast against ``(N, M)``: the ``(M,)`` models, or the ``(N, 1)`` benchmarks.
        predicted: ``(N, M)`` predicted quality in [0, 1].
        measured: ``(N, M)`` measured quality in [0, 1].
        num_bins: number of bins of equal width for the calibration error.

    Returns:
        The errors of each group, in order of name.

    Raises:
        ValueError: see ``reliability``; or the names do not broadcast.

    Example:
        >>> errors = calibration_by(["small", "large"], [[0.5, 0.75], [0.5, 0.75]], [[0.0, 1.0], [0.0, 1.0]])
        >>> {name: (error.ece, error.brier, error.num_cells) for name, error in errors.items()}
        {'large': (0.25, 0.0625, 2), 'small': (0.5, 0.25, 2)}
    """
    predicted, measured = pairs(predicted=predicted, measured=measured)
    labels = np.asarray(group)
    names, number = np.unique(labels.astype(str), return_inverse=True)
    number = np.broadcast_to(number.reshape(labels.shape), predicted.shape)
    return {str(name): _errors(predicted[number == i], measured[number == i], num_bins) for i, name in enumerate(names)}


def _errors(predicted: NDArray[np.float64], measured: NDArray[np.float64], num_bins: int) -> CalibrationErrors:
    return CalibrationErrors(
        ece(predicted, measured, num_bins), brier(predicted, measured), nll(predicted, measured), predicted.size
    )


def _checked(predicted: ArrayLike, measured: ArrayLike) -> list[NDArray[np.float64]]:
    """Flatten the arrays; refuse values outside [0, 1], up to rounding."""
    arrays = pairs(predicted=predicted, measured=measured)
    for name, values in zip(("predicted", "measured"), arrays, strict=True):
        if values.min() < -ROUNDING or values.max() > 1 + ROUNDING:
            raise ValueError(f"{name} quality must lie in [0, 1], got {values.min()} to {values.max()}; calibrate it")
    return [values.ravel() for values in arrays]
