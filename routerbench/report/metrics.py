"""All numbers of an evaluation as JSON, for other programs."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routerbench.evaluation.results import Deployed, Evaluation, Figure, Interval, Realised, Scored
from routerbench.files import atomic_path
from routerbench.report.verdict import verdict

ROUTER_FIGURES = (
    "aiq",
    "area",
    "aiq_macro",
    "aiq_original_code",
    "delta_aiq_zero",
    "peak_quality",
    "peak_cost",
    "qnc",
    "gain",
)


def write_metrics(evaluation: Evaluation, path: Path, origin: Mapping[str, Any] | None = None) -> None:
    """Write an evaluation as strict JSON; ``origin`` as in ``write_report``.

    A figure is an object ``{"value", "low", "high"}``. Undefined and infinite numbers are null, such as the upper bound
    of ``qnc`` if its quality may never be reached; an infinite setting is "infinity". Costs are in USD per prompt, and
    ``qnc`` is a share of the cost of best_single. Means of single models are plain numbers.
    """
    with atomic_path(path) as part:
        part.write_text(
            json.dumps(_metrics(evaluation) | {"origin": origin}, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    everyone = {**evaluation.references, **evaluation.routers}
    has_cost = evaluation.cost_interval is not None
    means = zip(evaluation.models, evaluation.model_quality, evaluation.model_cost, strict=True)
    return {
        "source": evaluation.source,
        "num_scored": sum(evaluation.benchmark_counts.values()),
        "num_left_out": evaluation.num_left_out,
        "num_resamples": evaluation.num_resamples,
        "models": {
            name: {"quality": _number(quality), "cost": _number(cost) if has_cost else None}
            for name, quality, cost in means
        },
        "best_single": evaluation.best_single,
        "benchmark_counts": evaluation.benchmark_counts,
        "cost_interval": None if evaluation.cost_interval is None else [_number(c) for c in evaluation.cost_interval],
        "references": {name: _reference(scored) for name, scored in evaluation.references.items()},
        "routers": {name: _router(scored) for name, scored in evaluation.routers.items()},
        "verdict": verdict(evaluation),
        "information": {name: scored.information for name, scored in everyone.items()},
    }


def _reference(scored: Scored) -> dict[str, Any]:
    return {
        "aiq": _figure(scored.aiq),
        "quality": _figure(scored.peak_quality),
        "cost": _figure(scored.peak_cost),
        "per_benchmark": _per_benchmark(scored),
    }


def _router(scored: Scored) -> dict[str, Any]:
    return {
        **{name: _figure(getattr(scored, name)) for name in ROUTER_FIGURES},
        "seed_aiq": list(scored.seed_aiq),
        "differences": {
            other: {
                "value": _number(found.value),
                "prompts": _bounds(found.prompts),
                "benchmarks": _bounds(found.benchmarks),
            }
            for other, found in scored.differences.items()
        },
        "deployed": {target: _deployed(point) for target, point in scored.deployed.items()},
        "setting": scored.rollouts[0].setting if scored.rollouts else None,
        "realised": [_realised(one) for one in scored.realised],
        "calibration": scored.calibration and {"ece": scored.calibration.ece, "brier": scored.calibration.brier},
        "per_benchmark": _per_benchmark(scored),
    }


def _realised(one: Realised) -> dict[str, Any]:
    figures = {"cost": _figure(one.cost), "quality": _figure(one.quality)}
    setting = "infinity" if math.isinf(one.setting) else _number(one.setting)
    return {"setting": setting, "calls": one.calls, **figures}


def _bounds(interval: Interval | None) -> dict[str, float | None] | None:
    return None if interval is None else {name: _number(value) for name, value in interval._asdict().items()}


def _deployed(point: Deployed) -> dict[str, Any]:
    return {
        "willingness_to_pay": [_number(value) for value in point.willingness_to_pay],
        "dearer_share": list(point.dearer_share),
        "validation_cost": point.validation_cost,
        "validation_quality": point.validation_quality,
        **{name: _figure(getattr(point, name)) for name in ("cost", "quality", "cost_share", "quality_share", "gain")},
    }


def _per_benchmark(scored: Scored) -> dict[str, dict[str, Any]]:
    return {
        benchmark: {name: _figure(figure) for name, figure in figures.items()}
        for benchmark, figures in scored.per_benchmark.items()
    }


def _figure(figure: Figure) -> dict[str, float | None]:
    return {"value": _number(figure.value), "low": _number(figure.low), "high": _number(figure.high)}


def _number(value: float | None) -> float | None:
    """Convert to a float that JSON can represent; NaN and infinity become None."""
    return None if value is None or not math.isfinite(value) else float(value)
