"""One number for a whole curve: the area under it, in four conventions of the field, and the area it dominates."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.frontier import Hull, pareto_frontier
from routerbench.evaluation.metrics.checks import finite, pairs


def aiq(hull: Hull, low: float, high: float) -> float:
    """Average improvement in quality: mean height of the hull on a cost interval (arXiv 2403.12031, section 3).

    ``1 / (high - low)`` times the integral of the hull from ``low`` to ``high``. The name says improvement, the
    number is a level: between the quality at ``low`` and the peak. Comparable only on the same interval and prompts.

    Args:
        hull: of one router, starting at or below ``low``; flat beyond its last vertex.
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
    """Area from the hull's own first cost to ``max_cost``, divided by ``max_cost`` (``AIQ.py`` of RouterBench's code).

    Only to compare with published numbers. It differs from the paper: a router counts as quality 0 below its own
    first cost, and the number changes with the other routers of the comparison, through ``max_cost``. The original
    raises an IndexError on hulls of one or two points; they are as good as any here.

    Args:
        hull: of one router.
        max_cost: the largest cost of all hulls compared, in USD per prompt.

    Returns:
        Area per USD in [0, 1].

    Raises:
        ValueError: the hull goes beyond ``max_cost``, or that is not positive.

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
    """Mean height of a router's own curve on a cost interval, with no hull that picks the lucky points afterwards.

    The curve joins its points in order of lambda. It begins at (low, floor_quality), the cheapest single model, where
    its first point lies to the right of ``low``, and is flat from its last point to ``high``. The area is signed: a
    stretch on which more lambda costs *less* is taken off again, so that every cost in the interval counts once.
    Stretches beyond the interval are cut off where they cross its ends, not squeezed into it.

    All arguments may have the same leading axes, as one row per bootstrap resample.

    Args:
        cost: ``(..., L)`` mean USD per prompt at each lambda, ascending in lambda and hence mostly in cost.
        quality: ``(..., L)`` mean quality in [0, 1].
        low: ``(...)`` left end of the interval in USD per prompt.
        high: ``(...)`` right end.
        floor_quality: ``(...)`` mean quality of the cheapest single model, in [0, 1].

    Returns:
        ``(...)`` mean quality; NaN where the interval has no width, as in a resample on which all models cost alike.

    Raises:
        ValueError: shapes do not fit, a number is missing or infinite, or an interval ends before it begins.

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
    # Where the curve covers an end by itself, the added stretch lies outside the interval and has no width in it.
    cost = np.concatenate([low, cost, high], axis=-1)
    quality = np.concatenate([floor_quality, quality, quality[..., -1:]], axis=-1)
    inside = np.clip(cost, low, high)
    width = np.diff(inside)
    # The mean height of a straight stretch is its height at the middle of what is inside.
    to_middle = inside[..., :-1] + width / 2 - cost[..., :-1]
    share = np.divide(to_middle, np.diff(cost), out=np.zeros_like(width), where=width != 0)
    height = quality[..., :-1] + share * np.diff(quality)
    with np.errstate(invalid="ignore"):
        return (width * height).sum(axis=-1) / (high - low)[..., 0]


def auc_cascade_routing(
    cost: ArrayLike, quality: ArrayLike, low: float, high: float, floor_quality: float
) -> NDArray[np.float64]:
    """Area under the points sorted by cost, without a hull (cascade routing, arXiv 2410.10347).

    The original fills the gap on the left with a straight line from (low, floor_quality), the one on the right with
    the last quality; so does this. Where no point at all lies in or to the left of the interval, or none in or to the
    right of it, the original extrapolates the line through the outermost two points, past 1 if need be, and needs two;
    here the two gap rules hold there as well.

    Args:
        cost: ``(L,)`` mean USD per prompt, in any order.
        quality: ``(L,)`` mean quality in [0, 1].
        low: mean cost of the cheapest single model in USD per prompt.
        high: mean cost of the dearest one.
        floor_quality: the *lowest* mean quality of all single models, which need not be the cheapest's.

    Returns:
        Mean quality.

    Raises:
        ValueError: as ``area_as_routed``.

    Example:
        >>> round(float(auc_cascade_routing([3.0, 2.0], [0.8, 0.4], low=1, high=5, floor_quality=0.2)), 12)
        0.625
    """
    cost, quality = pairs(cost=cost, quality=quality)
    order = np.lexsort((quality, cost))
    return area_as_routed(cost[order], quality[order], low, high, floor_quality)


def hypervolume(cost: ArrayLike, quality: ArrayLike, reference_cost: float, reference_quality: float) -> float:
    """Area of all that some point beats: a staircase, as no two points are mixed (Zitzler and Thiele, PPSN 1998).

    The union of the rectangles from each point to the reference. It grows with every point that extends the Pareto
    frontier and with no other. Divided by ``reference_cost - low`` with a reference quality of 0, it is what AIQ would
    be if a router could not be mixed with another at random.

    Args:
        cost: ``(P,)`` in USD per prompt, in any order; lower is better.
        quality: ``(P,)`` in [0, 1]; higher is better.
        reference_cost: the worst cost that counts; dearer points add nothing.
        reference_quality: the worst quality that counts; poorer points add nothing.

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
    """Integral of the hull from ``low``, at or right of its first vertex, to ``high``."""
    inside = hull.cost[(hull.cost > low) & (hull.cost < high)]
    knots = np.concatenate(([low], inside, [high]))
    return float(np.trapezoid(hull.at(knots), knots))
