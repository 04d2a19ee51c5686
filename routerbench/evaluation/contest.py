"""Contest of all routers and references on the same prompts: hulls and figures, measured and resampled."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.curve import Curve
from routerbench.evaluation.frontier import Hull, mean_hull, non_decreasing_hull, open_hull
from routerbench.evaluation.metrics import aiq, aiq_original_code, area_as_routed, cost_at_quality
from routerbench.evaluation.references import random_point, zero_router
from routerbench.evaluation.results import measure_on
from routerbench.evaluation.rollout import Rollout
from routerbench.evaluation.sweep import Sweep, sweep_prediction, sweep_rollout
from routerbench.routers.base import Prediction

BLIND = ("zero_router", "best_single", "random")
FIGURES = ("aiq", "area", "aiq_original_code", "peak_quality", "peak_cost", "qnc", "gain")
_BAND_POINTS = 64

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean cost and quality at each point of a curve, in order of lambda."""
Routed = tuple[NDArray[np.float64], NDArray[np.float64], float]
"""Mean cost and quality at each point of a curve, and the area under that curve."""


class Means(NamedTuple):
    """Mean outcomes of the single models over a sample of prompts.

    Attributes:
        cost: ``(M,)`` USD per prompt; zeros if costs are unknown.
        quality: ``(M,)`` in [0, 1].
    """

    cost: NDArray[np.float64]
    quality: NDArray[np.float64]


class Standing(NamedTuple):
    """A router or reference on a sample of prompts.

    Attributes:
        hull: hull of its points.
        area: area under its curve as routed; NaN without a curve.
        peak: cost and quality of its best point.
    """

    hull: Hull
    area: float
    peak: tuple[float, float]


class Resamples(NamedTuple):
    """Figures of R contestants on B resamples; NaN if undefined, infinite if a quality is never reached.

    Attributes:
        center: ``(R, F)`` figures of the unresampled prompts, computed in the same way.
        figures: ``(B, R, F)`` figures.
        heights: ``(B, R, P)`` height of each hull at the costs of ``band_costs``.
        model_cost: ``(B, M)`` mean cost of each single model in USD per prompt.
        model_quality: ``(B, M)`` mean quality of each single model.
        extras: ``(B, X)`` means of the extra columns.
    """

    center: NDArray[np.float64]
    figures: NDArray[np.float64]
    heights: NDArray[np.float64]
    model_cost: NDArray[np.float64]
    model_quality: NDArray[np.float64]
    extras: NDArray[np.float64]


class Contest:
    """All routers and references on the same prompts.

    Args:
        entrants: predictions of each router or informed reference for the N prompts, by name, one per seed; rollouts
            of a sequential policy, one per draw.
        quality: ``(N, M)`` measured quality in [0, 1], none missing.
        cost: ``(N, M)`` measured cost in USD per prompt, none missing; None to compare quality alone.
        best: index of best_single.

    Attributes:
        names: R contestants: the entrants, then the references that do not read the prompt.
        sweeps: exact curves of each entrant, one per seed.
        standings: measured standing of each contestant.
        means: measured means of the single models.
        figures: ``(R, F)`` measured figures, in the order of ``FIGURES``.
    """

    def __init__(
        self,
        entrants: Mapping[str, Sequence[Prediction | Rollout]],
        quality: NDArray[np.float64],
        cost: NDArray[np.float64] | None,
        best: int,
    ) -> None:
        self.names = (*entrants, *BLIND)
        self.best = best
        self.has_cost = cost is not None
        self.quality, self.cost = quality, np.zeros_like(quality) if cost is None else cost
        self.means = Means(self.cost.mean(axis=0), quality.mean(axis=0))
        self._cells = {name: [self._outcomes(entrant) for entrant in group] for name, group in entrants.items()}
        self.sweeps = {name: tuple(map(self._sweep, group)) for name, group in entrants.items()}
        points = {name: [self._points(curve) for curve in group] for name, group in self.sweeps.items()}
        means = self.means.cost[None], self.means.quality[None]
        routed = {
            name: [(*seed, _areas(*means, *(values[None] for values in seed))[0]) for seed in group]
            for name, group in points.items()
        }
        self.standings = self._stand(self.means, routed)
        self.figures = self._figures(self.means, self.standings)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Mean cost of the cheapest and of the most expensive single model, or None without cost."""
        return (float(self.means.cost.min()), float(self.means.cost.max())) if self.has_cost else None

    @property
    def band_costs(self) -> NDArray[np.float64]:
        """``(P,)`` costs over the interval at which the heights of the hulls are resampled."""
        low, high = self.interval or (0.0, 0.0)
        if measure_on((low, high)) != "aiq":
            return np.array([low])
        return np.geomspace(low, high, _BAND_POINTS) if low > 0 else np.linspace(low, high, _BAND_POINTS)

    def seed_aiq(self, name: str) -> tuple[float | None, ...]:
        """Compute the AIQ of each seed of an entrant; empty for the other references."""
        interval = self.interval
        if interval is None or measure_on(interval) != "aiq":
            return tuple(None for _ in self.sweeps.get(name, ()))
        hulls = (self._hull(self.means, *self._points(curve)) for curve in self.sweeps.get(name, ()))
        return tuple(aiq(hull, *interval) for hull in hulls)

    def resample(
        self,
        chunks: Iterable[NDArray[np.float64]],
        rng: np.random.Generator,
        group: NDArray[np.int64] | None = None,
        extras: NDArray[np.float64] | None = None,
    ) -> Resamples:
        """Compute the figures on resampled prompts or groups, and on resampled seeds if there are several.

        Args:
            chunks: ``(G, b)`` weights of the groups in b resamples at a time.
            rng: random number generator for the seeds.
            group: ``(N,)`` group of each prompt, 0 to G - 1; by default each prompt is its own group.
            extras: ``(N, X)`` further columns to average.
        """
        extras = np.empty((len(self.quality), 0)) if extras is None else extras
        curves = {
            name: [Curve.of(curve, self._hull(self.means, *self._points(curve)), *cells)
                   for curve, cells in zip(sweeps, self._cells[name], strict=True)]
            for name, sweeps in self.sweeps.items()
        }  # fmt: skip
        sums = _Sums(curves, self.cost, self.quality, extras, np.ones(len(self.quality)))
        sums = sums if group is None else sums.of_groups(group)
        center = self._resample_chunk(sums, np.ones((len(sums.size), 1)), None)
        parts = [self._resample_chunk(sums, weights, rng) for weights in chunks]
        return Resamples(center[0][0], *(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _resample_chunk(
        self, sums: "_Sums", weights: NDArray[np.float64], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.float64], ...]:
        """Compute the arrays of ``Resamples`` after the first, under ``(G, b)`` weights."""
        total = sums.size @ weights
        share = (weights / total).T
        cost, quality = share @ sums.cost, share @ sums.quality
        points = {
            name: [self._counted(*curve.points(weights, total)) for curve in group]
            for name, group in sums.curves.items()
        }
        areas = {name: [_areas(cost, quality, *seed) for seed in group] for name, group in points.items()}
        grid = self.band_costs
        figures = np.empty((len(cost), len(self.names), len(FIGURES)))
        heights = np.empty((len(cost), len(self.names), len(grid)))
        for number in range(len(cost)):
            means = Means(cost[number], quality[number])
            drawn = {
                name: [
                    (group[seed][0][number], group[seed][1][number], areas[name][seed][number])
                    for seed in _seeds(len(group), rng)
                ]
                for name, group in points.items()
            }
            standings = self._stand(means, drawn)
            figures[number] = self._figures(means, standings)
            heights[number] = [hull.at(np.maximum(grid, hull.cost[0])) for hull, _, _ in standings.values()]
        return figures, heights, cost, quality, share @ sums.extras

    def _outcomes(self, entrant: Prediction | Rollout) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return quality and cost of the options of an entrant: the models, or the settings of a policy."""
        return (entrant.quality, entrant.cost) if isinstance(entrant, Rollout) else (self.quality, self.cost)

    def _sweep(self, entrant: Prediction | Rollout) -> Sweep:
        if isinstance(entrant, Rollout):
            return sweep_rollout(entrant)
        entrant = entrant if self.has_cost else entrant._replace(cost=self.cost)
        return sweep_prediction(entrant, self.quality, self.cost)

    def _points(self, curve: Sweep) -> Points:
        return self._counted(curve.cost, curve.quality)

    def _counted(self, cost: NDArray[np.float64], quality: NDArray[np.float64]) -> Points:
        """Select the points of ``(..., L)`` curves that lambda determines."""
        # Without cost, all lambdas above 0 make the same choices, and those at lambda 0 are arbitrary.
        points = slice(None) if self.has_cost else slice(-1, None)
        return cost[..., points], quality[..., points]

    def _stand(self, means: Means, routed: Mapping[str, Sequence[Routed]]) -> dict[str, Standing]:
        """Compute all standings from the means of the single models and the curves of the entrants."""
        standings = {}
        for name, group in routed.items():
            hull = mean_hull([self._hull(means, cost, quality) for cost, quality, _ in group])
            area = float(np.mean([area for _, _, area in group]))
            standings[name] = Standing(hull, area, (float(hull.cost[-1]), float(hull.quality[-1])))
        zero = zero_router(*means)
        standings["zero_router"] = Standing(zero, np.nan, (float(zero.cost[-1]), float(zero.quality[-1])))
        single = float(means.cost[self.best]), float(means.quality[self.best])
        for name, (cost, quality) in {"best_single": single, "random": random_point(*means)}.items():
            # The peak is this point even if the cheapest model, which is in its hull, is better.
            hull = self._hull(means, np.array([cost]), np.array([quality]))
            standings[name] = Standing(hull, np.nan, (cost, quality))
        return standings

    def _hull(self, means: Means, cost: NDArray[np.float64], quality: NDArray[np.float64]) -> Hull:
        """Compute the hull of some points and, if costs are known, of the cheapest single model's point."""
        return open_hull(cost, quality, *means) if self.has_cost else non_decreasing_hull(cost, quality)

    def _figures(self, means: Means, standings: Mapping[str, Standing]) -> NDArray[np.float64]:
        """Compute all ``(R, F)`` figures."""
        low, high = float(means.cost.min()), float(means.cost.max())
        best_cost, best_quality = float(means.cost[self.best]), float(means.quality[self.best])
        max_cost = max(float(hull.cost[-1]) for hull, _, _ in standings.values())
        rows = []
        for name in self.names:
            hull, area, (peak_cost, peak_quality) = standings[name]
            row = dict.fromkeys(FIGURES, np.nan)
            row["peak_quality"] = peak_quality
            if self.has_cost:
                row["peak_cost"] = peak_cost
                row["gain"] = float(hull.at(max(best_cost, hull.cost[0]))) - best_quality
            if measure_on((low, high)) == "aiq":
                row["aiq"], row["area"] = aiq(hull, low, high), area
            if self.has_cost and max_cost > 0:
                row["aiq_original_code"] = aiq_original_code(hull, max_cost)
            if best_cost > 0:
                reached = cost_at_quality(hull, best_quality)
                row["qnc"] = np.inf if reached is None else reached / best_cost
            rows.append(list(row.values()))
        return np.array(rows)


class _Sums(NamedTuple):
    """Sums of the outcomes of G groups of prompts.

    Attributes:
        curves: curves of each entrant, one per seed.
        cost: ``(G, M)`` summed cost of each model in USD.
        quality: ``(G, M)`` summed quality.
        extras: ``(G, X)`` sums of the extra columns.
        size: ``(G,)`` number of prompts.
    """

    curves: Mapping[str, Sequence[Curve]]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    extras: NDArray[np.float64]
    size: NDArray[np.float64]

    def of_groups(self, group: NDArray[np.int64]) -> "_Sums":
        """Sum over groups of single prompts."""
        from scipy.sparse import csr_array

        is_member = csr_array((np.ones(len(group)), (np.arange(len(group)), group)))
        curves = {name: [curve.of_groups(is_member) for curve in seeds] for name, seeds in self.curves.items()}
        return _Sums(curves, *(is_member.T @ sums for sums in self[1:]))


def _areas(
    model_cost: NDArray[np.float64],
    model_quality: NDArray[np.float64],
    cost: NDArray[np.float64],
    quality: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute ``(b,)`` areas under ``(b, K)`` curves as routed, given ``(b, M)`` model means; NaN without a range."""
    floor = np.take_along_axis(model_quality, model_cost.argmin(axis=1)[:, None], 1)[:, 0]
    return area_as_routed(cost, quality, model_cost.min(axis=1), model_cost.max(axis=1), floor)


def _seeds(number: int, rng: np.random.Generator | None) -> Iterable[int]:
    """Draw the seeds of a resample, with replacement; all of them once without a generator."""
    return range(number) if rng is None or number == 1 else rng.integers(number, size=number).tolist()
