"""Lambda for a budget or a quality, which is met exactly on the prompts it was chosen on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.operating import OperatingPoint, keeping_quality, realise, within_budget
from routerbench.evaluation.sweep import sweep
from routerbench.policy import select

# Ten alike prompts: at lambda 2 all of them go from the cheap model to the dear one at once.
TIED = np.tile([0.5, 1.0], (10, 1)), np.tile([1.0, 2.0], (10, 1))
QUALITY, COST = np.tile([0.2, 0.7], (10, 1)), np.tile([1.0, 3.0], (10, 1))


@pytest.fixture
def tied():
    return sweep(*TIED, QUALITY, COST)


def test_a_tie_is_split_to_meet_the_budget(tied):
    assert within_budget(tied, 1.5) == pytest.approx((2.0, 0.25, 1.5, 0.325))
    assert keeping_quality(tied, 0.6) == pytest.approx((2.0, 0.8, 2.6, 0.6))


def test_the_ends(tied):
    assert within_budget(tied, 0.99) is None
    assert within_budget(tied, 1.0) == (2.0, 0.0, 1.0, 0.2)
    assert within_budget(tied, 3.0) == (np.inf, 0.0, 3.0, 0.7)
    assert keeping_quality(tied, 0.1) == (0.0, 0.0, 1.0, 0.2)
    assert keeping_quality(tied, 0.71) is None


def test_realised_elsewhere(tied):
    setting = within_budget(tied, 1.5)
    # On other prompts: one tied at the same lambda, one that switches before it, one after.
    other = sweep(np.array([[0.5, 1.0], [0.1, 0.9], [0.5, 0.6]]), np.tile([1.0, 2.0], (3, 1)), QUALITY[:3], COST[:3])
    assert realise(other, setting, COST[:3]) == pytest.approx([0.75 * 1 + 0.25 * 3, 3, 1])
    assert realise(other, OperatingPoint(np.inf, 0, 0, 0), COST[:3]).tolist() == [3, 3, 3]


def random_curve(seed, num_prompts=30, num_models=4):
    rng = np.random.default_rng(seed)
    quality, cost = rng.random((num_prompts, num_models)), rng.random((num_prompts, num_models))
    predicted = (
        (quality + 0.3 * rng.random(quality.shape)).round(1),
        (cost * np.exp(rng.normal(size=cost.shape))).round(1),
    )
    return sweep(*predicted, quality, cost), predicted, quality, cost


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_where_it_was_chosen_the_budget_is_met_exactly(seed, share):
    curve, _, quality, cost = random_curve(seed)
    budget = curve.cost.min() + share * (curve.cost.max() - curve.cost.min())
    setting = within_budget(curve, budget)
    spent = realise(curve, setting, cost).mean()
    assert spent == pytest.approx(setting.cost)
    assert spent <= budget + 1e-12
    if np.isfinite(setting.willingness_to_pay):
        assert spent == pytest.approx(budget)
    assert realise(curve, setting, quality).mean() == pytest.approx(setting.quality)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_floor_is_met_at_the_first_lambda_that_does(seed, share):
    curve, _, quality, _ = random_curve(seed)
    floor = curve.quality.min() + share * (curve.quality.max() - curve.quality.min())
    setting = keeping_quality(curve, floor)
    assert realise(curve, setting, quality).mean() >= floor - 1e-12
    before = curve.lambdas < setting.willingness_to_pay
    assert (curve.quality[:-1][before[1:]] < floor).all() or setting.willingness_to_pay == 0


@given(st.integers(0, 10_000), st.sampled_from([0, 0.05, 0.33, 1.0, 7.0, np.inf]))
def test_choices_are_those_of_select(seed, lambda_):
    curve, predicted, _, _ = random_curve(seed)
    chosen = curve.choices(lambda_)
    utility = predicted[0] if np.isinf(lambda_) else lambda_ * predicted[0] - predicted[1]
    rows = np.arange(len(chosen))
    assert utility[rows, chosen] == pytest.approx(utility[rows, select(*predicted, lambda_)])
