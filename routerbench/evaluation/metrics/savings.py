"""Cost savings and quality gains of a hull relative to the best single model."""

from typing import NamedTuple

import numpy as np

from routerbench.evaluation.frontier import Hull
from routerbench.evaluation.metrics.checks import ROUNDING


def cost_at_quality(hull: Hull, quality: float) -> float | None:
    """Find the lowest cost at which the hull reaches a quality.

    Args:
        hull: hull of a router.
        quality: in [0, 1]; a difference below 1e-9 is ignored.

    Returns:
        USD per prompt, or None if the hull never reaches the quality.

    Example:
        >>> hull = Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6]))
        >>> cost_at_quality(hull, 0.5), cost_at_quality(hull, 0.1), cost_at_quality(hull, 0.7)
        (2.5, 1.0, None)
    """
    if quality > hull.quality[-1] + ROUNDING:
        return None
    return float(np.interp(quality, hull.quality, hull.cost))


def qnc(hull: Hull, best_quality: float, best_cost: float) -> float | None:
    """Compute the quality-neutral cost: the share of the best single model's cost that reaches its quality.

    Args:
        hull: hull of a router.
        best_quality: mean quality of the best single model, in [0, 1].
        best_cost: mean cost of the best single model in USD per prompt.

    Returns:
        Relative cost (UniRoute, arXiv 2502.08773), below 1 for a saving; None if not reached or the model is free.

    Example:
        >>> round(qnc(Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6])), best_quality=0.5, best_cost=5.0), 12)
        0.5
    """
    reached = cost_at_quality(hull, best_quality)
    return None if reached is None or best_cost <= 0 else reached / best_cost


def cost_saving(hull: Hull, best_quality: float, best_cost: float) -> float | None:
    """Compute the share of the best single model's cost saved at its quality: ``1 - qnc`` (arXiv 2305.05176).

    FrugalGPT's metric, on the hull, which may mix two settings of the router; ``cost_save`` uses single settings only.

    Args:
        hull: hull of a router.
        best_quality: mean quality of the best single model, in [0, 1].
        best_cost: mean cost of the best single model in USD per prompt.

    Returns:
        At most 1, negative if the router costs more; None if the quality is not reached or the model is free.

    Example:
        >>> round(cost_saving(Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6])), best_quality=0.5, best_cost=10.0), 12)
        0.75
    """
    share = qnc(hull, best_quality, best_cost)
    return None if share is None else 1 - share


def quality_gain(hull: Hull, best_quality: float, best_cost: float) -> float | None:
    """Compute the quality gained at the cost of the best single model: height of the hull minus the model's quality.

    The counterpart of ``cost_saving``: quality at equal cost instead of cost at equal quality.

    Args:
        hull: hull of a router.
        best_quality: mean quality of the best single model, in [0, 1].
        best_cost: mean cost of the best single model in USD per prompt.

    Returns:
        In [-1, 1]; None if the hull starts at a higher cost.

    Example:
        >>> hull = Hull(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
        >>> quality_gain(hull, best_quality=0.375, best_cost=2.0), quality_gain(hull, best_quality=0.1, best_cost=0.5)
        (0.125, None)
    """
    height = float(hull.at(best_cost))
    return None if np.isnan(height) else height - best_quality


class Peak(NamedTuple):
    """Highest point of a hull.

    Attributes:
        quality: the highest quality, in [0, 1].
        cost: the lowest cost that reaches it, in USD per prompt.
    """

    quality: float
    cost: float


def peak(hull: Hull) -> Peak:
    """Find the highest quality of a hull and its cost (UniRoute's peak accuracy, arXiv 2502.08773).

    Example:
        >>> peak(Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6])))
        Peak(quality=0.6, cost=3.0)
    """
    return Peak(float(hull.quality[-1]), float(hull.cost[-1]))
