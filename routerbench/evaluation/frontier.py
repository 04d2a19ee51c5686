"""Pareto frontier and non-decreasing convex hull in the cost-quality plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Sums of the same measurements may differ by rounding; that is not a gain in quality.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Hull:
    """A concave, increasing curve of quality over cost, reached by random mixtures of points.

    Attributes:
        cost: ``(P,)`` vertices in USD per prompt, strictly increasing.
        quality: ``(P,)`` quality at the vertices in [0, 1], strictly increasing.
    """

    cost: NDArray[np.float64]
    quality: NDArray[np.float64]

    def at(self, cost: ArrayLike) -> NDArray[np.float64]:
        """Interpolate quality at one or many costs: linear between vertices, constant beyond the last.

        NaN to the left of the first vertex, where no answer is affordable.

        Example:
            >>> hull = Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6]))
            >>> hull.at([0.5, 1, 2, 9]).round(6).tolist()
            [nan, 0.2, 0.4, 0.6]
        """
        return np.interp(np.asarray(cost, np.float64), self.cost, self.quality, left=np.nan)


def pareto_frontier(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the indices of the points that no other point beats in cost without losing quality.

    Of equal points the first one is kept; qualities that differ by less than 1e-12 are equal.

    Args:
        cost: ``(P,)`` in USD per prompt.
        quality: ``(P,)`` in [0, 1].

    Returns:
        Indices in order of cost; cost and quality both increase strictly along them.

    Raises:
        ValueError: there is no point, or a number is missing or infinite.

    Example:
        >>> pareto_frontier(np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.7, 0.2, 0.1, 0.2])).tolist()
        [1, 0]
    """
    cost, quality = np.asarray(cost, np.float64), np.asarray(quality, np.float64)
    if cost.shape != quality.shape or cost.ndim != 1 or not len(cost):
        raise ValueError(f"a frontier needs P > 0 costs and as many qualities, got {cost.shape} and {quality.shape}")
    if not (np.isfinite(cost).all() and np.isfinite(quality).all()):
        raise ValueError("a frontier needs finite costs and qualities")
    order = np.argsort(cost, kind="stable")
    height = quality[order]
    best_before = np.append(-np.inf, np.maximum.accumulate(height)[:-1])
    order = order[height > best_before + _ROUNDING]
    # Of equal costs the last point is the highest, because each point is above all before it.
    ascending = cost[order]
    return order[np.append(ascending[1:] > ascending[:-1], True)]


def non_decreasing_hull(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> Hull:
    """Compute the least concave, non-decreasing curve on or above all points (arXiv 2403.12031, section 3).

    The slopes of a least concave majorant are the antitonic regression of the slopes between neighbours, weighted by
    their cost differences (Barlow et al. 1972, Statistical Inference under Order Restrictions): linear time in C.

    Args:
        cost: ``(P,)`` in USD per prompt, in any order, duplicates allowed.
        quality: ``(P,)`` in [0, 1].

    Returns:
        The hull; each vertex is exactly one of the points.

    Raises:
        ValueError: there is no point, or a number is missing or infinite.

    Example:
        >>> hull = non_decreasing_hull(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.2, 0.3, 0.7, 0.6]))
        >>> hull.cost.tolist(), hull.quality.tolist()
        ([1.0, 3.0], [0.2, 0.7])
    """
    frontier = pareto_frontier(cost, quality)
    cost, quality = np.asarray(cost, np.float64)[frontier], np.asarray(quality, np.float64)[frontier]
    if len(frontier) > 2:
        from scipy.optimize import isotonic_regression  # imported here because it takes a third of a second

        widths = np.diff(cost)
        with np.errstate(over="ignore"):
            slopes = np.diff(quality) / widths
        vertices = isotonic_regression(slopes, weights=widths, increasing=False).blocks
        cost, quality = cost[vertices], quality[vertices]
    return Hull(cost, quality)


def open_hull(
    cost: NDArray[np.float64],
    quality: NDArray[np.float64],
    model_cost: NDArray[np.float64],
    model_quality: NDArray[np.float64],
) -> Hull:
    """Compute the hull of a router's points and the point of the cheapest single model, which is always available.

    Args:
        cost: ``(P,)`` mean USD per prompt at the router's points.
        quality: ``(P,)`` mean quality at these points, in [0, 1].
        model_cost: ``(M,)`` mean cost of each single model on the same prompts, in USD per prompt.
        model_quality: ``(M,)`` mean quality of each single model, in [0, 1].

    Example:
        >>> hull = open_hull(np.array([3.0]), np.array([0.9]), np.array([1.0, 4.0]), np.array([0.5, 0.8]))
        >>> hull.cost.tolist(), hull.quality.tolist()
        ([1.0, 3.0], [0.5, 0.9])
    """
    cheapest = int(model_cost.argmin())
    return non_decreasing_hull(np.append(cost, model_cost[cheapest]), np.append(quality, model_quality[cheapest]))


def mean_hull(hulls: Sequence[Hull]) -> Hull:
    """Average the heights of several hulls at equal cost, as if one of them were drawn at random for every prompt.

    The result is concave and increasing, so its AIQ is the mean of theirs.

    Args:
        hulls: at least one; the mean starts where all of them have started.

    Example:
        >>> flat, steep = Hull(np.array([1.0]), np.array([0.5])), Hull(np.array([1.0, 2.0]), np.array([0.5, 0.9]))
        >>> mean = mean_hull([flat, steep])
        >>> mean.cost.tolist(), mean.quality.round(6).tolist()
        ([1.0, 2.0], [0.5, 0.7])
    """
    if len(hulls) == 1:
        return hulls[0]
    first = max(float(hull.cost[0]) for hull in hulls)
    last = max(first, *(float(hull.cost[-1]) for hull in hulls))
    cost = np.unique(np.concatenate([[first, last], *(hull.cost for hull in hulls)]))
    cost = cost[cost >= first]
    return Hull(cost, np.mean([hull.at(cost) for hull in hulls], axis=0))
