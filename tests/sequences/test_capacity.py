"""The plan, against a linear programme written out, every assignment of a tiny world, and the sweep over lambda."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from routerbench.errors import InputError
from routerbench.evaluation.operating import keeping_quality
from routerbench.evaluation.sweep import sweep
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.capacity import CapacityBudget, plan
from tests.conftest import make_examples, make_table

SIZE = (5, 3)
CELLS = arrays(np.float64, SIZE, elements=st.integers(0, 8).map(lambda eighths: eighths / 8))


def world(num_prompts, seed):
    examples, quality, cost = make_examples(num_prompts, seed, num_models=4)
    return Scene(examples.table, Prediction(quality, cost), examples.embeddings)


def reached(prediction, chosen):
    rows = np.arange(len(chosen))
    return prediction.cost[rows, chosen].mean(), prediction.quality[rows, chosen].mean()


@pytest.mark.parametrize("floor", [0.55, 0.65, 0.7])
@pytest.mark.parametrize("share", [1.0, 0.4, 0.3])
def test_a_plan_costs_as_little_as_the_linear_programme(floor, share):
    prediction = world(800, seed=3).prediction
    prediction = prediction._replace(cost=np.sqrt(prediction.cost))  # dear calls are not all that counts
    limits = np.full(4, int(share * 800))
    n, m = prediction.quality.shape
    loads = np.tile(np.eye(m), n)
    exact = linprog(
        prediction.cost.ravel(),
        np.vstack([-prediction.quality.ravel(), loads]),
        np.append(-floor * n, limits),
        np.kron(np.eye(n), np.ones(m)),
        np.ones(n),
        method="highs-ipm",
    )
    chosen = plan(prediction, limits, floor)
    cost, quality = reached(prediction, chosen)
    assert (np.bincount(chosen, minlength=m) <= limits).all()
    assert quality >= floor - 1e-8
    assert exact.fun / n * (1 - 1e-9) <= cost <= exact.fun / n * 1.01


@settings(deadline=None, max_examples=60)
@given(CELLS, CELLS, st.lists(st.integers(1, 5), min_size=3, max_size=3), st.integers(0, 8))
def test_a_plan_keeps_floor_and_capacities_or_there_is_none(quality, cost, limits, eighths):
    """Ties all over: a fifth of the cells are equal. The best of all assignments bounds the cost from below."""
    limits, floor = np.array(limits), eighths / 8
    if limits.sum() < SIZE[0]:
        return
    possible = [
        np.array(chosen) for chosen in product(range(3), repeat=5) if (np.bincount(chosen, minlength=3) <= limits).all()
    ]
    prediction = Prediction(quality, cost)
    kept = [reached(prediction, chosen)[0] for chosen in possible if reached(prediction, chosen)[1] >= floor]
    if not kept:
        # Every vertex of the plans without a floor is whole, so a split cannot keep the floor either.
        with pytest.raises(ValueError, match="no plan keeps"):
            plan(prediction, limits, floor)
        return
    chosen = plan(prediction, limits, floor)
    assert any((chosen == other).all() for other in possible)
    assert reached(prediction, chosen)[1] >= floor - 1e-7
    assert reached(prediction, chosen)[0] >= min(kept) - 1e-7


def test_without_capacities_it_is_lambda_routing():
    scene = world(300, seed=4)
    quality, cost = scene.prediction.quality, scene.prediction.cost
    curve = sweep(quality, cost, quality, cost)
    (rollouts,) = CapacityBudget(num_settings=6).play(scene, scene, np.random.default_rng(0))[""]
    for floor in rollouts.settings[1:]:
        planned = reached(scene.prediction, plan(scene.prediction, np.full(4, 300), floor))[0]
        # It cannot mix at the tie, as that does in expectation: one call may go to the dearer model as a whole.
        assert -1e-8 <= planned - keeping_quality(curve, floor).cost <= cost.max() / 300


def test_the_floors_go_from_the_cheapest_to_the_best_and_cells_are_measured():
    scene = world(200, seed=5)
    (rollouts,) = CapacityBudget(num_settings=5).play(scene, scene, np.random.default_rng(0))[""]
    rows, quality, table = np.arange(200), scene.prediction.quality, scene.table
    cheapest, best = scene.prediction.cost.argmin(axis=1), quality.argmax(axis=1)
    assert rollouts.settings[0] == quality[rows, cheapest].mean()
    assert rollouts.settings[-1] == pytest.approx(quality[rows, best].mean(), abs=1e-6)
    np.testing.assert_array_equal(rollouts.cost[:, 0], table.cost[rows, cheapest])
    np.testing.assert_array_equal(rollouts.quality[:, 0], table.quality[rows, cheapest])
    assert (rollouts.quality[:, -1] == table.quality[rows, best]).mean() > 0.98
    assert (rollouts.calls == 1).all()
    assert rollouts.information == "prompt only, all prompts at once"


def test_one_prediction_for_all_prompts_is_split_between_models():
    """Where all prompts tie, prices alone send them all one way; the plan mixes as the floor asks."""
    prediction = Prediction(np.tile([0.5, 0.75], (8, 1)), np.tile([1.0, 2.0], (8, 1)))
    assert np.bincount(plan(prediction, np.array([8, 8]), 0.625)).tolist() == [4, 4]
    assert np.bincount(plan(prediction, np.array([8, 8]), 0.6)).tolist() == [4, 4]  # 3.2 dear calls are 4
    assert np.bincount(plan(prediction, np.array([5, 5]), 0.0)).tolist() == [5, 3]


def test_capacities_by_name_and_in_whole_prompts():
    models = ("a/x", "b", "c")
    assert CapacityBudget(None).limits(models, 30).tolist() == [30, 30, 30]
    assert CapacityBudget(0.4).limits(models, 31).tolist() == [13, 13, 13]
    assert CapacityBudget(0.55).limits(models, 100).tolist() == [55] * 3  # 0.55 * 100 = 55.00000000000001
    assert CapacityBudget({"a/x": 0.1}).limits(models, 30).tolist() == [3, 30, 30]


def test_a_named_capacity_is_kept():
    scene = world(100, seed=6)
    tight = Scene(make_table(np.tile([0, 0, 0, 1.0], (100, 1)), scene.table.cost), scene.prediction, scene.embeddings)
    (rollouts,) = CapacityBudget({"model-3": 0.07}).play(tight, tight, np.random.default_rng(0))[""]
    called = rollouts.quality.sum(axis=0)
    assert called.max() == 7
    (free,) = CapacityBudget().play(tight, tight, np.random.default_rng(0))[""]
    assert free.quality.sum(axis=0).max() > 7


@pytest.mark.parametrize("capacity", [0, -1, 1.5, float("nan"), {"b": 2}])
def test_a_capacity_that_is_no_share_is_refused(capacity):
    with pytest.raises(InputError, match="shares above 0"):
        CapacityBudget(capacity)


def test_capacities_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"names 'd'.*a, b, c"):
        CapacityBudget({"d": 0.5}).limits(("a", "b", "c"), 10)
    with pytest.raises(InputError, match="room for 9 of 10 prompts"):
        CapacityBudget(0.3).limits(("a", "b", "c"), 10)
    with pytest.raises(InputError, match="num_settings"):
        CapacityBudget(num_settings=1)
