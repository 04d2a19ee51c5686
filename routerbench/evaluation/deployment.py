"""Deployed operating points: lambda chosen on validation for a target, realised on test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.bootstrap import Bootstrap
from routerbench.evaluation.contest import Contest
from routerbench.evaluation.operating import OperatingPoint, keeping_quality, realise, within_budget
from routerbench.evaluation.references import zero_router
from routerbench.evaluation.resample import basic_interval
from routerbench.evaluation.results import Deployed, Figure, Targets
from routerbench.evaluation.sweep import Sweep
from routerbench.routers.base import Prediction


@dataclass(frozen=True)
class Validation:
    """Validation data for the choice of lambda.

    Attributes:
        table: the validation split.
        predictions: each router's predictions for the prompts of ``table``, one per seed, in the order of test.
        targets: budget and quality to meet.
    """

    table: OutcomeTable
    predictions: Mapping[str, Sequence[Prediction]]
    targets: Targets


class Deployment:
    """Operating points of all routers and their outcomes on the prompts of a contest.

    Args:
        contest: contest on test, with costs.
        validation: data to choose the points on.
        best: index of best_single.
    """

    def __init__(self, contest: Contest, validation: Validation, best: int) -> None:
        self._contest, self._best = contest, best
        table = validation.table.take(validation.table.is_complete)
        rows = validation.table.is_complete
        floor = table.quality[:, best].mean()
        self._points: dict[str, dict[str, list[OperatingPoint]]] = {}
        for name, predictions in validation.predictions.items():
            contest_on_val = Contest({name: [p.take(rows) for p in predictions]}, table.quality, table.cost, best)
            curves = contest_on_val.sweeps[name]
            self._points[name] = _points(curves, validation.targets, float(floor))
        self._slices: dict[tuple[str, str], slice] = {}
        columns: list[NDArray[np.float64]] = []
        for name, targets in self._points.items():
            for target, points in targets.items():
                first = sum(part.shape[1] for part in columns)
                for cells in (contest.cost, contest.quality):
                    pairs = zip(contest.sweeps[name], points, strict=True)
                    columns.append(np.stack([realise(curve, point, cells) for curve, point in pairs], axis=1))
                self._slices[name, target] = slice(first, first + 2 * len(points))
        self.columns = np.concatenate(columns, axis=1) if columns else np.empty((len(contest.quality), 0))

    def records(self, name: str, measured: Bootstrap) -> dict[str, Deployed]:
        """Evaluate the points of a router, by target."""
        return {
            target: self._record(points, self._slices[name, target], measured)
            for target, points in self._points.get(name, {}).items()
        }

    def _record(self, points: Sequence[OperatingPoint], place: slice, measured: Bootstrap) -> Deployed:
        means = self._contest.means
        found = self._figures(self.columns[:, place].mean(axis=0), means.cost, means.quality)
        resampled = None
        if measured.prompts is not None:
            samples = zip(
                measured.prompts.extras[:, place],
                measured.prompts.model_cost,
                measured.prompts.model_quality,
                strict=True,
            )
            resampled = np.array([self._figures(*sample) for sample in samples]).T

        def figure(number: int) -> Figure:
            if not np.isfinite(found[number]):
                return Figure(None)
            bounds = None if resampled is None else basic_interval(found[number], found[number], resampled[number])
            return Figure(float(found[number]), *(bounds or (None, None)))

        return Deployed(
            willingness_to_pay=tuple(point.willingness_to_pay for point in points),
            dearer_share=tuple(point.dearer_share for point in points),
            validation_cost=float(np.mean([point.cost for point in points])),
            validation_quality=float(np.mean([point.quality for point in points])),
            cost=figure(0),
            quality=figure(1),
            cost_share=figure(2),
            quality_share=figure(3),
            gain=figure(4),
        )

    def _figures(
        self, outcome: NDArray[np.float64], model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]
    ) -> tuple[float, ...]:
        """Compute cost, quality, their ratios to best_single's, and the gain over zero_router at that cost."""
        cost, quality = (float(half.mean()) for half in np.split(outcome, 2))
        zero = zero_router(model_cost, model_quality)
        bases = model_cost[self._best], model_quality[self._best]
        shares = (value / base if base > 0 else np.nan for value, base in zip((cost, quality), bases, strict=True))
        return cost, quality, *shares, quality - float(zero.at(max(cost, zero.cost[0])))


def _points(curves: Sequence[Sweep], targets: Targets, best_quality: float) -> dict[str, list[OperatingPoint]]:
    """Choose the point of every seed for each target that all seeds reach on validation."""
    found: dict[str, list[OperatingPoint | None]] = {}
    if targets.budget is not None:
        found["budget"] = [within_budget(curve, targets.budget) for curve in curves]
    if targets.keep is not None:
        found["keep"] = [keeping_quality(curve, targets.keep * best_quality) for curve in curves]
    return {target: points for target, points in found.items() if None not in points}  # type: ignore[misc]
