"""Single numbers that sum up a hull."""

import numpy as np

from routerbench.evaluation.frontier import Hull

# A sum of many measurements may miss an equal one by rounding; that is no lack of quality.
_ROUNDING = 1e-9


def aiq(hull: Hull, low: float, high: float) -> float:
    """Average improvement in quality: mean height of the hull on a cost interval (arXiv 2403.12031, section 3).

    The name says improvement, the number is a level: between the quality at ``low`` and the peak. Comparable only on
    the same interval and prompts.

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
    first cost, and the number changes with the other routers of the comparison, through ``max_cost``.

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


def cost_at_quality(hull: Hull, quality: float) -> float | None:
    """Lowest cost at which the hull reaches a quality.

    Args:
        hull: of one router.
        quality: in [0, 1]; missing it by less than 1e-9 counts as reaching it.

    Returns:
        USD per prompt, or None if the hull never gets there.

    Example:
        >>> hull = Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6]))
        >>> cost_at_quality(hull, 0.5), cost_at_quality(hull, 0.1), cost_at_quality(hull, 0.7)
        (2.5, 1.0, None)
    """
    if quality > hull.quality[-1] + _ROUNDING:
        return None
    return float(np.interp(quality, hull.quality, hull.cost))


def qnc(hull: Hull, best_quality: float, best_cost: float) -> float | None:
    """Quality-neutral cost: share of the best single model's cost that buys its quality (UniRoute, arXiv 2502.08773).

    Args:
        hull: of one router.
        best_quality: mean quality of the best single model, in [0, 1].
        best_cost: its mean cost in USD per prompt.

    Returns:
        Relative cost, below 1 if the router saves; None if it never matches the model or the model is free.

    Example:
        >>> round(qnc(Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6])), best_quality=0.5, best_cost=5.0), 12)
        0.5
    """
    reached = cost_at_quality(hull, best_quality)
    return None if reached is None or best_cost <= 0 else reached / best_cost


def _area(hull: Hull, low: float, high: float) -> float:
    """Integral of the hull from ``low``, at or right of its first vertex, to ``high``."""
    inside = hull.cost[(hull.cost > low) & (hull.cost < high)]
    knots = np.concatenate(([low], inside, [high]))
    return float(np.trapezoid(hull.at(knots), knots))
