"""Bootstrap: how a figure would differ on other prompts, or on other benchmarks (Efron and Tibshirani 1993)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Interval

LEVEL = 0.95
NUM_RESAMPLES = 1000
BENCHMARK_SHARE = 5  # the figures of one benchmark have a fifth of the resamples: there may be eighty benchmarks
_ROUNDING = 1e-12
# Resamples at a time: their curves stay in the cache, and a million prompts need 256 MB of weights.
_CHUNK = 32


def weights(number: int, num_resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """How often each of a number of prompts, or of benchmarks, is drawn with replacement in as many draws.

    Benchmarks are drawn whole: all prompts of one come or go together (the cluster bootstrap).

    Args:
        number: G, of what is drawn.
        num_resamples: how many in all.
        rng: draws.

    Yields:
        ``(G, b)`` counts of b resamples at a time.
    """
    for first in range(0, num_resamples, _CHUNK):
        drawn = rng.integers(number, size=(min(_CHUNK, num_resamples - first), number))
        yield np.stack([np.bincount(row, minlength=number) for row in drawn], axis=1).astype(np.float64)


def basic_interval(value: float, center: float, resampled: NDArray[np.float64]) -> tuple[float, float] | None:
    """95 % interval ``value - (resampled - center)``: the resamples' errors, turned round (the basic bootstrap).

    A hull over many points is flattered by their noise, a hull over resampled points twice. Percentiles of the
    resamples would keep that bias; the basic interval takes it off.

    Args:
        value: the figure, as measured.
        center: the figure of the unresampled data, computed just as the resamples were.
        resampled: ``(B,)`` the figure in each resample; NaN where it does not exist.

    Returns:
        Lower and upper bound, or None if the figure is missing in more than a tenth of the resamples.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) < 0.9 * len(resampled) or not np.isfinite(value):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(value + center - high), float(value + center - low)


def percentile_interval(resampled: NDArray[np.float64]) -> tuple[float, float] | None:
    """95 % interval of a figure that may be infinite, as a cost at a quality that is not always reached.

    Args:
        resampled: ``(B,)`` the figure in each resample, infinity included; NaN where it does not exist.
    """
    known = resampled[~np.isnan(resampled)]
    if len(known) < 0.9 * len(resampled):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="closest_observation")
    return float(low), float(high)


def difference_interval(value: float, center: float, resampled: NDArray[np.float64]) -> Interval | None:
    """Basic interval of a paired difference, and the p-value at which that interval would touch 0."""
    bounds = basic_interval(value, center, resampled)
    if bounds is None:
        return None
    errors = resampled[np.isfinite(resampled)] - center
    # Equal sums may differ by rounding, which is no evidence.
    rarer = min(int((errors >= value - _ROUNDING).sum()), int((errors <= value + _ROUNDING).sum()))
    return Interval(*bounds, p_value=min(1.0, 2 * (rarer + 1) / (len(errors) + 1)))
