import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routerbench.evaluation.sweep import sweep
from routerbench.policy import choose, guard, select, strong_share_threshold
from routerbench.routers.base import Choices, Prediction

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


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_the_threshold_gives_the_wanted_share_of_strong_calls(share):
    win_rate = np.random.default_rng(0).random(1000)
    strong = win_rate >= strong_share_threshold(win_rate, share)
    assert strong.mean() == pytest.approx(share, abs=1 / 1000)
    assert win_rate[strong].min() >= win_rate[~strong].max(initial=0)


def test_the_threshold_is_the_quantile_by_hand():
    assert strong_share_threshold(np.array([0.2, 0.8, 0.4]), 0.25) == pytest.approx(0.4 + 0.5 * 0.4)


def test_ties_at_the_threshold_are_all_strong():
    win_rate = np.array([0.2, 0.7, 0.7, 0.7])
    assert (win_rate >= strong_share_threshold(win_rate, 0.5)).sum() == 3


@pytest.mark.parametrize(
    ("win_rate", "share"), [([], 0.5), ([0.5, np.nan], 0.5), ([0.5], 0), ([0.5], 1.1), ([0.5], np.nan)]
)
def test_a_threshold_that_is_none_is_refused(win_rate, share):
    with pytest.raises(ValueError, match=r"threshold is calibrated|share of strong calls"):
        strong_share_threshold(np.array(win_rate), share)


@given(CELLS, CELLS, LAMBDAS)
def test_lines_choose_where_the_router_did_not(quality, cost, lambda_):
    np.testing.assert_array_equal(choose(Prediction(quality, cost), lambda_), select(quality, cost, lambda_))


@pytest.mark.parametrize(
    ("lambda_", "chosen"), [(0, [2, 1]), (0.5, [2, 1]), (0.6, [0, 1]), (2, [0, 1]), (np.inf, [1, 0])]
)
def test_the_choices_of_a_router_decide_whatever_it_predicts(lambda_, chosen):
    choices = Choices(np.array([0.5, 2.0, np.inf]), np.array([[2, 0, 1], [1, 1, 0]], np.int16))
    cells = np.array([[0.9, 0.1, 0.1]] * 2)
    assert choose(Prediction(cells, cells, choices=choices), lambda_).tolist() == chosen


@pytest.mark.parametrize("lambda_", [-1.0, np.nan])
def test_choose_refuses_a_lambda_that_is_none(lambda_):
    cells, choices = np.ones((1, 2)), Choices(np.array([np.inf]), np.array([[0]]))
    for prediction in (Prediction(cells, cells), Prediction(cells, cells, choices=choices)):
        with pytest.raises(ValueError, match="at least 0"):
            choose(prediction, lambda_)
