"""Audit of models: dispensable models, similar models, and suspicious costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.results import Measure, cost_interval_of, measure_on
from routerbench.evaluation.sweep import sweep

_MAD_TO_SD = 1.4826  # for a normal distribution
_SMALL_BENCHMARK = 20
_LEAST_SPREAD = 0.1  # of log cost; with a flat rate the spread is 0, and a deviation of a tenth is not suspicious
OUTLIER_Z = 6.0
NEEDLESS_SHARE = 0.01
TOP_SHARE = 0.01


@dataclass(frozen=True)
class Models:
    """Comparison of the M models of a table, over the prompts without missing cells.

    Attributes:
        names: M names.
        quality: ``(M,)`` mean quality in [0, 1].
        cost: ``(M,)`` mean cost in USD per prompt, or None without costs.
        measure: measure by which routers over these models are compared.
        oracle_share: ``(M,)`` share of the prompts on which the oracle calls the model for at least one lambda;
            without different costs, on which no other model is better.
        alone_best: ``(M,)`` share of the prompts on which every other model is worse.
        dominated_by: for each model the best one with higher mean quality at no more cost, or as good at less cost;
            None if there is none or costs are unknown or equal.
        needless: models that are dominated and that the oracle calls on less than 1 % of the prompts; without
            different costs, models among the best on so few, except the best single one.
        needless_loss: mean quality that the oracle loses without all of them.
        closest: ``(M,)`` the other model with the most equal outcomes.
        differing: ``(M,)`` share of the prompts on which the two have different qualities.
    """

    names: tuple[str, ...]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    measure: Measure
    oracle_share: NDArray[np.float64]
    alone_best: NDArray[np.float64]
    dominated_by: tuple[int | None, ...]
    needless: tuple[int, ...]
    needless_loss: float
    closest: NDArray[np.int64]
    differing: NDArray[np.float64]


@dataclass(frozen=True)
class Outlier:
    """A cell whose cost is far from the model's other costs on the same benchmark.

    Attributes:
        id: id of the prompt.
        model: name of the model.
        cost: cost of the cell, in USD.
        median: median of the model's costs on the same benchmark, in USD per prompt.
    """

    id: str
    model: str
    cost: float
    median: float


@dataclass(frozen=True)
class Costs:
    """Suspicious costs, and the concentration of spending.

    Attributes:
        num_cells: number of cells with a known cost.
        num_outliers: number of them with a robust z of log cost above 6.
        farthest: the outlier with the largest z, or None.
        num_zero: number of cells with cost 0, of models with other costs elsewhere.
        free_models: models whose known costs are all 0.
        top_share: share of the total cost of the complete prompts that is due to the most expensive 1 % of them.
    """

    num_cells: int
    num_outliers: int
    farthest: Outlier | None
    num_zero: int
    free_models: tuple[str, ...]
    top_share: float


def compare_models(table: OutcomeTable) -> Models:
    """Compare the models.

    Args:
        table: outcomes; prompts with a missing cell are left out, and at least one must be complete.
    """
    table = table.take(table.is_complete)
    quality, cost = table.quality, table.cost.mean(axis=0)
    means, measure = quality.mean(axis=0), measure_on(cost_interval_of(table))
    is_best = quality == quality.max(axis=1, keepdims=True)
    oracle_share = _oracle_share(quality, table.cost) if measure == "aiq" else is_best.mean(axis=0)
    dominated_by = _dominators(means, cost) if measure == "aiq" else (None,) * table.num_models
    # An oracle may not need the best single model, but a router that cannot foresee outcomes does.
    can_go = [by is not None for by in dominated_by] if measure == "aiq" else means < means.max()
    needless = np.flatnonzero((oracle_share < NEEDLESS_SHARE) & can_go)
    closest, differing = _twins(quality)
    return Models(
        names=table.models,
        quality=means,
        cost=cost if table.has_cost else None,
        measure=measure,
        oracle_share=oracle_share,
        alone_best=(is_best & (is_best.sum(axis=1, keepdims=True) == 1)).mean(axis=0),
        dominated_by=dominated_by,
        needless=tuple(needless.tolist()),
        needless_loss=float((quality.max(axis=1) - np.delete(quality, needless, axis=1).max(axis=1)).mean()),
        closest=closest,
        differing=differing,
    )


def check_costs(table: OutcomeTable) -> Costs | None:
    """Find suspicious costs; None if the table has no cost.

    The robust z of a cell is ``|log cost - median| / max(1.4826 * MAD, 0.1)``, over the model's costs above 0 on one
    benchmark (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers). Benchmarks with fewer than 20 prompts are
    pooled.

    Args:
        table: outcomes; cells without a cost are ignored.
    """
    if not table.has_cost:
        return None
    cost = table.cost
    is_free = np.array([not (column > 0).any() for column in cost.T])
    z, median = _robust_z(cost, table.benchmark)
    row, model = np.unravel_index(int(z.argmax()), z.shape)
    farthest = Outlier(str(table.ids[row]), table.models[model], float(cost[row, model]), float(median[row, model]))
    spent = np.sort(cost[np.isfinite(cost).all(axis=1)].sum(axis=1))[::-1]
    top = spent[: int(np.ceil(TOP_SHARE * len(spent)))]
    return Costs(
        num_cells=int(np.isfinite(cost).sum()),
        num_outliers=int((z > OUTLIER_Z).sum()),
        farthest=farthest if z[row, model] > OUTLIER_Z else None,
        num_zero=int((cost[:, ~is_free] == 0).sum()),
        free_models=tuple(name for name, free in zip(table.models, is_free, strict=True) if free),
        top_share=float(top.sum() / spent.sum()) if spent.sum() > 0 else 0.0,
    )


def _oracle_share(quality: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the ``(M,)`` share of the prompts on whose upper envelope a model is; it occurs there at most once."""
    curve = sweep(quality, cost, quality, cost)
    num_models = quality.shape[1]
    calls = np.bincount(curve.start, minlength=num_models) + np.bincount(curve.event_target, minlength=num_models)
    return calls / len(quality)


def _dominators(quality: NDArray[np.float64], cost: NDArray[np.float64]) -> tuple[int | None, ...]:
    """Find, for each model, the best one that is at least as good and as cheap, and better or cheaper."""
    found: list[int | None] = []
    for own_quality, own_cost in zip(quality, cost, strict=True):
        as_good = (quality >= own_quality) & (cost <= own_cost)
        rivals = np.flatnonzero(as_good & ((quality > own_quality) | (cost < own_cost)))
        found.append(int(rivals[np.lexsort((cost[rivals], -quality[rivals]))[0]]) if len(rivals) else None)
    return tuple(found)


def _twins(quality: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find, for each model, the other one that differs on the fewest prompts, and the share of these."""
    columns = np.ascontiguousarray(quality.T)
    differing = np.array([(columns != column).mean(axis=1) for column in columns])
    np.fill_diagonal(differing, np.inf)
    return differing.argmin(axis=1), differing.min(axis=1)


def _robust_z(
    cost: NDArray[np.float64], benchmark: NDArray[np.object_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the ``(N, M)`` robust z of log cost, 0 if the cost is 0 or unknown, and the ``(N, M)`` medians."""
    _, label, counts = np.unique(benchmark.astype(str), return_inverse=True, return_counts=True)
    label = np.where(counts[label] < _SMALL_BENCHMARK, -1, label)
    z, medians = np.zeros_like(cost), np.zeros_like(cost)
    for group in np.unique(label):
        for model, column in enumerate(cost.T):
            rows = np.flatnonzero((label == group) & (column > 0))
            if len(rows):
                logs = np.log(column[rows])
                middle = float(np.median(logs))
                distance = np.abs(logs - middle)
                z[rows, model] = distance / max(_MAD_TO_SD * float(np.median(distance)), _LEAST_SPREAD)
                medians[rows, model] = np.exp(middle)
    return z, medians
