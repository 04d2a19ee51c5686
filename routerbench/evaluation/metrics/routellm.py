"""RouteLLM's metrics for a weak and a strong model (arXiv 2406.18665), and their generalisation to many models.

They describe quality as a function of the share of prompts that the strong model answers. With many models this share
becomes ``normalised_cost``, the weak model is the cheapest and the strong model the best single one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.area import area_as_routed
from routerbench.evaluation.metrics.checks import ROUNDING, finite, pairs


def normalised_cost(cost: ArrayLike, cheapest_cost: float, dearest_cost: float) -> NDArray[np.float64]:
    """Scale cost to 0 for the cheapest single model and 1 for the most expensive one.

    For two models with constant costs per prompt this is the share of calls of the more expensive one.

    Args:
        cost: ``(L,)`` mean USD per prompt.
        cheapest_cost: mean USD per prompt of the cheapest single model.
        dearest_cost: mean USD per prompt of the most expensive single model.

    Returns:
        ``(L,)``, mostly in [0, 1]; below 0 if a router costs less than the cheapest model.

    Raises:
        ValueError: ``dearest_cost`` is not above ``cheapest_cost``, or a cost is missing or infinite.

    Example:
        >>> normalised_cost([1.0, 2.0, 5.0], cheapest_cost=1, dearest_cost=5).tolist()
        [0.0, 0.25, 1.0]
    """
    if not cheapest_cost < dearest_cost:
        raise ValueError(f"a scale of costs needs two ends, got {cheapest_cost} and {dearest_cost} USD per prompt")
    return (finite("cost", cost) - cheapest_cost) / (dearest_cost - cheapest_cost)


def pgr(quality: ArrayLike, weak_quality: float, strong_quality: float) -> NDArray[np.float64]:
    """Compute the performance gap recovered: ``(q - q_weak) / (q_strong - q_weak)`` (arXiv 2406.18665, section 2).

    Args:
        quality: ``(...)`` mean quality of the router, in [0, 1].
        weak_quality: mean quality of the weak model.
        strong_quality: mean quality of the strong model, higher.

    Returns:
        ``(...)`` shares of the gap: 0 for the weak model's quality, 1 for the strong model's, more if better than both.

    Raises:
        ValueError: the strong model is not better than the weak one, or a quality is missing or infinite.

    Example:
        >>> pgr([0.5, 0.625, 1.0], weak_quality=0.5, strong_quality=0.75).tolist()
        [0.0, 0.5, 2.0]
    """
    if not weak_quality < strong_quality:
        raise ValueError(f"there is no gap to recover between qualities of {weak_quality} and {strong_quality}")
    return (finite("quality", quality) - weak_quality) / (strong_quality - weak_quality)


def apgr(fraction: ArrayLike, quality: ArrayLike, weak_quality: float, strong_quality: float) -> NDArray[np.float64]:
    """Compute the average performance gap recovered, the mean of PGR over all shares of strong calls.

    The mean is over [0, 1], from the point (0, weak_quality) if the curve starts to the right of 0, and constant from
    its last point to 1 (arXiv 2406.18665, section 2). The original averages over the shares at its ten thresholds; the
    numbers agree if these range from 0 to 1. Choosing randomly between the two models gives 0.5.

    Args:
        fraction: ``(L,)`` share of strong calls in order of the threshold, or ``normalised_cost`` in order of lambda.
        quality: ``(L,)`` mean quality in [0, 1].
        weak_quality: mean quality of the weak or cheapest model.
        strong_quality: mean quality of the strong or best single model, higher.

    Returns:
        Share of the gap.

    Raises:
        ValueError: see ``pgr``; or there is no point, or shapes differ.

    Example:
        >>> float(apgr([0.0, 0.5, 1.0], [0.5, 0.75, 0.75], weak_quality=0.5, strong_quality=0.75))
        0.75
    """
    return pgr(area_as_routed(fraction, quality, 0.0, 1.0, weak_quality), weak_quality, strong_quality)


def cpt(
    fraction: ArrayLike, quality: ArrayLike, weak_quality: float, strong_quality: float, share: float
) -> float | None:
    """Compute the call-performance threshold: the smallest share of strong calls that recovers a share of the gap.

    The paper (arXiv 2406.18665) reports CPT(50 %) and CPT(80 %), its code also 20 %. This is the first crossing of the
    curve. The original interpolates the share as a function of quality with ``np.interp``, whose result is undefined if
    quality decreases anywhere along the curve: without a warning it may return any crossing or none.

    Args:
        fraction: ``(L,)`` share of strong calls in order of the threshold, or ``normalised_cost`` in order of lambda.
        quality: ``(L,)`` mean quality in [0, 1].
        weak_quality: mean quality of the weak or cheapest model.
        strong_quality: mean quality of the strong or best single model, higher.
        share: share of the gap, such as 0.5; a difference below 1e-9 is ignored.

    Returns:
        Share of strong calls, or normalised cost; None if the curve never recovers the share.

    Raises:
        ValueError: see ``apgr``.

    Example:
        >>> curve = [0.0, 0.5, 1.0], [0.5, 0.75, 0.625]
        >>> [cpt(*curve, weak_quality=0.5, strong_quality=0.75, share=share) for share in (0.5, 1.0, 1.5)]
        [0.25, 0.5, None]
    """
    fraction, quality = pairs(fraction=fraction, quality=quality)
    recovered = pgr(quality, weak_quality, strong_quality)
    if fraction[0] > 0:
        fraction, recovered = np.append(0.0, fraction), np.append(0.0, recovered)
    is_reached = recovered >= share - ROUNDING
    if not is_reached.any():
        return None
    before = np.flatnonzero(is_reached[1:] != is_reached[:-1])
    part = (share - recovered[before]) / (recovered[before + 1] - recovered[before])
    crossings = fraction[before] + part.clip(0, 1) * (fraction[before + 1] - fraction[before])
    return float(np.append(crossings, fraction[is_reached]).min())
