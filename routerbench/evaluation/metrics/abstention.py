"""May a router decline? The error among the prompts that it answers, the surest first, and how few those are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.checks import finite, pairs
from routerbench.evaluation.resample import basic_interval, difference_interval, weights
from routerbench.evaluation.results import Figure, Interval


@dataclass(frozen=True)
class RiskCoverage:
    """Error as a function of coverage, at every threshold of the confidence: K of them, one for each distinct value.

    Attributes:
        threshold: ``(K,)`` ascending; prompts of at least this confidence are answered.
        coverage: ``(K,)`` share of the prompts that are answered, falling from 1.
        error: ``(K,)`` 1 minus their mean measured quality, in [0, 1].
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    error: NDArray[np.float64]

    def at(self, coverage: ArrayLike) -> NDArray[np.float64]:
        """Expected error at any coverage in (0, 1], where prompts tied at a threshold are drawn at random.

        Example:
            >>> tied = risk_coverage([0.5, 0.5, 0.9], [0.0, 1.0, 1.0])
            >>> tied.at([1.0, 2 / 3, 1 / 3]).round(3).tolist()
            [0.333, 0.25, 0.0]
        """
        share = finite("coverage", coverage)
        if not ((share > 0) & (share <= 1)).all():
            raise ValueError(f"coverage must be above 0 and at most 1, got {share}")
        ends = np.append(self.coverage, 0.0)[::-1]
        lost = np.append(self.coverage * self.error, 0.0)[::-1]
        return np.interp(share, ends, lost) / share


@dataclass(frozen=True)
class Abstention:
    """What a confidence is worth to a router that may decline, on N prompts.

    Attributes:
        curve: of the confidence.
        oracle: of the measured quality itself, the best of all orders.
        abstention: share of the prompts that may be declined, in (0, 1).
        error: of all prompts, none declined; and of any coverage, where they are declined at random.
        error_after: with that share declined, the least confident ones, ties at random.
        reduction: ``error - error_after``, above 0 where the confidence is worth something.
        interval: of the reduction over resampled prompts, both errors on the same resample (paired); None if unknown.
        oracle_error_after: as ``error_after``, where the worst answers are declined.
        aurc: area under the curve: mean error over coverages of 1, 2, ..., N prompts.
        oracle_aurc: the least area that any order of these answers has.
        threshold: confidence above or at which validation answers the other share.
        realised_coverage: share of these prompts that is answered at that threshold.
        realised_error: among them; no value if there are none.
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


def hcma_multiple_choice(confidence: ArrayLike) -> NDArray[np.float64]:
    """HCMA's transform of a largest class probability: ``-log(1 - p)`` (arXiv 2410.02173).

    Raw confidences crowd at 1; the transform spreads them, so that a logistic regression on it needs few labels.

    Args:
        confidence: ``(...)`` p in [0, 1].

    Returns:
        ``(...)`` at least 0, infinite at 1: clip to the finite range of validation before a fit.

    Raises:
        ValueError: a confidence is missing or outside [0, 1].

    Example:
        >>> hcma_multiple_choice([0.0, 0.9]).round(6).tolist()
        [0.0, 2.302585]
    """
    with np.errstate(divide="ignore"):
        return 0.0 - np.log1p(-_probability(confidence))


def hcma_two_sided(confidence: ArrayLike) -> NDArray[np.float64]:
    """HCMA's transform of a probability to be right: ``-log(1 - p) - log 2`` above a half, ``log p + log 2`` below.

    Source: arXiv 2410.02173. It is odd about a half, where it is 0, and spreads both ends.

    Args:
        confidence: ``(...)`` p in [0, 1].

    Returns:
        ``(...)`` rising in p, infinite at 0 and 1: clip to the finite range of validation before a fit.

    Raises:
        ValueError: a confidence is missing or outside [0, 1].

    Example:
        >>> hcma_two_sided([0.1, 0.5, 0.9]).round(6).tolist()
        [-1.609438, 0.0, 1.609438]
    """
    p = _probability(confidence)
    with np.errstate(divide="ignore"):
        return np.where(p < 0.5, np.log(2 * p), 0.0 - np.log(2 * (1 - p)))


def risk_coverage(confidence: ArrayLike, quality: ArrayLike) -> RiskCoverage:
    """Error among the answered prompts at every threshold: one sort (El-Yaniv and Wiener 2010, JMLR 11).

    Args:
        confidence: ``(N,)`` in any unit; the higher, the sooner a prompt is answered.
        quality: ``(N,)`` measured quality of the answers in [0, 1].

    Returns:
        The curve, from all prompts to the surest.

    Raises:
        ValueError: there is no prompt, shapes differ, or a number is missing.

    Example:
        >>> curve = risk_coverage([0.2, 0.9, 0.4, 0.4], [0.0, 1.0, 1.0, 0.0])
        >>> curve.threshold.tolist(), curve.coverage.tolist(), curve.error.round(3).tolist()
        ([0.2, 0.4, 0.9], [1.0, 0.75, 0.25], [0.5, 0.333, 0.0])
    """
    confidence, quality = pairs(confidence=confidence, quality=quality)
    order, last = _levels(confidence)
    answered, lost = last + 1, np.cumsum(1 - quality[order])[last]
    threshold = confidence[order][last]
    return RiskCoverage(threshold[::-1], answered[::-1] / len(order), (lost / answered)[::-1])


def aurc(confidence: ArrayLike, quality: ArrayLike) -> float:
    """Area under the risk-coverage curve: mean error of the k surest prompts, k = 1 to N (Geifman et al. 2019).

    Ties are taken in random order, in expectation. A confidence that says nothing has the error of all prompts; the
    least area is that of the measured quality as confidence.

    Args:
        confidence: ``(N,)`` in any unit.
        quality: ``(N,)`` measured quality of the answers in [0, 1].

    Returns:
        Mean error in [0, 1]; lower is better.

    Raises:
        ValueError: as ``risk_coverage``.

    Example:
        >>> round(aurc([0.9, 0.5, 0.1, 0.2], [1.0, 0.5, 0.0, 1.0]), 6), aurc([0.5] * 4, [1.0, 0.5, 0.0, 1.0])
        (0.197917, 0.375)
    """
    return _aurc(risk_coverage(confidence, quality), np.size(confidence))


def abstain(
    confidence: ArrayLike,
    quality: ArrayLike,
    val_confidence: ArrayLike,
    rng: np.random.Generator,
    *,
    abstention: float = 0.2,
    num_resamples: int = 1000,
) -> Abstention:
    """All figures of a router that declines the prompts it is least sure of.

    Args:
        confidence: ``(N,)`` of the prompts to be scored, in any unit.
        quality: ``(N,)`` measured quality of their answers in [0, 1].
        val_confidence: ``(V,)`` of the validation prompts, in the same unit: the threshold is chosen on them.
        rng: draws the resamples.
        abstention: share to decline, in (0, 1).
        num_resamples: for the intervals; 0 for none.

    Returns:
        The record.

    Raises:
        ValueError: as ``risk_coverage``, or the share is not in (0, 1).

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
    # Not one prompt more for (1 - 0.2) * 10 = 8.000000000000002.
    threshold = val_sorted[-int(np.ceil((1 - abstention) * len(val_sorted) - 1e-9))]
    answered = confidence >= threshold
    values = np.array([curve.error[0], curve.at(1 - abstention), _aurc(curve, number), np.nan])
    values[3] = 1 - quality[answered].mean() if answered.any() else np.nan
    resampled = _resampled(confidence, quality, answered, 1 - abstention, num_resamples, rng)
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
        oracle_aurc=_aurc(oracle, number),
        threshold=float(threshold),
        realised_coverage=float(answered.mean()),
        realised_error=figures[3],
    )


def _probability(confidence: ArrayLike) -> NDArray[np.float64]:
    p = finite("confidence", confidence)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"confidence must lie in [0, 1], got {p.min()} to {p.max()}; calibrate it")
    return p


def _levels(confidence: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order from the surest prompt on, and the place in it of the last prompt of each distinct confidence."""
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    return order, np.flatnonzero(np.append(falling[1:] < falling[:-1], True))


def _aurc(curve: RiskCoverage, number: int) -> float:
    return float(curve.at(np.arange(1, number + 1) / number).mean())


def _figure(value: float, resampled: NDArray[np.float64]) -> Figure:
    if not np.isfinite(value):
        return Figure(None)
    bounds = basic_interval(value, value, resampled) if len(resampled) else None
    return Figure(value, *(bounds or (None, None)))


def _resampled(
    confidence: NDArray[np.float64],
    quality: NDArray[np.float64],
    answered: NDArray[np.bool_],
    coverage: float,
    num_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """``(4, B)`` error, error at the coverage, AURC, and error of the answered prompts in each resample."""
    order, last = _levels(confidence)
    loss, number, columns = 1 - quality, len(quality), []
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
