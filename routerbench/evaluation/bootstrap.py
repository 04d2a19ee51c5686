"""Bootstrap intervals of a contest's figures, differences and hulls, over resampled prompts and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.contest import FIGURES, Contest, Resamples
from routerbench.evaluation.resample import basic_interval, difference_interval, percentile_interval, weights
from routerbench.evaluation.results import Band, Difference, Figure, Interval, Realised, measure_on
from routerbench.evaluation.rollout import Rollout

# Costs at a given quality are skewed and may be infinite, so their intervals are percentiles.
_PERCENTILE = ("peak_cost", "qnc")


@dataclass(frozen=True)
class Bootstrap:
    """A contest with its resamples: of prompts and, on the whole test split, of benchmarks.

    Attributes:
        contest: all contestants on the same prompts.
        prompts: figures over resampled prompts; None without intervals.
        benchmarks: figures over resampled benchmarks; None with fewer than two.
    """

    contest: Contest
    prompts: Resamples | None = None
    benchmarks: Resamples | None = None

    @classmethod
    def of(
        cls,
        contest: Contest,
        num_resamples: int,
        rng: np.random.Generator,
        *,
        extras: NDArray[np.float64] | None = None,
        benchmark: NDArray[np.object_] | None = None,
    ) -> Bootstrap:
        """Resample a contest.

        Args:
            contest: contest on N prompts. A single prompt resamples to itself, so it gets no intervals.
            num_resamples: number of resamples of prompts, and as many of benchmarks; 0 for no intervals.
            rng: random number generator.
            extras: ``(N, X)`` further columns to average over the resampled prompts.
            benchmark: ``(N,)`` names of the benchmarks, to resample these as well.
        """
        num_prompts = len(contest.quality)
        if not num_resamples or num_prompts < 2:
            return cls(contest)
        prompts = contest.resample(weights(num_prompts, num_resamples, rng), rng, extras=extras)
        names, group = np.unique([] if benchmark is None else benchmark.astype(str), return_inverse=True)
        if len(names) < 2:
            return cls(contest, prompts)
        return cls(contest, prompts, contest.resample(weights(len(names), num_resamples, rng), rng, group))

    def values(self, name: str, figure: str) -> tuple[float, float, NDArray[np.float64]]:
        """Return a figure of a contestant: measured, unresampled center, and ``(B,)`` resampled values."""
        assert self.prompts is not None
        place = self.contest.names.index(name), FIGURES.index(figure)
        return self.contest.figures[place], self.prompts.center[place], self.prompts.figures[:, *place]

    def figure(self, name: str, figure: str) -> Figure:
        """Return one figure of one contestant with its interval."""
        value = self.contest.figures[self.contest.names.index(name), FIGURES.index(figure)]
        if not np.isfinite(value):
            return Figure(None)
        if self.prompts is None:
            return Figure(float(value))
        measured, center, resampled = self.values(name, figure)
        if figure in _PERCENTILE:
            return Figure(float(value), *(percentile_interval(resampled) or (None, None)))
        bounds = basic_interval(measured, center, resampled)
        if bounds is None:
            return Figure(float(value))
        lowest = -1.0 if figure == "gain" else 0.0
        return Figure(float(value), max(bounds[0], lowest), min(bounds[1], 1.0))  # a quality is in [0, 1]

    def difference(self, name: str, other: str) -> Difference:
        """Compute the paired difference of two contestants, in AIQ or, if there is none, in peak quality."""
        figure = FIGURES.index(measure_on(self.contest.interval))
        row, against = self.contest.names.index(name), self.contest.names.index(other)
        value = float(self.contest.figures[row, figure] - self.contest.figures[against, figure])

        def over(resamples: Resamples | None) -> Interval | None:
            if resamples is None:
                return None
            center = resamples.center[row, figure] - resamples.center[against, figure]
            resampled = resamples.figures[:, row, figure] - resamples.figures[:, against, figure]
            return difference_interval(value, float(center), resampled)

        return Difference(value, over(self.prompts), over(self.benchmarks))

    def delta_aiq(self, name: str, other: str) -> Figure:
        """Compute the difference in AIQ alone, as a figure."""
        if not np.isfinite(self.contest.figures[self.contest.names.index(name), FIGURES.index("aiq")]):
            return Figure(None)
        return self.difference(name, other).figure

    def band(self, name: str) -> Band | None:
        """Compute the pointwise interval of the height of a contestant's hull, at ``band_costs``."""
        costs = self.contest.band_costs
        if self.prompts is None or len(costs) < 2:
            return None
        hull = self.contest.standings[name].hull
        height = hull.at(np.maximum(costs, hull.cost[0]))
        resampled = self.prompts.heights[:, self.contest.names.index(name)]
        bounds = [basic_interval(h, h, column) or (h, h) for h, column in zip(height, resampled.T, strict=True)]
        low, high = np.array(bounds).T
        return Band(costs, low.clip(0, 1), high.clip(0, 1))


def macro(parts: Sequence[Bootstrap], name: str) -> Figure:
    """Average a contestant's AIQ over benchmarks, unweighted, without those where all models cost the same."""
    place = parts[0].contest.names.index(name), FIGURES.index("aiq")
    known = [part for part in parts if np.isfinite(part.contest.figures[place])]
    if not known:
        return Figure(None)
    value = float(np.mean([part.contest.figures[place] for part in known]))
    if any(part.prompts is None for part in known):
        return Figure(value)
    values = [part.values(name, "aiq") for part in known]
    center, resampled = np.mean([c for _, c, _ in values]), np.mean([r for _, _, r in values], axis=0)
    return Figure(value, *(basic_interval(value, float(center), resampled) or (None, None)))


def realised(draws: Sequence[Rollout], num_resamples: int, rng: np.random.Generator) -> tuple[Realised, ...]:
    """Compute mean cost, quality and calls at each setting, with intervals over resampled prompts.

    Args:
        draws: rollouts of one policy. Those with the settings of the first are pooled; another seed of the router may
            have led to other settings.
        num_resamples: number of bootstrap resamples; 0 for no intervals.
        rng: random number generator.

    Returns:
        S records, in the order of the settings.
    """
    first = draws[0]
    alike = [draw for draw in draws if np.array_equal(draw.settings, first.settings)]
    names = ("cost", "quality", "calls")
    cost, quality, calls = (np.mean([getattr(draw, name) for draw in alike], axis=0) for name in names)
    both = np.concatenate([cost, quality], axis=1)
    chunks = [both.T @ chunk / len(both) for chunk in weights(len(both), num_resamples, rng)]
    means = np.split(np.concatenate(chunks, axis=1), 2) if chunks else (None, None)
    return tuple(
        Realised(
            setting=float(setting),
            cost=_mean(cost[:, number], means[0], number),
            quality=_mean(quality[:, number], means[1], number),
            calls=float(calls[:, number].mean()),
        )
        for number, setting in enumerate(first.settings)
    )


def _mean(cells: NDArray[np.float64], resampled: NDArray[np.float64] | None, number: int) -> Figure:
    value = float(cells.mean())
    if resampled is None:
        return Figure(value)
    return Figure(value, *(basic_interval(value, value, resampled[number]) or (None, None)))
