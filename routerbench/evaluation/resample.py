"""Bootstrap over prompts and over benchmarks (Efron and Tibshirani 1993)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Interval

LEVEL = 0.95
NUM_RESAMPLES = 1000
BENCHMARK_SHARE = 5  # figures of single benchmarks use a fifth of the resamples, as there may be eighty benchmarks
_ROUNDING = 1e-12
# Resamples in a chunk. Their curves fit into the cache, and a million prompts need 256 MB of weights.
_CHUNK = 32


def weights(number: int, num_resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield how often each prompt, or benchmark, is drawn with replacement in a resample of the same size.

    All prompts of a benchmark are drawn together (the cluster bootstrap).

    Args:
        number: number G of prompts or benchmarks.
        num_resamples: total number of resamples.
        rng: random number generator.

    Yields:
        ``(G, b)`` counts of b resamples at a time.
    """
    for first in range(0, num_resamples, _CHUNK):
        drawn = rng.integers(number, size=(min(_CHUNK, num_resamples - first), number))
        yield np.stack([np.bincount(row, minlength=number) for row in drawn], axis=1).astype(np.float64)


def basic_interval(value: float, center: float, resampled: NDArray[np.float64]) -> tuple[float, float] | None:
    """Compute the 95 % interval ``value - (resampled - center)``, the basic bootstrap.

    The hull over many points is biased upwards by their noise, and that over resampled points twice as much.
    Percentiles of the resamples would keep this bias; the basic interval removes it.

    Args:
        value: the measured figure.
        center: the figure of the unresampled data, computed in the same way as the resamples.
        resampled: ``(B,)`` the figure in each resample; NaN where undefined.

    Returns:
        Lower and upper bound, or None if the figure is missing in more than a tenth of the resamples.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) < 0.9 * len(resampled) or not np.isfinite(value):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(value + center - high), float(value + center - low)


def percentile_interval(resampled: NDArray[np.float64]) -> tuple[float, float] | None:
    """Compute the 95 % interval of a figure that may be infinite, such as a cost at a quality not always reached.

    Args:
        resampled: ``(B,)`` the figure in each resample, including infinity; NaN where undefined.
    """
    known = resampled[~np.isnan(resampled)]
    if len(known) < 0.9 * len(resampled):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="closest_observation")
    return float(low), float(high)


def difference_interval(value: float, center: float, resampled: NDArray[np.float64]) -> Interval | None:
    """Compute the basic interval of a paired difference, and the p-value at which that interval would touch 0."""
    bounds = basic_interval(value, center, resampled)
    if bounds is None:
        return None
    errors = resampled[np.isfinite(resampled)] - center
    # Equal sums may differ by rounding, which is not evidence.
    rarer = min(int((errors >= value - _ROUNDING).sum()), int((errors <= value + _ROUNDING).sum()))
    return Interval(*bounds, p_value=min(1.0, 2 * (rarer + 1) / (len(errors) + 1)))
