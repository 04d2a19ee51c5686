"""What an evaluation found: frozen records that the report formats and other projects can read."""

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
    """The figure that routers are compared by: AIQ, or peak quality where no costs, or no different ones, are known.

    Args:
        cost_interval: mean cost of the cheapest and of the dearest single model, or None if no cost is known.
    """
    return "aiq" if cost_interval is not None and cost_interval[0] < cost_interval[1] else "peak_quality"


def cost_interval_of(table: OutcomeTable) -> tuple[float, float] | None:
    """Mean cost of the cheapest and of the dearest single model in USD per prompt; None if no cost is known.

    Args:
        table: prompts without missing cells.
    """
    means = table.cost.mean(axis=0)
    return (float(means.min()), float(means.max())) if table.has_cost else None


@dataclass(frozen=True)
class Figure:
    """A number with the bounds of its 95 % interval over resampled prompts.

    Attributes:
        value: the number; None if it does not exist, as a saving at a quality that is never reached.
        low: lower bound, or None where no interval was computed.
        high: upper bound, or None where no interval was computed; infinite where the quality in question is not
            reached in one resample of forty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class Interval(NamedTuple):
    """A 95 % bootstrap interval of a difference, and the two-sided p-value of no difference: below .05 without 0."""

    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Difference:
    """How much higher a router scores than another on the same prompts, in every resample alike (paired).

    Attributes:
        value: difference of the AIQ, or of the peak quality where there is no AIQ.
        prompts: over resampled prompts: would it hold for other prompts of these benchmarks?
        benchmarks: over resampled benchmarks: would it hold for other benchmarks? None with fewer than two.
    """

    value: float
    prompts: Interval | None
    benchmarks: Interval | None


@dataclass(frozen=True)
class Deployed:
    """One setting of lambda, chosen on validation and realised on test: what a service would have got.

    Attributes:
        willingness_to_pay: lambda of each seed in USD per unit of quality; infinite if money is no object.
        dearer_share: of each seed, the share of the prompts tied at just that lambda that get the dearer model.
        validation_cost: mean USD per prompt on validation, over seeds.
        validation_quality: mean quality on validation, over seeds.
        cost: mean USD per prompt on test.
        quality: mean quality on test.
        cost_share: ``cost`` as a share of the cost of best_single on test.
        quality_share: ``quality`` as a share of the quality of best_single on test.
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
    """One setting of a policy in several steps, as it came out on test.

    Attributes:
        setting: its value, in the unit that `Rollout` names.
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
    """How far predicted quality may be believed, over all cells of test.

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
    """One router or reference on the scored prompts. A router of several seeds stands for a seed drawn at random.

    Attributes:
        sweeps: its exact curve over lambda, one per seed; none where lambda chooses nothing: zero_router, best_single
            and random, and for a policy in several steps.
        played: what such a policy came to at each of its settings, one per draw.
        realised: the same as means over the prompts, one per setting.
        hull: non-decreasing convex hull of its points and the cheapest single model's point, over several seeds their
            mean at equal cost; where there is no AIQ the one point it reaches by quality alone, at cost 0.
        information: what it was allowed to see, as "prompt only" or "measured outcomes".
        aiq: mean height of ``hull`` on the cost interval, as the RouterBench paper normalises it.
        area: the same of the curve as it was routed, without a hull over points that were picked on test; None where
            there is no sweep.
        aiq_macro: unweighted mean over benchmarks of their own ``aiq``; one where all models cost the same has none.
        aiq_original_code: the area as the original repository normalises it, up to the largest cost of all hulls of
            the evaluation.
        delta_aiq_zero: ``aiq`` minus that of zero_router.
        peak_quality: highest quality of the hull.
        peak_cost: USD per prompt at which the hull reaches it.
        qnc: cost at which the hull reaches the quality of best_single, as a share of the cost of best_single.
        gain: height of the hull at the cost of best_single minus the quality of best_single.
        seed_aiq: ``aiq`` of each seed alone.
        differences: to each reference below the oracle, to the routers "knn" and "linear", and to the router that a
            policy in several steps builds on, by name.
        deployed: by target, "budget" or "keep"; a target that validation does not reach is absent.
        band: interval of the hull's height, or None without intervals.
        calibration: of the predicted quality; None for references.
        per_benchmark: for each benchmark, the figures "aiq", "peak_quality" and "qnc" on its prompts alone.
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
    """What a deployed router is asked for; lambda is then chosen on validation.

    Attributes:
        budget: mean USD per prompt not to be exceeded, or None.
        keep: share of the best single model's quality to be kept at least cost, or None.
    """

    budget: float | None = None
    keep: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Routers beside the references, on one table and one cost interval.

    Attributes:
        source: the table's name.
        models: M names.
        model_cost: ``(M,)`` mean measured cost of each single model in USD per prompt; zeros if the table has no cost.
        model_quality: ``(M,)`` mean measured quality of each single model in [0, 1].
        best_single: name of the model with the best mean quality on train.
        benchmark_counts: number of scored prompts of each benchmark.
        num_left_out: test prompts not scored because a cell is missing.
        num_resamples: bootstrap resamples behind each interval; 0 without intervals.
        targets: what deployed routers were asked for.
        cost_interval: mean cost of the cheapest and of the dearest single model in USD per prompt, or None if the
            table has no cost. Where there is none, or one without width, quality alone is compared, and every figure
            that needs costs is None.
        references: "zero_router", "best_single", "benchmark_oracle", "oracle", "random" and the baselines.
        routers: the routers under evaluation, by name.
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
        """The figure that routers are compared by."""
        return measure_on(self.cost_interval)

    def score(self, scored: Scored) -> Figure:
        """That figure of a router or reference."""
        return scored.aiq if self.measure == "aiq" else scored.peak_quality
