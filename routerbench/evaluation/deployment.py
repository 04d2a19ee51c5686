"""Routers as a service would run them: lambda chosen on validation for a target, realised on test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.bootstrap import Bootstrap
from routerbench.evaluation.contest import Contest
from routerbench.evaluation.references import zero_router
from routerbench.evaluation.resample import basic_interval
from routerbench.evaluation.results import Deployed, Figure, Targets
from routerbench.evaluation.setting import Setting, keeping_quality, realise, within_budget
from routerbench.evaluation.sweep import Sweep
from routerbench.routers.base import Prediction


@dataclass(frozen=True)
class Validation:
    """Where lambda is chosen.

    Attributes:
        table: the validation split.
        predictions: of each router by name, for the prompts of ``table``; one per seed, in the order of those on test.
        targets: what is asked for.
    """

    table: OutcomeTable
    predictions: Mapping[str, Sequence[Prediction]]
    targets: Targets


class Deployment:
    """The settings of all routers and what they come to on the prompts of a contest.

    Args:
        contest: on test, with costs.
        validation: where to choose.
        best: index of best_single.
    """

    def __init__(self, contest: Contest, validation: Validation, best: int) -> None:
        self._contest, self._best = contest, best
        table = validation.table.take(validation.table.is_complete)
        rows = validation.table.is_complete
        floor = table.quality[:, best].mean()
        self._settings: dict[str, dict[str, list[Setting]]] = {}
        for name, predictions in validation.predictions.items():
            contest_on_val = Contest({name: [p.take(rows) for p in predictions]}, table.quality, table.cost, best)
            curves = contest_on_val.sweeps[name]
            self._settings[name] = _settings(curves, validation.targets, float(floor))
        self._slices: dict[tuple[str, str], slice] = {}
        columns: list[NDArray[np.float64]] = []
        for name, targets in self._settings.items():
            for target, settings in targets.items():
                first = sum(part.shape[1] for part in columns)
                for cells in (contest.cost, contest.quality):
                    pairs = zip(contest.sweeps[name], settings, strict=True)
                    columns.append(np.stack([realise(curve, setting, cells) for curve, setting in pairs], axis=1))
                self._slices[name, target] = slice(first, first + 2 * len(settings))
        self.columns = np.concatenate(columns, axis=1) if columns else np.empty((len(contest.quality), 0))

    def records(self, name: str, measured: Bootstrap) -> dict[str, Deployed]:
        """What became of a router's settings, by target."""
        return {
            target: self._record(settings, self._slices[name, target], measured)
            for target, settings in self._settings.get(name, {}).items()
        }

    def _record(self, settings: Sequence[Setting], place: slice, measured: Bootstrap) -> Deployed:
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
            willingness_to_pay=tuple(setting.willingness_to_pay for setting in settings),
            dearer_share=tuple(setting.dearer_share for setting in settings),
            validation_cost=float(np.mean([setting.cost for setting in settings])),
            validation_quality=float(np.mean([setting.quality for setting in settings])),
            cost=figure(0),
            quality=figure(1),
            cost_share=figure(2),
            quality_share=figure(3),
            gain=figure(4),
        )

    def _figures(
        self, outcome: NDArray[np.float64], model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]
    ) -> tuple[float, ...]:
        """Cost, quality, their shares of best_single's, and the gain over zero_router at that cost."""
        cost, quality = (float(half.mean()) for half in np.split(outcome, 2))
        zero = zero_router(model_cost, model_quality)
        bases = model_cost[self._best], model_quality[self._best]
        shares = (value / base if base > 0 else np.nan for value, base in zip((cost, quality), bases, strict=True))
        return cost, quality, *shares, quality - float(zero.at(max(cost, zero.cost[0])))


def _settings(curves: Sequence[Sweep], targets: Targets, best_quality: float) -> dict[str, list[Setting]]:
    """The setting of every seed for each target that all seeds reach on validation."""
    found: dict[str, list[Setting | None]] = {}
    if targets.budget is not None:
        found["budget"] = [within_budget(curve, targets.budget) for curve in curves]
    if targets.keep is not None:
        found["keep"] = [keeping_quality(curve, targets.keep * best_quality) for curve in curves]
    return {target: settings for target, settings in found.items() if None not in settings}  # type: ignore[misc]
