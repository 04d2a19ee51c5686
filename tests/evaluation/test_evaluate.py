import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.errors import InputError
from routerbench.evaluation import evaluate as module
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.policy import select
from routerbench.routers.base import Choices, Prediction
from tests.conftest import make_table

evaluate = partial(module.evaluate, num_resamples=0)  # intervals have tests of their own
REFERENCES = ["zero_router", "best_single", "benchmark_oracle", "oracle", "random"]


def values(scored):
    names = ("aiq", "aiq_macro", "aiq_original_code", "delta_aiq_zero", "peak_quality", "peak_cost", "qnc")
    return {name: getattr(scored, name).value for name in names}


def test_router_worked_by_hand(table, prediction):
    result = evaluate({"ours": prediction}, table, train=table)
    scored = result.routers["ours"]
    # Hull (1, 1/2) of cheap alone, then (2, 1); area on [1, 4] 3/4 + 2. Zero router: (1, 1/2), (4, 3/4), mean 5/8.
    assert (scored.hull.cost.tolist(), scored.hull.quality.tolist()) == ([1, 2], [1 / 2, 1])
    # Benchmark a: (1, 1/2), (3/2, 1), area 3/8 + 5/2; b: (1, 1/2), (5/2, 1), area 9/8 + 3/2.
    # best_single is dear: 3/4 at a cost of 4, reached at 3/2; on a 1, reached at 3/2; on b 1/2, reached at 1.
    expected = {
        "aiq": 11 / 12,
        "aiq_macro": (23 / 24 + 7 / 8) / 2,
        "aiq_original_code": 11 / 16,
        "delta_aiq_zero": 7 / 24,
        "peak_quality": 1,
        "peak_cost": 2,
        "qnc": 3 / 8,
    }
    assert values(scored) == pytest.approx(expected)
    parts = {name: {key: part.value for key, part in parts.items()} for name, parts in scored.per_benchmark.items()}
    assert parts["a"] == pytest.approx({"aiq": 23 / 24, "peak_quality": 1, "qnc": 3 / 8})
    assert parts["b"] == pytest.approx({"aiq": 7 / 8, "peak_quality": 1, "qnc": 1 / 4})
    assert scored.information == "prompt only"
    assert scored.aiq.low is None


def test_references_worked_by_hand(table):
    result = evaluate({}, table, train=table)
    assert list(result.references) == REFERENCES
    # oracle (1, 1/2), (5/4, 3/4), (2, 1): area 5/32 + 21/32 + 2; benchmark_oracle (1, 1/2), (5/2, 3/4): 15/16 + 9/8;
    # random (1, 1/2), (7/3, 13/24): 25/36 + 65/72; best_single and zero_router (1, 1/2), (4, 3/4).
    aiq = {"zero_router": 5 / 8, "best_single": 5 / 8, "benchmark_oracle": 11 / 16, "oracle": 15 / 16}
    assert {name: scored.aiq.value for name, scored in result.references.items()} == pytest.approx(
        aiq | {"random": 115 / 216}
    )
    assert [scored.sweeps == () for scored in result.references.values()] == [True, True, False, False, True]
    assert result.references["best_single"].qnc.value == pytest.approx(1)
    assert result.references["random"].qnc.value is None
    assert result.references["zero_router"].delta_aiq_zero.value == 0
    assert result.references["benchmark_oracle"].information == "benchmark id"
    assert result.references["oracle"].information == "measured outcomes"
    assert result.references["random"].information == "nothing about the prompt"


def test_the_record_describes_the_table(table, prediction):
    result = evaluate({"ours": prediction}, table, train=table)
    assert (result.source, result.models, result.best_single) == ("test table", ("cheap", "mid", "dear"), "dear")
    assert (result.model_cost.tolist(), result.model_quality.tolist()) == ([1, 2, 4], [1 / 2, 3 / 8, 3 / 4])
    assert (result.cost_interval, result.benchmark_counts, result.num_left_out) == ((1, 4), {"a": 2, "b": 2}, 0)


def test_best_single_and_benchmark_oracle_learn_from_train_alone(table, prediction):
    train = replace(table, quality=table.quality[:, [2, 1, 0]])
    result = evaluate({"ours": prediction}, table, train)
    assert result.best_single == "cheap"
    assert result.routers["ours"].qnc.value == pytest.approx(1)  # the hull starts at cheap itself
    # On a and b cheap looks best and is cheapest, so benchmark_oracle never calls another.
    assert result.references["benchmark_oracle"].hull.cost.tolist() == [1]
    assert result.references["oracle"].aiq.value == pytest.approx(15 / 16)


def test_incomplete_prompts_are_left_out_and_counted(table, prediction):
    gap_quality, gap_cost = [np.nan, 1, 1], [1, np.nan, 4]
    longer = make_table(
        [gap_quality, *table.quality, [1, 1, 1]],
        [[1, 2, 4], *table.cost, gap_cost],
        benchmark=np.array(["gone", *table.benchmark, "a"], dtype=object),
        models=table.models,
    )
    rows = [0, 0, 1, 2, 3, 0]
    routed = Prediction(prediction.quality[rows], prediction.cost[rows], np.ones((6, 3)))
    result, whole = evaluate({"ours": routed}, longer, table), evaluate({"ours": prediction}, table, table)
    assert (result.num_left_out, result.benchmark_counts) == (2, {"a": 2, "b": 2})
    assert values(result.routers["ours"]) == values(whole.routers["ours"])
    assert validation_aiq(routed, longer) == validation_aiq(prediction, table)


def test_a_table_without_cost_gives_quality_only(table, prediction):
    free = replace(table, cost=np.full_like(table.cost, np.nan))
    blind = prediction._replace(cost=np.full_like(table.cost, np.nan))
    for routed in (prediction, blind):
        result = evaluate({"ours": routed}, free, train=free)
        assert result.cost_interval is None
        assert result.model_cost.tolist() == [0, 0, 0]
        for scored in [*result.references.values(), *result.routers.values()]:
            assert {name for name, value in values(scored).items() if value is not None} == {"peak_quality"}
            assert {part.value for parts in scored.per_benchmark.values() for part in (parts["aiq"], parts["qnc"])} == {
                None
            }
        # Best predicted: dear, dear, dear, cheap. benchmark_oracle: dear on a; on b cheap and dear tie, so the first.
        peaks = {name: scored.peak_quality.value for name, scored in (result.references | result.routers).items()}
        expected = {"zero_router": 3 / 4, "best_single": 3 / 4, "benchmark_oracle": 3 / 4, "oracle": 1, "ours": 1}
        assert peaks == pytest.approx(expected | {"random": 13 / 24})
        assert validation_aiq(routed, free) == 1


def test_without_cost_no_reference_lends_a_router_its_quality(table):
    free = replace(table, cost=np.full_like(table.cost, np.nan))
    poor = Prediction(np.array([[0, 1.0, 0]] * 4), free.cost)
    assert evaluate({"poor": poor}, free, free).routers["poor"].peak_quality.value == 3 / 8


def test_a_router_without_cost_on_a_table_with_cost_is_refused_but_may_be_validated(table, prediction):
    blind = prediction._replace(cost=np.full_like(table.cost, np.nan))
    with pytest.raises(InputError, match="router 'blind' was trained without costs"):
        evaluate({"blind": blind}, table, table)
    assert validation_aiq(blind, table) == 1


@pytest.mark.parametrize("price", [2.0, 0.0])
def test_models_of_one_price_are_scored_by_quality_alone(table, prediction, price):
    flat, none = (replace(table, cost=np.full_like(table.cost, each)) for each in (price, np.nan))
    for routed in (prediction, Prediction(np.array([[0, 1.0, 0]] * 4), table.cost)):
        result, without = (evaluate({"ours": routed}, each, each) for each in (flat, none))
        assert (result.cost_interval, result.model_cost.tolist()) == ((price, price), [price] * 3)
        for name, scored in (result.references | result.routers).items():
            assert values(scored) == values((without.references | without.routers)[name])
        assert validation_aiq(routed, flat) == validation_aiq(routed, none)


def test_a_benchmark_of_one_price_is_left_out_of_the_macro_mean(table, prediction):
    partly = replace(table, cost=np.array([[1, 2, 4]] * 2 + [[2, 2, 2]] * 2, dtype=float))
    scored = evaluate({"ours": prediction}, partly, partly).routers["ours"]
    assert scored.per_benchmark["b"]["aiq"].value is None
    assert scored.aiq_macro.value == scored.per_benchmark["a"]["aiq"].value == pytest.approx(23 / 24)


@pytest.mark.parametrize("what", ["quality", "cost"])
def test_nothing_to_score_on_names_the_gap(table, prediction, what):
    cells = getattr(table, what).copy()
    cells[:, 1] = np.nan
    bare = replace(table, **{what: cells})
    with pytest.raises(InputError, match=rf"test table: no prompt to score on\. It has no {what} of 'mid'"):
        evaluate({"ours": prediction}, bare, table)
    with pytest.raises(InputError, match=rf"no prompt to validate on\. It has no {what} of 'mid'"):
        validation_aiq(prediction, bare)


def test_what_does_not_fit_together_is_refused(table, prediction):
    short = Prediction(prediction.quality[:3], prediction.cost[:3])
    with pytest.raises(InputError, match=r"router 'short' predicts quality \(3, 3\) and cost \(3, 3\)"):
        evaluate({"short": short}, table, table)
    few = prediction._replace(choices=Choices(np.array([np.inf]), np.zeros((3, 1), int)))
    with pytest.raises(InputError, match="router 'few' chooses for 3 prompts, but test table has 4"):
        evaluate({"few": few}, table, table)
    with pytest.raises(InputError, match="test has models"):
        evaluate({}, table, replace(table, models=("x", "y", "z")))
    with pytest.raises(InputError, match="test has costs and train has none"):
        evaluate({}, table, replace(table, cost=np.full_like(table.cost, np.nan)))


def random_world(seed, num_prompts=60, num_models=4, num_benchmarks=3):
    rng = np.random.default_rng(seed)
    quality = (rng.random((num_prompts, num_models)) < np.linspace(0.3, 0.8, num_models)).astype(float)
    cost = np.geomspace(1e-4, 1e-2, num_models) * rng.gamma(4, 1 / 4, quality.shape)
    benchmark = np.array([f"b{i}" for i in rng.integers(0, num_benchmarks, num_prompts)], dtype=object)
    table = make_table(quality, cost, benchmark=benchmark)
    noisy = Prediction(
        np.clip(quality * 0.4 + rng.random(quality.shape) * 0.6, 0, 1), cost * (0.5 + rng.random(cost.shape))
    )
    return table, noisy


@given(st.integers(0, 10_000))
def test_validation_agrees_with_evaluation_and_the_oracle_bounds_it(seed):
    table, prediction = random_world(seed)
    result = evaluate({"ours": prediction}, table, table)
    scored = result.routers["ours"]
    assert validation_aiq(prediction, table) == scored.aiq.value
    assert scored.aiq.value <= result.references["oracle"].aiq.value + 1e-12
    for lambda_ in (0, 1e-3, 0.1, np.inf):
        chosen = select(prediction.quality, prediction.cost, lambda_)[:, None]
        assert np.isclose(scored.sweeps[0].at(lambda_)[1], np.take_along_axis(table.quality, chosen, 1).mean())


@given(st.integers(0, 10_000))
def test_a_benchmark_is_scored_as_if_it_were_the_table(seed):
    table, prediction = random_world(seed)
    rows = table.benchmark == "b1"
    if not rows.any():
        return
    inside = Prediction(prediction.quality[rows], prediction.cost[rows])
    whole = evaluate({"ours": prediction}, table, table).routers["ours"]
    alone = evaluate({"ours": inside}, table.take(rows), table).routers["ours"]
    for name, figure in whole.per_benchmark["b1"].items():
        assert figure.value == getattr(alone, name).value


def test_the_oracle_is_the_same_rule_on_measured_outcomes():
    table, _ = random_world(0)
    result = evaluate({"told": Prediction(table.quality, table.cost)}, table, table)
    assert values(result.routers["told"]) == values(result.references["oracle"])


def test_a_large_table_is_evaluated_in_seconds():
    table, prediction = random_world(0, num_prompts=11_000, num_models=11, num_benchmarks=60)
    started = time.process_time()
    evaluate({"a": prediction, "b": prediction, "c": prediction}, table, table)
    assert time.process_time() - started < 4  # 0.4 s on an idle machine


def test_a_router_that_chooses_itself_is_scored_by_its_choices(table, prediction):
    always_dear = prediction._replace(choices=Choices(np.array([np.inf]), np.full((4, 1), 2)))
    scored = evaluate({"ours": always_dear}, table, table).routers["ours"]
    assert scored.sweeps[0].cost.tolist() == [table.cost[:, 2].mean()]
    assert scored.peak_quality.value == pytest.approx(table.quality[:, 2].mean())
    free = replace(table, cost=np.full_like(table.cost, np.nan))
    assert evaluate({"ours": always_dear}, free, free).routers["ours"].peak_quality == scored.peak_quality
