"""Metrics of abstention: error among the answered prompts as a function of coverage."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.checks import finite, pairs


@dataclass(frozen=True)
class RiskCoverage:
    """Error as a function of coverage, at K thresholds, one for each distinct value of the confidence.

    Attributes:
        threshold: ``(K,)`` ascending; prompts of at least this confidence are answered.
        coverage: ``(K,)`` share of the prompts that are answered, decreasing from 1.
        error: ``(K,)`` 1 minus the mean measured quality of the answers, in [0, 1].
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    error: NDArray[np.float64]

    def at(self, coverage: ArrayLike) -> NDArray[np.float64]:
        """Compute the expected error at any coverage in (0, 1], with a random choice among prompts tied at a threshold.

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

    def mean_error(self, number: int) -> float:
        """Mean error over coverages of 1, 2, ..., ``number`` prompts."""
        return float(self.at(np.arange(1, number + 1) / number).mean())


def hcma_multiple_choice(confidence: ArrayLike) -> NDArray[np.float64]:
    """Apply HCMA's transform of a largest class probability: ``-log(1 - p)`` (arXiv 2410.02173).

    Raw confidences cluster near 1. The transform spreads them, so a logistic regression on it needs few labels.

    Args:
        confidence: ``(...)`` p in [0, 1].

    Returns:
        ``(...)`` at least 0, infinite at 1: clip to the finite range of validation before fitting.

    Raises:
        ValueError: a confidence is missing or outside [0, 1].

    Example:
        >>> hcma_multiple_choice([0.0, 0.9]).round(6).tolist()
        [0.0, 2.302585]
    """
    with np.errstate(divide="ignore"):
        return 0.0 - np.log1p(-_probability(confidence))


def hcma_two_sided(confidence: ArrayLike) -> NDArray[np.float64]:
    """Apply HCMA's transform of a probability of a correct answer: ``-log(1 - p) - log 2`` or ``log p + log 2``.

    The first form is for p above 1/2 (arXiv 2410.02173). It is odd about 1/2, where it is 0, and spreads both ends.

    Args:
        confidence: ``(...)`` p in [0, 1].

    Returns:
        ``(...)`` increasing in p, infinite at 0 and 1: clip to the finite range of validation before fitting.

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
    """Compute the error among the answered prompts at every threshold (El-Yaniv and Wiener 2010, JMLR 11).

    Args:
        confidence: ``(N,)`` confidence in any unit; prompts with higher confidence are answered first.
        quality: ``(N,)`` measured quality of the answers in [0, 1].

    Returns:
        The curve, from all prompts to the most confident ones.

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
    """Compute the area under the risk-coverage curve (Geifman et al. 2019).

    This is the mean over k = 1 to N of the error of the k most confident prompts, in expectation over random orders of
    ties. An uninformative confidence has the error of all prompts; the measured quality has the smallest area.

    Args:
        confidence: ``(N,)`` confidence in any unit.
        quality: ``(N,)`` measured quality of the answers in [0, 1].

    Returns:
        Mean error in [0, 1]; lower is better.

    Raises:
        ValueError: see ``risk_coverage``.

    Example:
        >>> round(aurc([0.9, 0.5, 0.1, 0.2], [1.0, 0.5, 0.0, 1.0]), 6), aurc([0.5] * 4, [1.0, 0.5, 0.0, 1.0])
        (0.197917, 0.375)
    """
    return risk_coverage(confidence, quality).mean_error(np.size(confidence))


def _probability(confidence: ArrayLike) -> NDArray[np.float64]:
    p = finite("confidence", confidence)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"confidence must lie in [0, 1], got {p.min()} to {p.max()}; calibrate it")
    return p


def _levels(confidence: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the prompts by decreasing confidence, and find the last position of each distinct confidence."""
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    return order, np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
