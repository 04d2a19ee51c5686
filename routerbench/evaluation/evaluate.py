"""Score routers beside the references, on one table and one interval of costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

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


_Curve = tuple[Sweep | None, Hull]


@dataclass(frozen=True)
class _Scope:
    """Prompts that are scored together: the whole test split or one benchmark of it.

    Attributes:
        rows: ``(n,)`` their rows in the table and in every prediction.
        quality: ``(n, M)`` measured quality.
        cost: ``(n, M)`` measured cost in USD per prompt, zeros if none is known.
        model_quality: ``(M,)`` mean quality of each single model.
        model_cost: ``(M,)`` its mean cost.
        has_cost: whether costs are known.
    """

    rows: NDArray[np.int64] | slice
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    model_quality: NDArray[np.float64]
    model_cost: NDArray[np.float64]
    has_cost: bool

    @classmethod
    def of(cls, table: OutcomeTable, rows: NDArray[np.int64] | slice = slice(None)) -> "_Scope":
        """Some rows of a table, by default all, without missing cells."""
        quality = table.quality[rows]
        cost = table.cost[rows] if table.has_cost else np.zeros_like(quality)
        return cls(rows, quality, cost, quality.mean(axis=0), cost.mean(axis=0), table.has_cost)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Mean cost of the cheapest and the dearest single model, or None without cost."""
        return (float(self.model_cost.min()), float(self.model_cost.max())) if self.has_cost else None

    def curve(self, prediction: Prediction) -> tuple[Sweep, Hull]:
        """Sweep and hull of what a prediction for all rows of the table chooses on these."""
        predicted_cost = prediction.cost[self.rows] if self.has_cost else self.cost
        curve = sweep(prediction.quality[self.rows], predicted_cost, self.quality, self.cost)
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

    def figures(self, hull: Hull, best: int) -> dict[str, Figure]:
        """Those figures of a hull that each benchmark has too; ``best`` is the index of best_single."""
        share = qnc(hull, self.model_quality[best], self.model_cost[best]) if self.has_cost else None
        return {"aiq": Figure(self.aiq(hull)), "peak_quality": Figure(float(hull.quality[-1])), "qnc": Figure(share)}


@dataclass(frozen=True)
class _Yardstick:
    """What all routers and references of one evaluation are measured by.

    Attributes:
        scopes: each benchmark under its name, and all prompts under None.
        best: index of best_single.
        max_cost: largest cost of all hulls, in USD per prompt.
        zero_aiq: AIQ of zero_router.
    """

    scopes: dict[str | None, _Scope]
    best: int
    max_cost: float
    zero_aiq: float | None

    def score(self, curves: dict[str | None, _Curve], information: str) -> Scored:
        """All figures of one router or reference, from its curve in each scope."""
        (curve, hull), scope = curves[None], self.scopes[None]
        whole, peak = scope.figures(hull, self.best), float(hull.quality[-1])
        figures = {
            name: self.scopes[name].figures(curves[name][1], self.best) for name in self.scopes if name is not None
        }
        parts = [part["aiq"].value for part in figures.values()]
        known = [value for value in parts if value is not None]
        area = whole["aiq"].value
        has_area = scope.has_cost and self.max_cost > 0
        return Scored(
            sweep=curve,
            hull=hull,
            information=information,
            aiq_macro=Figure(float(np.mean(known)) if known else None),
            aiq_original_code=Figure(aiq_original_code(hull, self.max_cost) if has_area else None),
            delta_aiq_zero=Figure(None if area is None or self.zero_aiq is None else area - self.zero_aiq),
            peak_cost=Figure(cost_at_quality(hull, peak) if scope.has_cost else None),
            per_benchmark=figures,
            **whole,
        )


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
    is_scored, best = test.is_complete, best_single(train)
    table = test.take(is_scored)
    informed = {"benchmark_oracle": benchmark_oracle(train, table), "oracle": oracle(table)}
    routed = {name: _take(prediction, is_scored) for name, prediction in predictions.items()}

    whole, benchmarks = _Scope.of(table), _benchmarks(table)
    scopes: dict[str | None, _Scope] = {name: _Scope.of(table, rows) for name, rows in benchmarks.items()}
    scopes[None] = whole
    references = {name: _curves(scope, informed) | _blind(scope, best) for name, scope in scopes.items()}
    routers = {name: _curves(scope, routed) for name, scope in scopes.items()}
    max_cost = max(float(hull.cost[-1]) for _, hull in [*references[None].values(), *routers[None].values()])
    yardstick = _Yardstick(scopes, best, max_cost, whole.aiq(references[None]["zero_router"][1]))

    def score(group: dict[str | None, dict[str, _Curve]], name: str, information: str) -> Scored:
        return yardstick.score({scope: curves[name] for scope, curves in group.items()}, information)

    points = {
        "best_single": (whole.model_cost[best], whole.model_quality[best]),
        "random": random_point(whole.model_cost, whole.model_quality),
    }
    return Evaluation(
        source=test.source,
        models=test.models,
        model_cost=whole.model_cost,
        model_quality=whole.model_quality,
        best_single=test.models[best],
        benchmark_counts={name: len(rows) for name, rows in benchmarks.items()},
        num_left_out=len(test) - len(table),
        cost_interval=whole.interval,
        references={
            name: _own_point(score(references, name, information), points.get(name))
            for name, information in _INFORMATION.items()
        },
        routers={name: score(routers, name, "prompt only") for name in predictions},
    )


def _own_point(scored: Scored, point: tuple[float, float] | None) -> Scored:
    """A reference that is one point peaks there, even where the cheapest model, which its hull may call, is better."""
    if point is None:
        return scored
    cost, quality = point
    has_cost = scored.peak_cost.value is not None
    return replace(
        scored, peak_quality=Figure(float(quality)), peak_cost=Figure(float(cost)) if has_cost else Figure(None)
    )


def validation_aiq(prediction: Prediction, table: OutcomeTable) -> float:
    """One number for one router, for early stopping and the choice of hyper-parameters: its AIQ on a split.

    The same number as ``evaluate`` gives, without references. Where there is no AIQ, as costs are unknown to the
    table or the router or all models cost the same, it is the quality of always choosing the best predicted model.

    Args:
        prediction: for all N prompts of ``table``.
        table: the validation split; prompts with a missing cell are left out.

    Returns:
        A quality in [0, 1], higher is better.

    Raises:
        InputError: no prompt of the table is complete.
    """
    is_scored = table.is_complete
    if not is_scored.all():
        if not is_scored.any():
            raise InputError(f"{table.source}: no prompt to validate on. {_gaps(table)}")
        table, prediction = table.take(is_scored), _take(prediction, is_scored)
    scope = _Scope.of(table)
    is_blind = bool(np.isnan(prediction.cost).all())
    curve, hull = scope.curve(prediction._replace(cost=np.zeros_like(prediction.quality)) if is_blind else prediction)
    area = None if is_blind else scope.aiq(hull)
    return float(curve.quality[-1]) if area is None else area


def _check(predictions: Mapping[str, Prediction], test: OutcomeTable, train: OutcomeTable) -> None:
    """Refuse what does not fit together, by name."""
    if test.models != train.models:
        raise InputError(f"{test.source}: test has models {test.models}, train has {train.models}")
    if test.has_cost and not train.has_cost:
        raise InputError(f"{test.source}: test has costs and train has none; evaluate on splits of one table")
    if not test.is_complete.any():
        raise InputError(f"{test.source}: no prompt to score on. {_gaps(test)}")
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
    """Why no prompt is complete: leaving out a model of which nothing is known may be the cure."""
    known = {"quality": np.isfinite(table.quality).any(axis=0)}
    if table.has_cost:
        known["cost"] = np.isfinite(table.cost).any(axis=0)
    missing = [f"no {what} of {table.models[model]!r}" for what in known for model in np.flatnonzero(~known[what])]
    return f"It has {', '.join(missing)}" if missing else "Each of them has a missing quality or cost"


def _take(prediction: Prediction, rows: NDArray[np.bool_]) -> Prediction:
    """The prediction of some prompts."""
    std = prediction.quality_std
    quality, cost = prediction.quality[rows], prediction.cost[rows]
    return prediction._replace(quality=quality, cost=cost, quality_std=None if std is None else std[rows])


def _benchmarks(table: OutcomeTable) -> dict[str, NDArray[np.int64]]:
    """Rows of each benchmark, in order of name."""
    names, group = np.unique(table.benchmark.astype(str), return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.bincount(group).cumsum()[:-1])
    return {str(name): rows for name, rows in zip(names, members, strict=True)}


def _curves(scope: _Scope, predictions: Mapping[str, Prediction]) -> dict[str, _Curve]:
    """Sweep and hull of each prediction in one scope."""
    return {name: scope.curve(prediction) for name, prediction in predictions.items()}


def _blind(scope: _Scope, best: int) -> dict[str, _Curve]:
    """Hulls of the references that do not look at the prompt; there is no lambda to sweep."""
    cost, quality = np.array([random_point(scope.model_cost, scope.model_quality)]).T
    only_best = slice(best, best + 1)
    return {
        "zero_router": (None, zero_router(scope.model_cost, scope.model_quality)),
        "best_single": (None, scope.hull(scope.model_cost[only_best], scope.model_quality[only_best])),
        "random": (None, scope.hull(cost, quality)),
    }
