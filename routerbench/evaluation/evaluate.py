"""Score routers beside the references, on one table and one interval of costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.evaluation.metrics import aiq, aiq_original_code, cost_at_quality, qnc
from routerbench.evaluation.references import benchmark_oracle, best_single, oracle, random_point, zero_router
from routerbench.evaluation.results import Evaluation, Figure, Scored
from routerbench.evaluation.sweep import Sweep, sweep
from routerbench.routers.base import Prediction

_INFORMATION = {
    "zero_router": "nothing about the prompt",
    "best_single": "nothing about the prompt",
    "benchmark_oracle": "benchmark id",
    "oracle": "measured outcomes",
    "random": "nothing about the prompt",
}


@dataclass(frozen=True)
class _Scope:
    """Prompts that are scored together: the whole test split or one benchmark of it.

    Attributes:
        quality: ``(n, M)`` measured quality.
        cost: ``(n, M)`` measured cost in USD per prompt, zeros if none is known.
        model_quality: ``(M,)`` mean quality of each single model.
        model_cost: ``(M,)`` its mean cost.
        has_cost: whether costs are known.
    """

    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    model_quality: NDArray[np.float64]
    model_cost: NDArray[np.float64]
    has_cost: bool

    @classmethod
    def of(cls, table: OutcomeTable, rows: NDArray[np.int64] | slice) -> "_Scope":
        """Some rows of a table without missing cells."""
        quality = table.quality[rows]
        cost = table.cost[rows] if table.has_cost else np.zeros_like(quality)
        return cls(quality, cost, quality.mean(axis=0), cost.mean(axis=0), table.has_cost)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Mean cost of the cheapest and the dearest single model, or None without cost."""
        return (float(self.model_cost.min()), float(self.model_cost.max())) if self.has_cost else None

    def curve(self, prediction: Prediction, rows: NDArray[np.int64] | slice) -> tuple[Sweep, Hull]:
        """Sweep and hull of what a prediction chooses on these rows of it."""
        predicted_cost = prediction.cost[rows] if self.has_cost else self.cost
        curve = sweep(prediction.quality[rows], predicted_cost, self.quality, self.cost)
        # Without cost every lambda above 0 chooses alike, and lambda 0 chooses for no reason.
        points = slice(None) if self.has_cost else slice(-1, None)
        return curve, self.hull(curve.cost[points], curve.quality[points])

    def hull(self, cost: NDArray[np.float64], quality: NDArray[np.float64]) -> Hull:
        """Hull of some points and, where costs are known, of calling the cheapest single model always."""
        if not self.has_cost:
            return non_decreasing_hull(cost, quality)
        cheapest = int(self.model_cost.argmin())
        points = np.append(cost, self.model_cost[cheapest]), np.append(quality, self.model_quality[cheapest])
        return non_decreasing_hull(*points)

    def aiq(self, hull: Hull) -> float | None:
        """Mean height of the hull; None without cost or if all models cost the same."""
        if self.interval is None or self.interval[0] == self.interval[1]:
            return None
        return aiq(hull, *self.interval)

    def qnc(self, hull: Hull, best: int) -> float | None:
        """Share of the cost of single model ``best`` at which the hull reaches its quality."""
        return qnc(hull, self.model_quality[best], self.model_cost[best]) if self.has_cost else None


def evaluate(predictions: Mapping[str, Prediction], test: OutcomeTable, train: OutcomeTable) -> Evaluation:
    """Score routers beside the references: predictions choose, measurements score.

    Prompts with a missing cell are left out and counted. The references learn from train alone, except zero_router
    and oracle, which are bounds and read the measured outcomes of test.

    Args:
        predictions: of each router by name, for all N prompts of ``test``, also those that are left out.
        test: the N prompts to score on.
        train: the split that benchmark_oracle and best_single learn from.

    Returns:
        Figures without intervals; on a table without cost only peak_quality has a value.

    Raises:
        InputError: no prompt of test is complete, or predictions do not fit the tables.
    """
    _check(predictions, test, train)
    is_scored = test.is_complete
    if not is_scored.any():
        raise InputError(f"{test.source}: no prompt to score on; every one has a missing quality or cost. {_gaps(test)}")
    table = test.take(is_scored)
    best = best_single(train)
    predictions = {name: _take(prediction, is_scored) for name, prediction in predictions.items()}
    informed = {"benchmark_oracle": benchmark_oracle(train, table), "oracle": oracle(table)}

    names, group = np.unique(table.benchmark.astype(str), return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.bincount(group).cumsum()[:-1])
    whole = _Scope.of(table, slice(None))
    scopes = {str(name): (_Scope.of(table, rows), rows) for name, rows in zip(names, members, strict=True)}

    references = _curves(whole, slice(None), informed) | _blind(whole, best)
    routers = _curves(whole, slice(None), predictions)
    max_cost = max(hull.cost[-1] for _, hull in (references | routers).values())
    zero_aiq = whole.aiq(references["zero_router"][1])
    by_benchmark = {
        name: (_curves(scope, rows, informed) | _blind(scope, best), _curves(scope, rows, predictions))
        for name, (scope, rows) in scopes.items()
    }

    def scored(name: str, curve: Sweep | None, hull: Hull, is_router: bool) -> Scored:
        parts = {
            benchmark: _figures(scopes[benchmark][0], curves[is_router][name][1], best)
            for benchmark, curves in by_benchmark.items()
        }
        information = "prompt only" if is_router else _INFORMATION[name]
        return _scored(whole, curve, hull, information, best, max_cost, zero_aiq, parts)

    return Evaluation(
        source=test.source,
        models=test.models,
        model_cost=whole.model_cost,
        model_quality=whole.model_quality,
        best_single=test.models[best],
        benchmark_counts={name: len(rows) for name, (_, rows) in scopes.items()},
        num_left_out=int((~is_scored).sum()),
        cost_interval=whole.interval,
        references={name: scored(name, *references[name], is_router=False) for name in _INFORMATION},
        routers={name: scored(name, *routers[name], is_router=True) for name in routers},
    )


def validation_aiq(prediction: Prediction, table: OutcomeTable) -> float:
    """One number for one router, for early stopping and the choice of hyper-parameters: its AIQ on a split.

    The same number as ``evaluate`` gives, without references. Where no AIQ exists, as costs are unknown or all models
    cost the same, the mean quality of always choosing the best predicted model stands in.

    Args:
        prediction: for all N prompts of ``table``.
        table: the validation split; prompts with a missing cell are left out.

    Returns:
        A quality in [0, 1], higher is better.

    Raises:
        InputError: no prompt of the table is complete.
    """
    is_scored = table.is_complete
    if not is_scored.any():
        raise InputError(f"{table.source}: no prompt to validate on; every one has a missing cell. {_gaps(table)}")
    if not is_scored.all():
        table, prediction = table.take(is_scored), _take(prediction, is_scored)
    scope = _Scope.of(table, slice(None))
    if scope.has_cost and np.isnan(prediction.cost).all():
        prediction = prediction._replace(cost=np.zeros_like(prediction.quality))
    elif scope.has_cost and scope.model_cost.min() < scope.model_cost.max():
        return float(aiq(scope.curve(prediction, slice(None))[1], scope.model_cost.min(), scope.model_cost.max()))
    return float(scope.curve(prediction, slice(None))[0].quality[-1])


def _check(predictions: Mapping[str, Prediction], test: OutcomeTable, train: OutcomeTable) -> None:
    """Refuse what does not fit together, by name."""
    if test.models != train.models:
        raise InputError(f"{test.source}: test has models {test.models}, train has {train.models}")
    if test.has_cost and not train.has_cost:
        raise InputError(f"{test.source}: test has costs and train has none; evaluate on splits of one table")
    for name, prediction in predictions.items():
        if prediction.quality.shape != test.quality.shape or prediction.cost.shape != test.quality.shape:
            shapes = f"quality {prediction.quality.shape} and cost {prediction.cost.shape}"
            raise InputError(f"router {name!r} predicts {shapes}, but {test.source} has {test.quality.shape}")
        if test.has_cost and np.isnan(prediction.cost).all():
            raise InputError(
                f"router {name!r} was trained without costs and predicts none, but {test.source} has costs; "
                "train it on a table with costs"
            )


def _gaps(table: OutcomeTable) -> str:
    """Which models have no quality or no cost at all: leaving those out may be the cure."""
    gaps = {"quality": ~np.isfinite(table.quality).any(axis=0)}
    if table.has_cost:
        gaps["cost"] = ~np.isfinite(table.cost).any(axis=0)
    named = [f"no {what} of {model!r} is known" for what, is_gap in gaps.items()
             for model, gap in zip(table.models, is_gap, strict=True) if gap]
    return "; ".join(named) if named else "Each model has some, but no prompt has all"


def _take(prediction: Prediction, rows: NDArray[np.bool_]) -> Prediction:
    """The prediction of some prompts."""
    std = prediction.quality_std
    quality, cost = prediction.quality[rows], prediction.cost[rows]
    return prediction._replace(quality=quality, cost=cost, quality_std=None if std is None else std[rows])


def _curves(
    scope: _Scope, rows: NDArray[np.int64] | slice, predictions: Mapping[str, Prediction]
) -> dict[str, tuple[Sweep | None, Hull]]:
    """Sweep and hull of each prediction on the rows of one scope."""
    return {name: scope.curve(prediction, rows) for name, prediction in predictions.items()}


def _blind(scope: _Scope, best: int) -> dict[str, tuple[Sweep | None, Hull]]:
    """Hulls of the references that do not look at the prompt; there is no lambda to sweep."""
    cost, quality = np.array([random_point(scope.model_cost, scope.model_quality)]).T
    only_best = slice(best, best + 1)
    return {
        "zero_router": (None, zero_router(scope.model_cost, scope.model_quality)),
        "best_single": (None, scope.hull(scope.model_cost[only_best], scope.model_quality[only_best])),
        "random": (None, scope.hull(cost, quality)),
    }


def _figures(scope: _Scope, hull: Hull, best: int) -> dict[str, Figure]:
    """The figures of one hull on one benchmark."""
    return {
        "aiq": Figure(scope.aiq(hull)),
        "peak_quality": Figure(float(hull.quality[-1])),
        "qnc": Figure(scope.qnc(hull, best)),
    }


def _scored(
    scope: _Scope,
    curve: Sweep | None,
    hull: Hull,
    information: str,
    best: int,
    max_cost: float,
    zero_aiq: float | None,
    per_benchmark: dict[str, dict[str, Figure]],
) -> Scored:
    """All figures of one router or reference on all prompts."""
    area = scope.aiq(hull)
    parts = [figures["aiq"].value for figures in per_benchmark.values()]
    known = [value for value in parts if value is not None]
    peak = float(hull.quality[-1])
    return Scored(
        sweep=curve,
        hull=hull,
        information=information,
        aiq=Figure(area),
        aiq_macro=Figure(float(np.mean(known)) if known else None),
        aiq_original_code=Figure(aiq_original_code(hull, max_cost) if scope.has_cost and max_cost > 0 else None),
        delta_aiq_zero=Figure(None if area is None or zero_aiq is None else area - zero_aiq),
        peak_quality=Figure(peak),
        peak_cost=Figure(cost_at_quality(hull, peak) if scope.has_cost else None),
        qnc=Figure(scope.qnc(hull, best)),
        per_benchmark=per_benchmark,
    )
