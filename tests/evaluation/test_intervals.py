"""Evaluations with intervals: coverage, edge cases and deployed points."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.demo import make_world
from routerbench.errors import InputError
from routerbench.evaluation.deployment import Validation
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.results import Targets
from routerbench.evaluation.sweep import sweep
from routerbench.routers.base import Prediction


@pytest.fixture(scope="module")
def world():
    """8,000 prompts, and a router that sees the chances under some noise."""
    world = make_world(8000, seed=0)
    noise = 0.15 * np.random.default_rng(1).normal(size=world.quality.shape)
    return world.table, Prediction((world.quality + noise).clip(0, 1), world.cost)


@pytest.fixture(scope="module")
def small(world):
    table, routed = world
    rows = np.arange(300)
    worse = Prediction(np.random.default_rng(2).random(table.quality.shape), routed.cost)
    return table.take(rows), routed.take(rows), worse.take(rows), table.take(np.arange(300, 900))


def test_intervals_hold_the_truth_about_as_often_as_they_say(world):
    table, routed = world
    table = replace(table, benchmark=np.full(len(table), "all", object))  # those of benchmarks are the same, and slow
    rng = np.random.default_rng(3)
    train = table.take(np.arange(1000))
    truth = evaluate({"r": routed}, table, train, num_resamples=0).routers["r"]
    held = []
    for seed in range(40):
        rows = rng.choice(len(table), 200, replace=False)
        found = evaluate({"r": routed.take(rows)}, table.take(rows), train, num_resamples=100, seed=seed).routers["r"]
        against = found.differences["benchmark_oracle"]
        held.append(
            [
                found.aiq.low <= truth.aiq.value <= found.aiq.high,
                found.area.low <= truth.area.value <= found.area.high,
                against.prompts.low <= truth.differences["benchmark_oracle"].value <= against.prompts.high,
            ]
        )
    assert (np.mean(held, axis=0) >= 0.85).all(), np.mean(held, axis=0)  # 95 % but for the luck of 40 draws
    assert np.mean(held) < 1


def test_a_router_against_itself_and_against_a_worse_one(small):
    test, routed, worse, train = small
    found = evaluate({"r": routed, "knn": routed, "linear": worse}, test, train, num_resamples=200).routers["r"]
    same, better = found.differences["knn"], found.differences["linear"]
    assert (same.value, same.prompts.low, same.prompts.high, same.prompts.p_value) == (0, 0, 0, 1)
    assert better.value > 0
    assert better.prompts.low > 0
    assert better.prompts.p_value < 0.05
    assert better.benchmarks is not None
    assert "r" not in found.differences


def test_the_same_seed_gives_the_same_intervals(small):
    test, routed, _, train = small
    once, again, other = (
        evaluate({"r": routed}, test, train, num_resamples=40, seed=seed).routers["r"].aiq for seed in (5, 5, 6)
    )
    assert once == again != other
    assert once.value == other.value


def test_deployed_points_are_chosen_on_validation_and_realised_on_test(small):
    test, routed, _, val = small
    on_val = Prediction(val.quality * 0.5 + 0.25, val.cost)
    budget = float(sweep(on_val.quality, on_val.cost, val.quality, val.cost).cost.max()) / 2
    targets = Targets(budget=budget, keep=0.95)
    found = evaluate({"r": routed}, test, val, validation=Validation(val, {"r": [on_val]}, targets), num_resamples=50)
    points = found.routers["r"].deployed
    assert points["budget"].validation_cost == pytest.approx(budget)
    best = found.models.index(found.best_single)
    assert points["keep"].validation_quality >= 0.95 * val.quality[:, best].mean() - 1e-12
    point = points["budget"]
    curve = sweep(routed.quality, routed.cost, test.quality, test.cost)
    cost, quality = curve.at(point.willingness_to_pay[0])
    assert point.cost.value == pytest.approx(float(cost), rel=0.05)
    assert point.quality.value == pytest.approx(float(quality), abs=0.01)
    assert point.cost_share.value == pytest.approx(point.cost.value / test.cost[:, best].mean())
    assert point.quality.low < point.quality.value < point.quality.high
    assert found.targets == targets
    unreachable = Validation(val, {"r": [on_val]}, Targets(budget=1e-12))
    assert evaluate({"r": routed}, test, val, validation=unreachable, num_resamples=0).routers["r"].deployed == {}


def test_one_prompt_has_no_interval(small):
    test, routed, _, train = small
    found = evaluate({"r": routed.take(np.arange(1))}, test.take(np.arange(1)), train)
    assert found.num_resamples == 0
    assert found.routers["r"].peak_quality.low is None


def test_one_benchmark_has_no_resampled_benchmarks(small):
    test, routed, _, train = small
    one = replace(test, benchmark=np.full(len(test), "all", object))
    difference = evaluate({"r": routed}, one, train, num_resamples=40).routers["r"].differences["zero_router"]
    assert difference.prompts is not None
    assert difference.benchmarks is None


@pytest.mark.parametrize("what", ["quality", "cost"])
def test_all_cells_alike(small, what):
    test, routed, _, train = small
    flat = replace(test, **{what: np.full_like(test.quality, 0.5)})
    found = evaluate({"r": routed}, flat, replace(train, **{what: np.full_like(train.quality, 0.5)}), num_resamples=40)
    router = found.routers["r"]
    if what == "cost":
        assert router.aiq.value is None
        assert router.differences["best_single"].value == pytest.approx(
            router.peak_quality.value - found.references["best_single"].peak_quality.value
        )
    else:
        assert (router.aiq.value, router.aiq.low, router.aiq.high) == pytest.approx((0.5, 0.5, 0.5))
        assert router.differences["zero_router"].prompts.p_value == 1


def test_a_router_that_always_picks_one_model(small):
    test, routed, _, train = small
    always = np.zeros_like(routed.quality)
    always[:, 3] = 1
    cost = np.ones_like(always)
    cost[:, 3] = 0.5
    router = evaluate({"r": Prediction(always, cost)}, test, train, num_resamples=40).routers["r"]
    assert len(router.sweeps[0].lambdas) == 1
    assert router.aiq.low < router.aiq.value < router.aiq.high


def test_broken_predictions_are_refused_by_name(small):
    test, routed, _, train = small
    broken = routed._replace(quality=routed.quality.copy())
    broken.quality[7, 2] = np.nan
    with pytest.raises(InputError, match=rf"router 'r' predicts a quality of nan for prompt '{test.ids[7]}' and model"):
        evaluate({"r": broken}, test, train)
    with pytest.raises(InputError, match="router 'r' only ranks models"):
        evaluate({"r": routed._replace(scale="ranking")}, test, train)
    with pytest.raises(InputError, match="router 'oracle' has the name of a reference"):
        evaluate({"oracle": routed}, test, train)
