import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routerbench.policy import select

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
