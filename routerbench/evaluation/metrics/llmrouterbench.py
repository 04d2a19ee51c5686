"""LLMRouterBench's metrics (arXiv 2601.07206): mean relative gains over benchmarks, and metrics of single settings."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.frontier import pareto_frontier
from routerbench.evaluation.metrics.checks import ROUNDING, finite, pairs


def gain_at(quality: ArrayLike, baseline_quality: ArrayLike) -> float:
    """Compute the relative gain over a baseline: Gain@R over random choice, Gain@B over the best single model.

    The mean over benchmarks of ``(q - q_base) / q_base`` (arXiv 2601.07206). Because gains are averaged instead of
    qualities, a benchmark with a poor baseline has more weight than one with a good baseline.

    Args:
        quality: ``(G,)`` mean quality of the router on each benchmark, in [0, 1].
        baseline_quality: ``(G,)`` mean quality of the baseline, above 0.

    Returns:
        At least -1; 0.05 means five per cent better.

    Raises:
        ValueError: shapes differ, a quality is missing, or the baseline's is 0 on a benchmark.

    Example:
        >>> gain_at([0.5, 0.75], baseline_quality=[0.25, 0.75])
        0.5
    """
    quality, baseline = pairs(quality=quality, baseline_quality=baseline_quality)
    return float(_relative(quality - baseline, baseline).mean())


def gap_at(quality: ArrayLike, oracle_quality: ArrayLike) -> float:
    """Compute the relative distance to the oracle: Gap@O (arXiv 2601.07206).

    The mean over benchmarks of ``(q_oracle - q) / q_oracle``. This reproduces one row of the published table: the
    random router, at 48.79 with the oracle at 91.64, has a gap of 46.8 %.

    Args:
        quality: ``(G,)`` mean quality of the router on each benchmark, in [0, 1].
        oracle_quality: ``(G,)`` mean quality of the oracle, above 0.

    Returns:
        In [0, 1]; lower is better.

    Raises:
        ValueError: shapes differ, a quality is missing, or the oracle's is 0 on a benchmark.

    Example:
        >>> gap_at([0.5, 0.75], oracle_quality=[1.0, 0.75])
        0.25
    """
    quality, oracle = pairs(quality=quality, oracle_quality=oracle_quality)
    return float(_relative(oracle - quality, oracle).mean())


def perf_gain(quality: ArrayLike, best_quality: float) -> float:
    """Compute PerfGain, the relative gain of the router's best setting over the best single model (arXiv 2601.07206).

    As in the original, the best setting is selected on the scored prompts, which biases the result upwards, the more
    so the more settings there are.

    Args:
        quality: ``(L,)`` mean quality of each setting of the router, in [0, 1].
        best_quality: mean quality of the best single model, above 0.

    Returns:
        At least -1; 0.04 means four per cent better.

    Raises:
        ValueError: there is no setting, a quality is missing, or ``best_quality`` is 0.

    Example:
        >>> perf_gain([0.25, 0.75, 0.5], best_quality=0.5)
        0.5
    """
    return gain_at(finite("quality", quality).max(), best_quality)


def cost_save(cost: ArrayLike, quality: ArrayLike, best_quality: float, best_cost: float) -> float | None:
    """Compute CostSave, the saving of the cheapest setting as good as the best single model (arXiv 2601.07206).

    ``1 - c / c_best``, over the settings of the router; ``cost_saving`` may mix two of them on the hull.

    Args:
        cost: ``(L,)`` mean USD per prompt of each setting of the router.
        quality: ``(L,)`` mean quality in [0, 1]; a difference to ``best_quality`` below 1e-9 is ignored.
        best_quality: mean quality of the best single model.
        best_cost: mean cost of the best single model in USD per prompt.

    Returns:
        At most 1, negative if all these settings cost more; None if there is no such setting or the model is free.

    Raises:
        ValueError: there is no setting, shapes differ, or a number is missing.

    Example:
        >>> cost_save([1.0, 3.0, 9.0], [0.25, 0.5, 0.75], best_quality=0.5, best_cost=4.0)
        0.25
    """
    cost, quality = pairs(cost=cost, quality=quality)
    matching = cost[quality >= best_quality - ROUNDING]
    return None if not len(matching) or best_cost <= 0 else float(1 - matching.min() / best_cost)


def pareto_dist(cost: ArrayLike, quality: ArrayLike, other_cost: ArrayLike, other_quality: ArrayLike) -> float:
    """Compute ParetoDist, the mean distance of a router's settings to the Pareto frontier (arXiv 2601.07206).

    The frontier is that of this router and all others. The distance is Euclidean, to the nearest point of the frontier,
    after both axes are scaled to [0, 1] over all points. The scaling of the original is not known, so compare only
    numbers from this function. Adding a good router moves all others away from the frontier.

    Args:
        cost: ``(L,)`` mean USD per prompt of each setting of the router.
        quality: ``(L,)`` mean quality of each setting in [0, 1].
        other_cost: ``(P,)`` mean USD per prompt of all other routers and single models.
        other_quality: ``(P,)`` their mean quality.

    Returns:
        In [0, sqrt(2)]; 0 if every setting is on the frontier.

    Raises:
        ValueError: there is no point, shapes differ, or a number is missing.

    Example:
        >>> pareto_dist([3.0, 5.0], [0.5, 1.0], other_cost=[1.0], other_quality=[0.5])
        0.25
    """
    own = np.stack(pairs(cost=cost, quality=quality))
    points = np.concatenate([own, np.stack(pairs(other_cost=other_cost, other_quality=other_quality))], axis=1)
    width = np.ptp(points, axis=1, keepdims=True)
    scale = np.where(width > 0, width, 1)
    frontier = points[:, pareto_frontier(*points)]
    apart = (own[:, :, None] - frontier[:, None, :]) / scale[:, :, None]
    return float(np.hypot(*apart).min(axis=1).mean())


def _relative(difference: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide a difference by its base."""
    if not (base > 0).all():
        raise ValueError(f"a gain relative to a quality of {base.min()} does not exist; leave that benchmark out")
    return difference / base
