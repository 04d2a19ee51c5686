"""Results of an evaluation: frozen records for the report and for other projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.frontier import Hull
from routerbench.evaluation.metrics import Reliability
from routerbench.evaluation.rollout import Rollout
from routerbench.evaluation.sweep import Sweep

if TYPE_CHECKING:
    from routerbench.data.outcomes import OutcomeTable

Measure = Literal["aiq", "peak_quality"]


def measure_on(cost_interval: tuple[float, float] | None) -> Measure:
    """Return the figure for comparisons: AIQ, or peak quality if costs are unknown or all the same.

    Args:
        cost_interval: mean cost of the cheapest and of the most expensive single model, or None if costs are unknown.
    """
    return "aiq" if cost_interval is not None and cost_interval[0] < cost_interval[1] else "peak_quality"


def cost_interval_of(table: OutcomeTable) -> tuple[float, float] | None:
    """Compute the mean cost of the cheapest and of the most expensive single model in USD per prompt.

    Args:
        table: prompts without missing cells.

    Returns:
        The two means, or None if costs are unknown.
    """
    means = table.cost.mean(axis=0)
    return (float(means.min()), float(means.max())) if table.has_cost else None


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % confidence interval over resampled prompts.

    Attributes:
        value: the number; None if undefined, such as a saving at a quality that is never reached.
        low: lower bound, or None if no interval was computed.
        high: upper bound, or None if no interval was computed; infinite if the quality in question is not reached in
            one resample of forty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class Interval(NamedTuple):
    """95 % bootstrap interval of a difference, and the two-sided p-value, below .05 if 0 is outside the interval."""

    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Difference:
    """Paired difference of two routers on the same prompts and resamples; positive if the first one is better.

    Attributes:
        value: difference of AIQ, or of peak quality if there is no AIQ.
        prompts: interval over resampled prompts, which generalises to other prompts of these benchmarks.
        benchmarks: interval over resampled benchmarks, which generalises to other benchmarks; None with fewer than two.
    """

    value: float
    prompts: Interval | None
    benchmarks: Interval | None

    @property
    def figure(self) -> Figure:
        """The difference with its interval over prompts."""
        return Figure(self.value, *(self.prompts[:2] if self.prompts else (None, None)))


@dataclass(frozen=True)
class Deployed:
    """Operating point chosen on validation and realised on test, as in a deployed service.

    Attributes:
        willingness_to_pay: lambda of each seed in USD per unit of quality; infinite to ignore cost.
        dearer_share: for each seed, the share of the prompts tied at that lambda that get the more expensive model.
        validation_cost: mean USD per prompt on validation, over seeds.
        validation_quality: mean quality on validation, over seeds.
        cost: mean USD per prompt on test.
        quality: mean quality on test.
        cost_share: ratio of ``cost`` to the cost of best_single on test.
        quality_share: ratio of ``quality`` to the quality of best_single on test.
        gain: ``quality`` minus that of zero_router at the same cost.
    """

    willingness_to_pay: tuple[float, ...]
    dearer_share: tuple[float, ...]
    validation_cost: float
    validation_quality: float
    cost: Figure
    quality: Figure
    cost_share: Figure
    quality_share: Figure
    gain: Figure


@dataclass(frozen=True)
class Realised:
    """One setting of a sequential policy on test.

    Attributes:
        setting: value of the setting, in the unit named by `Rollout`.
        cost: mean USD per prompt.
        quality: mean quality.
        calls: mean number of models called.
    """

    setting: float
    cost: Figure
    quality: Figure
    calls: float


class Band(NamedTuple):
    """Pointwise 95 % interval of a hull's height.

    Attributes:
        cost: ``(P,)`` USD per prompt, ascending over the cost interval.
        low: ``(P,)`` lower bounds in [0, 1].
        high: ``(P,)`` upper bounds in [0, 1].
    """

    cost: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationFigures:
    """Calibration of the predicted quality, over all cells of test.

    Attributes:
        reliability: predicted against measured quality in bins.
        ece: expected calibration error in [0, 1].
        brier: mean squared error of the predicted quality.
    """

    reliability: Reliability
    ece: float
    brier: float


@dataclass(frozen=True)
class Scored:
    """Figures of a router or reference on the scored prompts. With several seeds, one is drawn at random per prompt.

    Attributes:
        sweeps: exact curves over lambda, one per seed; empty for zero_router, best_single, random and sequential
            policies.
        rollouts: rollouts of a sequential policy, one per draw.
        realised: their means over the prompts, one per setting.
        hull: non-decreasing convex hull of its points and of the cheapest single model's point, averaged over seeds at
            equal cost; without an AIQ, the single point at the best predicted quality, at cost 0.
        information: what it may read, such as "prompt only" or "measured outcomes".
        aiq: mean height of ``hull`` on the cost interval, as normalised in the RouterBench paper.
        area: mean height of the curve as routed, without a hull over points selected on test; None without a sweep.
        aiq_macro: unweighted mean over benchmarks of their own ``aiq``, without those where all models cost the same.
        aiq_original_code: area as normalised in the original repository, up to the largest cost of all hulls of the
            evaluation.
        delta_aiq_zero: ``aiq`` minus that of zero_router.
        peak_quality: highest quality of the hull.
        peak_cost: USD per prompt at which the hull reaches it.
        qnc: cost at which the hull reaches the quality of best_single, relative to the cost of best_single.
        gain: height of the hull at the cost of best_single minus the quality of best_single.
        seed_aiq: ``aiq`` of each seed.
        differences: differences to each reference below the oracle, to the routers "knn" and "linear", and to the
            router that a sequential policy builds on, by name.
        deployed: operating points by target, "budget" or "keep"; targets not reached on validation are absent.
        band: interval of the hull's height, or None without intervals.
        calibration: calibration of the predicted quality; None for references.
        per_benchmark: figures "aiq", "peak_quality" and "qnc" on the prompts of each benchmark.
    """

    sweeps: tuple[Sweep, ...]
    rollouts: tuple[Rollout, ...]
    realised: tuple[Realised, ...]
    hull: Hull
    information: str
    aiq: Figure
    area: Figure
    aiq_macro: Figure
    aiq_original_code: Figure
    delta_aiq_zero: Figure
    peak_quality: Figure
    peak_cost: Figure
    qnc: Figure
    gain: Figure
    seed_aiq: tuple[float | None, ...]
    differences: dict[str, Difference]
    deployed: dict[str, Deployed]
    band: Band | None
    calibration: CalibrationFigures | None
    per_benchmark: dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Targets:
    """Targets of a deployed router, for which lambda is chosen on validation.

    Attributes:
        budget: maximum mean USD per prompt, or None.
        keep: minimum share of the best single model's quality, at minimal cost, or None.
    """

    budget: float | None = None
    keep: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Results of routers and references, on one table and one cost interval.

    Attributes:
        source: name of the table.
        models: M names.
        model_cost: ``(M,)`` mean measured cost of each single model in USD per prompt; zeros if the table has no cost.
        model_quality: ``(M,)`` mean measured quality of each single model in [0, 1].
        best_single: name of the model with the best mean quality on train.
        benchmark_counts: number of scored prompts of each benchmark.
        num_left_out: number of test prompts not scored because a cell is missing.
        num_resamples: number of bootstrap resamples behind each interval; 0 without intervals.
        targets: targets of the deployed routers.
        cost_interval: mean cost of the cheapest and of the most expensive single model in USD per prompt, or None if
            the table has no cost. All figures that need a cost are None if there is none or all models cost the same.
        references: "zero_router", "best_single", "benchmark_oracle", "oracle", "random" and the baselines.
        routers: results of the evaluated routers, by name.
    """

    source: str
    models: tuple[str, ...]
    model_cost: NDArray[np.float64]
    model_quality: NDArray[np.float64]
    best_single: str
    benchmark_counts: dict[str, int]
    num_left_out: int
    num_resamples: int
    targets: Targets
    cost_interval: tuple[float, float] | None
    references: dict[str, Scored]
    routers: dict[str, Scored]

    @property
    def measure(self) -> Measure:
        """The figure by which routers are compared."""
        return measure_on(self.cost_interval)

    def score(self, scored: Scored) -> Figure:
        """Return the figure of a router or reference that ``measure`` names."""
        return scored.aiq if self.measure == "aiq" else scored.peak_quality
