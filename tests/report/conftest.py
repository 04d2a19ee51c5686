"""Evaluations for the report, put together by hand: the report formats whatever stands in the records."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.evaluation.metrics import aiq, qnc
from routerbench.evaluation.results import Evaluation, Figure, Scored
from routerbench.evaluation.sweep import Sweep, sweep

NONE = Figure(None)


def scored(
    curve: Sweep | None,
    hull: Hull,
    sees: str,
    interval: tuple[float, float] | None,
    zero: Hull,
    best: tuple[float, float],
) -> Scored:
    peak = Figure(float(hull.quality[-1]))
    if interval is None:
        parts = {"even": {"aiq": NONE, "peak_quality": peak, "qnc": NONE}, "odd|x": {"peak_quality": peak}}
        return Scored(curve, hull, sees, NONE, NONE, NONE, NONE, peak, NONE, NONE, parts)
    height = aiq(hull, *interval)
    saving = Figure(qnc(hull, *best))
    figures = {"aiq": Figure(height), "peak_quality": peak, "qnc": saving}
    delta = Figure(height - aiq(zero, *interval))
    shifted = {**figures, "aiq": Figure(height / 2)}
    return Scored(
        curve, hull, sees, Figure(height), Figure(0.75 * height), Figure(0.9 * height), delta, peak,
        Figure(float(hull.cost[-1])), saving, {"even": figures, "odd|x": shifted},
    )  # fmt: skip


def build(
    models: tuple[str, ...],
    noise: dict[str, float],
    *,
    num_prompts: int = 300,
    has_cost: bool = True,
    source: str = "a table",
    seed: int = 0,
) -> Evaluation:
    """Routers that see the true chances under noise; "oracle" and the other references beside them."""
    rng = np.random.default_rng(seed)
    num_models = len(models)
    skill = np.sort(rng.uniform(-1.0, 2.2, num_models)) + rng.normal(0, 0.5, num_models)
    chance = 1 / (
        1 + np.exp(-(skill + rng.normal(0, 1.5, (num_prompts, 1)) + rng.normal(0, 0.8, (num_prompts, num_models))))
    )
    quality = (rng.random(chance.shape) < chance).astype(float)
    price = np.geomspace(3e-5, 9e-3, num_models)
    cost = price * rng.lognormal(0, 0.4, chance.shape) if has_cost else np.zeros_like(chance)
    mean_cost, mean_quality = cost.mean(axis=0), quality.mean(axis=0)
    best = int(mean_quality.argmax())
    interval = (float(mean_cost.min()), float(mean_cost.max())) if has_cost else None
    zero = non_decreasing_hull(mean_cost, mean_quality)
    cheapest = int(mean_cost.argmin())

    def curve(name: str, predicted: NDArray, sees: str, predicted_cost: NDArray) -> Scored:
        traced = sweep(predicted, predicted_cost, quality, cost)
        points = np.append(traced.cost, mean_cost[cheapest]), np.append(traced.quality, mean_quality[cheapest])
        return scored(traced, non_decreasing_hull(*points), sees, interval, zero, target)

    def fixed(hull: Hull, sees: str) -> Scored:
        return scored(None, hull, sees, interval, zero, target)

    target = (float(mean_quality[best]), float(mean_cost[best]))
    expected = np.broadcast_to(price, cost.shape)
    group = np.broadcast_to(skill, chance.shape) + rng.normal(0, 0.5, chance.shape)
    references = {
        "zero_router": fixed(zero, "mean outcomes of the scored prompts"),
        "best_single": fixed(
            non_decreasing_hull(mean_cost[[cheapest, best]], mean_quality[[cheapest, best]]), "nothing"
        ),
        "benchmark_oracle": curve("benchmark_oracle", group, "benchmark id", expected),
        "oracle": curve("oracle", quality, "measured outcomes", cost),
        "random": fixed(Hull(mean_cost[[cheapest]], mean_quality[[cheapest]]), "nothing"),
    }
    routers = {
        name: curve(name, chance + rng.normal(0, 1, chance.shape) * level, "prompt only", expected)
        for name, level in noise.items()
    }
    counts = {"even": num_prompts // 3, "odd|x": num_prompts - num_prompts // 3}
    return Evaluation(
        source, models, mean_cost, mean_quality, models[best], counts, 7, interval, references, routers
    )  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Callable[..., Evaluation]:
    return build


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return build(("small", "vendor/middle", "large", "huge"), {"mlp": 0.05, "knn": 0.6})


@pytest.fixture(scope="session")
def without_cost() -> Evaluation:
    return build(("small", "vendor/middle", "large", "huge"), {"mlp": 0.05, "knn": 0.6}, has_cost=False)
