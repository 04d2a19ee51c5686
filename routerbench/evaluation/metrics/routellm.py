"""RouteLLM's metrics of a router between a weak and a strong model (arXiv 2406.18665), and their form for many models.

They look at quality as a function of the share of prompts that the strong model answers. With many models that share
becomes ``normalised_cost``, the weak model the cheapest single one, the strong model the best single one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.area import area_as_routed
from routerbench.evaluation.metrics.checks import ROUNDING, finite, pairs


def normalised_cost(cost: ArrayLike, cheapest_cost: float, dearest_cost: float) -> NDArray[np.float64]:
    """Cost on a scale from the cheapest single model, 0, to the dearest, 1.

    For two models that cost the same on every prompt this is the share of calls of the dearer one.

    Args:
        cost: ``(L,)`` mean USD per prompt.
        cheapest_cost: mean USD per prompt of the cheapest single model.
        dearest_cost: the same of the dearest one.

    Returns:
        ``(L,)``, mostly in [0, 1]; below 0 where a router undercuts the cheapest model.

    Raises:
        ValueError: the dearest model is not dearer than the cheapest, or a cost is missing or infinite.

    Example:
        >>> normalised_cost([1.0, 2.0, 5.0], cheapest_cost=1, dearest_cost=5).tolist()
        [0.0, 0.25, 1.0]
    """
    if not cheapest_cost < dearest_cost:
        raise ValueError(f"a scale of costs needs two ends, got {cheapest_cost} and {dearest_cost} USD per prompt")
    return (finite("cost", cost) - cheapest_cost) / (dearest_cost - cheapest_cost)


def pgr(quality: ArrayLike, weak_quality: float, strong_quality: float) -> NDArray[np.float64]:
    """Performance gap recovered: ``(q - q_weak) / (q_strong - q_weak)`` (arXiv 2406.18665, section 2).

    Args:
        quality: ``(...)`` mean quality of the router, in [0, 1].
        weak_quality: mean quality of the weak model.
        strong_quality: mean quality of the strong model, higher.

    Returns:
        ``(...)`` shares of the gap: 0 as good as the weak model, 1 as the strong one; above 1 if better than both.

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
    """Average performance gap recovered: mean of PGR over all shares of strong calls (arXiv 2406.18665, section 2).

    The mean is over [0, 1], from the point (0, weak_quality) where the curve starts to the right of 0, and flat from
    its last point to 1. The original averages over the shares that its ten thresholds happened to give; the numbers
    agree where these go from 0 to 1. A random router between the two models has 0.5.

    Args:
        fraction: ``(L,)`` share of strong calls in order of the threshold, or ``normalised_cost`` in order of lambda.
        quality: ``(L,)`` mean quality in [0, 1].
        weak_quality: mean quality of the weak or cheapest model.
        strong_quality: mean quality of the strong or best single model, higher.

    Returns:
        Share of the gap.

    Raises:
        ValueError: as ``pgr``; or there is no point, or shapes differ.

    Example:
        >>> float(apgr([0.0, 0.5, 1.0], [0.5, 0.75, 0.75], weak_quality=0.5, strong_quality=0.75))
        0.75
    """
    return pgr(area_as_routed(fraction, quality, 0.0, 1.0, weak_quality), weak_quality, strong_quality)


def cpt(
    fraction: ArrayLike, quality: ArrayLike, weak_quality: float, strong_quality: float, share: float
) -> float | None:
    """Call-performance threshold: the least share of strong calls that recovers a share of the gap (arXiv 2406.18665).

    The paper reports CPT(50 %) and CPT(80 %), the code 20 % as well. This is the first crossing of the curve. The
    original interpolates the share as a function of quality with ``np.interp``, which is undefined as soon as quality
    falls anywhere along the curve: it says nothing and may return any crossing or none.

    Args:
        fraction: ``(L,)`` share of strong calls in order of the threshold, or ``normalised_cost`` in order of lambda.
        quality: ``(L,)`` mean quality in [0, 1].
        weak_quality: mean quality of the weak or cheapest model.
        strong_quality: mean quality of the strong or best single model, higher.
        share: of the gap, as 0.5; missing it by less than 1e-9 counts as reaching it.

    Returns:
        Share of strong calls, or normalised cost; None if the curve never gets there.

    Raises:
        ValueError: as ``apgr``.

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
