"""Evaluation of abstention: error and coverage of a router that may decline, with confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.abstention import RiskCoverage, risk_coverage
from routerbench.evaluation.metrics.checks import finite, pairs
from routerbench.evaluation.resample import NUM_RESAMPLES, basic_interval, difference_interval, weights
from routerbench.evaluation.results import Figure, Interval


@dataclass(frozen=True)
class Abstention:
    """Error and coverage of a router that declines by confidence, on N prompts.

    Attributes:
        curve: risk-coverage curve of the confidence.
        oracle: risk-coverage curve of the measured quality, the best possible order.
        abstention: share of the prompts that may be declined, in (0, 1).
        error: error with no prompt declined, also the expected error if prompts are declined at random.
        error_after: error with the least confident prompts declined, that share of them, ties at random.
        reduction: ``error - error_after``, above 0 if the confidence is informative.
        interval: interval of the reduction over resampled prompts, both errors on the same resample; None if unknown.
        oracle_error_after: ``error_after`` if the worst answers are declined.
        aurc: area under the curve: mean error over coverages of 1, 2, ..., N prompts.
        oracle_aurc: the smallest area of any order of these answers.
        threshold: minimum confidence for an answer, chosen for the target coverage on validation.
        realised_coverage: share of these prompts answered at that threshold.
        realised_error: error of those answers; without a value if there are none.
    """

    curve: RiskCoverage
    oracle: RiskCoverage
    abstention: float
    error: Figure
    error_after: Figure
    reduction: float
    interval: Interval | None
    oracle_error_after: float
    aurc: Figure
    oracle_aurc: float
    threshold: float
    realised_coverage: float
    realised_error: Figure


def abstain(
    confidence: ArrayLike,
    quality: ArrayLike,
    val_confidence: ArrayLike,
    rng: np.random.Generator,
    *,
    abstention: float = 0.2,
    num_resamples: int = NUM_RESAMPLES,
) -> Abstention:
    """Evaluate a router that declines the prompts it is least confident about.

    Args:
        confidence: ``(N,)`` confidence for the prompts to score, in any unit.
        quality: ``(N,)`` measured quality of their answers in [0, 1].
        val_confidence: ``(V,)`` confidence for the validation prompts, in the same unit, to choose the threshold.
        rng: random number generator for the resamples.
        abstention: share to decline, in (0, 1).
        num_resamples: number of bootstrap resamples for the intervals; 0 for none.

    Returns:
        The record.

    Raises:
        ValueError: see ``risk_coverage``; or the share is not in (0, 1).

    Example:
        >>> sure, right = np.arange(10) / 10, np.array([0, 1] + [1.0] * 8)
        >>> found = abstain(sure, right, sure, np.random.default_rng(0), num_resamples=0)
        >>> found.error.value, found.error_after.value, found.threshold, found.realised_coverage
        (0.1, 0.0, 0.2, 0.8)
    """
    if not 0 < abstention < 1:
        raise ValueError(f"abstention must be a share between 0 and 1, got {abstention}")
    confidence, quality = pairs(confidence=confidence, quality=quality)
    number = len(quality)
    curve, oracle = risk_coverage(confidence, quality), risk_coverage(quality, quality)
    val_sorted = np.sort(finite("val_confidence", val_confidence))
    # Do not round up (1 - 0.2) * 10 = 8.000000000000002.
    threshold = val_sorted[-int(np.ceil((1 - abstention) * len(val_sorted) - 1e-9))]
    answered = confidence >= threshold
    values = np.array([curve.error[0], curve.at(1 - abstention), curve.mean_error(number), np.nan])
    values[3] = 1 - quality[answered].mean() if answered.any() else np.nan
    resampled = _resampled(curve, confidence, quality, answered, 1 - abstention, num_resamples, rng)
    reduction = float(values[0] - values[1])
    figures = [_figure(float(value), draws) for value, draws in zip(values, resampled, strict=True)]
    return Abstention(
        curve=curve,
        oracle=oracle,
        abstention=abstention,
        error=figures[0],
        error_after=figures[1],
        reduction=reduction,
        interval=difference_interval(reduction, reduction, resampled[0] - resampled[1]) if num_resamples else None,
        oracle_error_after=float(oracle.at(1 - abstention)),
        aurc=figures[2],
        oracle_aurc=oracle.mean_error(number),
        threshold=float(threshold),
        realised_coverage=float(answered.mean()),
        realised_error=figures[3],
    )


def _figure(value: float, resampled: NDArray[np.float64]) -> Figure:
    if not np.isfinite(value):
        return Figure(None)
    bounds = basic_interval(value, value, resampled) if len(resampled) else None
    return Figure(value, *(bounds or (None, None)))


def _resampled(
    curve: RiskCoverage,
    confidence: NDArray[np.float64],
    quality: NDArray[np.float64],
    answered: NDArray[np.bool_],
    coverage: float,
    num_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Compute ``(4, B)`` error, error at the coverage, AURC, and error of the answered prompts in each resample."""
    loss, number, columns = 1 - quality, len(quality), []
    # The last prompt of each distinct confidence, from the highest on.
    order, last = np.argsort(-confidence, kind="stable"), (curve.coverage[::-1] * number).round().astype(np.int64) - 1
    shares = np.append(np.arange(1, number + 1), coverage * number)
    for counts in weights(number, num_resamples, rng):
        taken = counts[order].cumsum(axis=0)[last]
        lost = (counts * loss[:, None])[order].cumsum(axis=0)[last]
        for drawn, sums, count in zip(taken.T, lost.T, counts.T, strict=True):
            errors = np.interp(shares, np.append(0, drawn), np.append(0, sums)) / shares
            kept = count[answered].sum()
            realised = count[answered] @ loss[answered] / kept if kept else np.nan
            columns.append((sums[-1] / number, errors[-1], errors[:-1].mean(), realised))
    return np.array(columns).reshape(-1, 4).T
