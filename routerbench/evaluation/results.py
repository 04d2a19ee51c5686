"""What an evaluation finds: plain frozen records that the report formats and other projects can read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.frontier import Hull
from routerbench.evaluation.sweep import Sweep


@dataclass(frozen=True)
class Figure:
    """A number with the bounds of its 95 % interval.

    Attributes:
        value: the number; None if it does not exist, as a saving at a quality that is never reached.
        low: lower bound, or None where no interval was computed.
        high: upper bound, or None where no interval was computed.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scored:
    """One router or reference on the scored prompts.

    Attributes:
        sweep: its exact curve over lambda, or None where lambda chooses nothing: zero_router, best_single and random.
        hull: non-decreasing convex hull of its points and the cheapest single model's point; of a table without cost
            the one point it reaches by quality alone, at cost 0.
        information: what it was allowed to see, as "prompt only" or "measured outcomes".
        aiq: mean height of ``hull`` on the cost interval, as the RouterBench paper normalises it.
        aiq_macro: unweighted mean over benchmarks of their own ``aiq``; one where all models cost the same has none.
        aiq_original_code: the area as the original repository normalises it, up to the largest cost of all hulls of
            the evaluation.
        delta_aiq_zero: ``aiq`` minus that of zero_router.
        peak_quality: highest quality of the hull.
        peak_cost: USD per prompt at which the hull reaches it.
        qnc: cost at which the hull reaches the quality of best_single, as a share of the cost of best_single.
        per_benchmark: for each benchmark, the figures "aiq", "peak_quality" and "qnc" on its prompts alone.
    """

    sweep: Sweep | None
    hull: Hull
    information: str
    aiq: Figure
    aiq_macro: Figure
    aiq_original_code: Figure
    delta_aiq_zero: Figure
    peak_quality: Figure
    peak_cost: Figure
    qnc: Figure
    per_benchmark: dict[str, dict[str, Figure]]


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
        cost_interval: mean cost of the cheapest and of the dearest single model in USD per prompt, or None if the
            table has no cost; every figure that needs a cost is then None too.
        references: "zero_router", "best_single", "benchmark_oracle", "oracle" and "random".
        routers: the routers under evaluation, by name.
    """

    source: str
    models: tuple[str, ...]
    model_cost: NDArray[np.float64]
    model_quality: NDArray[np.float64]
    best_single: str
    benchmark_counts: dict[str, int]
    num_left_out: int
    cost_interval: tuple[float, float] | None
    references: dict[str, Scored]
    routers: dict[str, Scored]
