"""Areas under a cost-quality curve in four conventions, and the area it dominates."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.frontier import Hull, pareto_frontier
from routerbench.evaluation.metrics.checks import finite, pairs


def aiq(hull: Hull, low: float, high: float) -> float:
    """Compute the average improvement in quality: mean height of the hull on a cost interval.

    ``1 / (high - low)`` times the integral of the hull from ``low`` to ``high`` (arXiv 2403.12031, section 3). Despite
    its name it is a level, between the quality at ``low`` and the peak. Comparable only on the same interval and
    prompts.

    Args:
        hull: hull of a router, starting at or below ``low``; constant beyond its last vertex.
        low: left end in USD per prompt.
        high: right end in USD per prompt, above ``low``.

    Returns:
        Mean quality in [0, 1].

    Raises:
        ValueError: the interval is empty, or the hull starts to the right of ``low``.

    Example:
        >>> round(aiq(Hull(np.array([1.0, 2.0, 4.0]), np.array([0.3, 0.6, 0.75])), low=1, high=4), 12)
        0.6
    """
    if not low < high:
        raise ValueError(f"aiq needs an interval of costs, got [{low}, {high}]")
    if hull.cost[0] > low:
        raise ValueError(f"the hull starts at {hull.cost[0]} USD, above the interval [{low}, {high}]")
    return _area(hull, low, high) / (high - low)


def aiq_original_code(hull: Hull, max_cost: float) -> float:
    """Compute the area from the hull's first cost to ``max_cost``, over ``max_cost`` (``AIQ.py`` of RouterBench).

    Use it only to compare with published numbers. It differs from the paper: quality counts as 0 below the router's
    first cost, and through ``max_cost`` the number depends on the other routers. The original raises an IndexError on
    hulls of one or two points, which are valid here.

    Args:
        hull: hull of a router.
        max_cost: the largest cost of all compared hulls, in USD per prompt.

    Returns:
        Area per USD in [0, 1].

    Raises:
        ValueError: the hull extends beyond ``max_cost``, or that is not positive.

    Example:
        >>> round(aiq_original_code(Hull(np.array([2.0]), np.array([0.8])), max_cost=4), 12)
        0.4
    """
    if not 0 < max_cost >= hull.cost[-1]:
        raise ValueError(f"max_cost must be positive and at least {hull.cost[-1]}, where the hull ends; got {max_cost}")
    return _area(hull, float(hull.cost[0]), max_cost) / max_cost


def area_as_routed(
    cost: ArrayLike, quality: ArrayLike, low: ArrayLike, high: ArrayLike, floor_quality: ArrayLike
) -> NDArray[np.float64]:
    """Compute the mean height of a router's own curve on a cost interval, without a hull that selects lucky points.

    The curve joins its points in order of lambda. If its first point is to the right of ``low``, it starts at
    (low, floor_quality), the cheapest single model; it is constant from its last point to ``high``. The area is signed:
    a segment on which a higher lambda costs *less* is subtracted, so that every cost in the interval counts once.
    Segments that cross an end of the interval are cut there.

    All arguments may have the same leading axes, such as one row per bootstrap resample.

    Args:
        cost: ``(..., L)`` mean USD per prompt at each lambda, ascending in lambda and hence mostly in cost.
        quality: ``(..., L)`` mean quality in [0, 1].
        low: ``(...)`` left end of the interval in USD per prompt.
        high: ``(...)`` right end.
        floor_quality: ``(...)`` mean quality of the cheapest single model, in [0, 1].

    Returns:
        ``(...)`` mean quality; NaN for an empty interval, such as a resample on which all models cost the same.

    Raises:
        ValueError: shapes do not match, a number is missing or infinite, or ``low`` exceeds ``high``.

    Example:
        >>> round(float(area_as_routed([2.0, 3.0], [0.4, 0.8], low=1, high=5, floor_quality=0.2)), 12)
        0.625
    """
    cost, quality = pairs(cost=cost, quality=quality)
    low, high, floor_quality = (
        np.broadcast_to(finite(name, values), cost.shape[:-1])[..., None]
        for name, values in {"low": low, "high": high, "floor_quality": floor_quality}.items()
    )
    if not (low <= high).all():
        raise ValueError(f"low must not exceed high, got {low[low > high][0]} and {high[low > high][0]} USD")
    # If the curve covers an end itself, the added segment is outside the interval and has no width in it.
    cost = np.concatenate([low, cost, high], axis=-1)
    quality = np.concatenate([floor_quality, quality, quality[..., -1:]], axis=-1)
    inside = np.clip(cost, low, high)
    width = np.diff(inside)
    # The mean height of a straight segment is its height at the middle of the part inside the interval.
    to_middle = inside[..., :-1] + width / 2 - cost[..., :-1]
    share = np.divide(to_middle, np.diff(cost), out=np.zeros_like(width), where=width != 0)
    height = quality[..., :-1] + share * np.diff(quality)
    with np.errstate(invalid="ignore"):
        return (width * height).sum(axis=-1) / (high - low)[..., 0]


def auc_cascade_routing(
    cost: ArrayLike, quality: ArrayLike, low: float, high: float, floor_quality: float
) -> NDArray[np.float64]:
    """Compute the area under the points sorted by cost, without a hull (cascade routing, arXiv 2410.10347).

    As in the original, a straight line from (low, floor_quality) fills the gap on the left, and the last quality fills
    the gap on the right. If no point is in or to the left of the interval, or none in or to the right of it, the
    original instead extrapolates the line through the outermost two points, even beyond 1, and requires two points;
    here the two gap rules still apply.

    Args:
        cost: ``(L,)`` mean USD per prompt, in any order.
        quality: ``(L,)`` mean quality in [0, 1].
        low: mean cost of the cheapest single model in USD per prompt.
        high: mean cost of the most expensive single model.
        floor_quality: the *lowest* mean quality of all single models, which may differ from the cheapest model's.

    Returns:
        Mean quality.

    Raises:
        ValueError: see ``area_as_routed``.

    Example:
        >>> round(float(auc_cascade_routing([3.0, 2.0], [0.8, 0.4], low=1, high=5, floor_quality=0.2)), 12)
        0.625
    """
    cost, quality = pairs(cost=cost, quality=quality)
    order = np.lexsort((quality, cost))
    return area_as_routed(cost[order], quality[order], low, high, floor_quality)


def hypervolume(cost: ArrayLike, quality: ArrayLike, reference_cost: float, reference_quality: float) -> float:
    """Compute the area dominated by the points, a staircase without mixtures (Zitzler and Thiele, PPSN 1998).

    The union of the rectangles from each point to the reference. Only points that extend the Pareto frontier increase
    it. Divided by ``reference_cost - low`` with a reference quality of 0, it is AIQ without random mixtures.

    Args:
        cost: ``(P,)`` in USD per prompt, in any order; lower is better.
        quality: ``(P,)`` in [0, 1]; higher is better.
        reference_cost: the highest cost that counts; more expensive points add nothing.
        reference_quality: the lowest quality that counts; worse points add nothing.

    Returns:
        Area in USD per prompt times quality; 0 if no point beats the reference.

    Raises:
        ValueError: there is no point, shapes differ, or a number is missing or infinite.

    Example:
        >>> hypervolume([1.0, 2.0, 3.0], [0.25, 0.75, 0.5], reference_cost=4, reference_quality=0)
        1.75
    """
    cost, quality = pairs(cost=cost, quality=quality)
    counts = (cost < reference_cost) & (quality > reference_quality)
    if not counts.any():
        return 0.0
    frontier = np.flatnonzero(counts)[pareto_frontier(cost[counts], quality[counts])]
    widths = np.diff(np.append(cost[frontier], reference_cost))
    return float(widths @ (quality[frontier] - reference_quality))


def _area(hull: Hull, low: float, high: float) -> float:
    """Integrate the hull from ``low``, at or right of its first vertex, to ``high``."""
    inside = hull.cost[(hull.cost > low) & (hull.cost < high)]
    knots = np.concatenate(([low], inside, [high]))
    return float(np.trapezoid(hull.at(knots), knots))
