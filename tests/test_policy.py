import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routerbench.evaluation.sweep import sweep
from routerbench.policy import guard, select
from routerbench.routers.base import Prediction

CELLS = arrays(np.float64, (5, 4), elements=st.integers(0, 4).map(lambda eighths: eighths / 8))
LAMBDAS = st.sampled_from([0, 1 / 4, 1 / 2, 1, 2, 3, 8, np.inf])


def by_hand(quality, cost, lambda_):
    """One prompt at a time: best utility, then lowest cost, then lowest index."""
    chosen = []
    for q, c in zip(quality.tolist(), cost.tolist(), strict=True):
        utility = [q[m] if lambda_ == np.inf else lambda_ * q[m] - c[m] for m in range(len(q))]
        chosen.append(min(range(len(q)), key=lambda m, u=utility, c=c: (-u[m], c[m], m)))
    return chosen


@settings(deadline=None)
@given(CELLS, CELLS, LAMBDAS)
def test_select_equals_the_rule_prompt_by_prompt(quality, cost, lambda_):
    assert select(quality, cost, lambda_).tolist() == by_hand(quality, cost, lambda_)


def test_zero_picks_the_cheapest_and_infinity_the_best():
    quality, cost = np.array([[0.1, 0.9, 0.5]]), np.array([[1.0, 3.0, 2.0]])
    assert select(quality, cost, 0).tolist() == [0]
    assert select(quality, cost, np.inf).tolist() == [1]


def test_a_tie_goes_to_the_cheaper_model_then_to_the_lower_index():
    quality, cost = np.array([[0.75, 0.5, 0.5]]), np.array([[2.0, 1.0, 1.0]])
    assert select(quality, cost, 4).tolist() == [1]  # 4 * 3/4 - 2 = 4 * 1/2 - 1
    assert select(np.full((1, 3), 0.5), cost, np.inf).tolist() == [1]


def test_each_prompt_may_have_its_own_lambda():
    quality, cost = np.array([[0.5, 0.75]] * 3), np.array([[1.0, 2.0]] * 3)
    assert select(quality, cost, np.array([0, 4, np.inf])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("lambda_", [-1, np.nan])
def test_a_lambda_that_is_none_is_refused(lambda_):
    with pytest.raises(ValueError, match="willingness_to_pay must be at least 0"):
        select(np.ones((1, 2)), np.ones((1, 2)), lambda_)


@settings(deadline=None)
@given(CELLS, CELLS, st.integers(0, 3), st.sampled_from([0, 0.5, 1, 3]), st.sampled_from([(5, 4), (4,)]))
def test_guard_leaves_the_best_single_model_only_for_a_large_enough_gain(quality, cost, best, z, shape):
    error = (np.arange(np.prod(shape)).reshape(shape) % 5 + 1) / 8
    guarded = guard(Prediction(quality, cost), best, z, error)
    chosen = select(guarded.quality, np.zeros_like(cost), np.inf)
    for i, model in enumerate(chosen):
        gain = quality[i] - quality[i, best] - z * np.broadcast_to(error, (5, 4))[i]
        gain[best] = 0
        assert gain[model] == gain.max() >= 0
    assert guarded.cost is cost
    np.testing.assert_array_equal(guarded.quality[:, best], quality[:, best])


def test_a_guard_of_zero_changes_nothing():
    prediction = Prediction(np.eye(3), np.ones((3, 3)))
    assert guard(prediction, 1, 0, np.inf) is prediction


def test_the_sweep_over_guarded_predictions_stays_exact():
    rng = np.random.default_rng(0)
    quality, cost, measured = rng.random((3, 200, 4))
    guarded = guard(Prediction(quality, cost), 2, 1.5, rng.random(4) / 5).quality
    curve = sweep(guarded, cost, measured, cost)
    for lambda_ in (0, 0.3, 1, 2.7, 30, np.inf):
        chosen = select(guarded, cost, lambda_)
        expected = cost[np.arange(200), chosen].mean(), measured[np.arange(200), chosen].mean()
        assert curve.at(lambda_) == pytest.approx(expected)


@pytest.mark.parametrize("z", [-1, np.nan, np.inf])
def test_a_guard_that_is_none_is_refused(z):
    with pytest.raises(ValueError, match="z must be a number of standard errors"):
        guard(Prediction(np.ones((1, 2)), np.ones((1, 2))), 0, z, 0.1)
