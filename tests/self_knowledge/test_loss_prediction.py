"""Prediction of losses by a second predictor, in worlds where the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.data.split import NUM_FOLDS
from routerbench.self_knowledge.loss_prediction import (
    PENALTIES,
    Features,
    advantages,
    cross_fitted,
    expected_loss,
    predict_loss,
)

NOTHING = "prompt only"


def world(num_prompts, seed, num_models=2):
    """Probabilities, drawn outcomes, folds and a generator."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.95, size=(num_prompts, num_models))
    outcome = (rng.random(truth.shape) < truth).astype(float)
    return truth, outcome, rng.integers(NUM_FOLDS, size=num_prompts), rng


def binary(num_prompts):
    return np.zeros(num_prompts, bool)


def test_who_predicts_the_conditional_mean_knows_its_loss():
    """In 25 worlds: about 0, a trifle below for what learning costs, and hardly ever above it beyond chance."""
    shares, intervals, significant = [], [], 0
    for seed in range(25):
        truth, outcome, fold, rng = world(600, seed)
        benchmark = np.eye(4)[rng.integers(4, size=600)]
        sets = [Features("q", NOTHING, benchmark[:, :0]), Features("benchmark", NOTHING, benchmark)]
        found = advantages(truth, outcome, binary(600), sets, fold, 100, rng)
        shares += [advantage.share.value for advantage in found]
        intervals += [advantage.share.low <= 0 <= advantage.share.high + 0.005 for advantage in found]
        significant += sum(advantage.is_significant for advantage in found)
    assert abs(np.mean(shares)) < 0.003
    assert max(shares) < 0.02
    assert np.mean(intervals) > 0.9
    assert significant <= 4  # of 50; 1.25 are expected if learning costs nothing


def test_an_error_that_depends_on_the_benchmark_has_its_known_advantage():
    """q is .9 everywhere, right for model 0 and, of model 1, on benchmark a; on b it should be .6.

    There the loss exceeds q (1 - q) by ``(p - q)(1 - 2q) = .24``. Who sees the benchmark gains .24^2 on b and nothing
    on a, on average of both models .0144; who sees q alone can only add .12 to all of model 1 and gains half of it.
    """
    rng = np.random.default_rng(1)
    number = 6000
    is_b = rng.random(number) < 0.5
    truth = np.column_stack([np.full(number, 0.9), np.where(is_b, 0.6, 0.9)])
    outcome = (rng.random(truth.shape) < truth).astype(float)
    q, fold = np.full((number, 2), 0.9), rng.integers(NUM_FOLDS, size=number)
    benchmark = np.column_stack([is_b, ~is_b]).astype(float)
    sets = [Features("q", NOTHING, benchmark[:, :0]), Features("benchmark", "benchmark id", benchmark)]
    alone, told = advantages(q, outcome, binary(number), sets, fold, 300, rng)
    assert told.is_significant
    assert told.information == "benchmark id"
    assert told.overall.value == pytest.approx(0.24**2 / 4, rel=0.15)
    assert told.overall.low < 0.24**2 / 4 < told.overall.high
    assert alone.overall.value == pytest.approx(0.24**2 / 8, rel=0.15)
    assert told.per_model[1].value == pytest.approx(0.24**2 / 2, rel=0.15)
    assert told.per_model[0].low <= 0.0003
    assert told.share.value == pytest.approx(told.overall.value / told.unexplained)


def test_at_a_half_nothing_can_be_known():
    """Every loss is .25 there, however wrong q is."""
    _, outcome, fold, rng = world(400, seed=2)
    outcome[:300] = 1
    columns = np.eye(2)[(np.arange(400) < 300).astype(int)]
    (found,) = advantages(np.full((400, 2), 0.5), outcome, binary(400), [Features("", "", columns)], fold, 100, rng)
    assert found.overall.value == 0
    assert not found.is_significant


def test_noise_seems_to_help_in_sample_and_does_not_out_of_fold():
    """Least squares on 60 columns of noise, as one would do it without folds, and what is done here."""
    truth, outcome, fold, rng = world(400, seed=3)
    noise = rng.normal(size=(400, 60))
    expected = truth * (1 - truth)
    surprise = (outcome - truth) ** 2 - expected

    def least_squares(learn):
        return noise @ np.linalg.lstsq(noise[learn], surprise[learn], rcond=None)[0]

    def gain(found):
        return (surprise**2 - (surprise - found) ** 2).mean()

    own = np.empty_like(surprise)
    for number in range(NUM_FOLDS):
        own[fold == number] = least_squares(fold != number)[fold == number]
    base = (surprise**2).mean()
    assert gain(least_squares(np.full(400, True))) > 0.1 * base
    assert gain(own) < -0.1 * base
    (found,) = advantages(truth, outcome, binary(400), [Features("noise", NOTHING, noise)], fold, 300, rng)
    assert -0.01 * base < found.overall.value < 0.005 * base
    assert found.overall.low < 0


@given(st.integers(0, 2**20), st.integers(0, NUM_FOLDS - 1))
@settings(max_examples=10, deadline=None)
def test_no_prompt_is_predicted_from_its_own_outcome(seed, number):
    truth, outcome, fold, rng = world(120, seed)
    columns, is_graded = rng.normal(size=(120, 3)), rng.random(120) < 0.3
    outcome[is_graded] = rng.random((is_graded.sum(), 2))
    before = cross_fitted(truth, outcome, is_graded, columns, fold)
    own = fold == number
    after = cross_fitted(truth, np.where(own[:, None], rng.random(outcome.shape), outcome), is_graded, columns, fold)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[own], other[own])


def test_the_penalty_is_that_of_the_least_leave_one_out_error():
    """Against the normal equations, solved without each prompt in turn."""
    truth, outcome, _, rng = world(40, seed=4, num_models=1)
    columns = rng.normal(size=(40, 2))
    outcome = np.where(columns[:, :1] > 0.3, np.round(truth), outcome)  # something to be learned
    q = truth[:, 0]
    surprise = (outcome[:, 0] - q) ** 2 - q * (1 - q)
    inputs = np.column_stack([np.ones(40), *((p - p.mean()) / p.std() for p in (q, q**2)), columns])

    def solve(rows, penalty):
        matrix = inputs[rows].T @ inputs[rows] + min(penalty, 1e12) * np.eye(5)
        return np.linalg.solve(matrix, inputs[rows].T @ surprise[rows])

    errors = [
        sum((surprise[i] - inputs[i] @ solve(np.arange(40) != i, penalty)) ** 2 for i in range(40))
        for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    assert np.isfinite(best)
    _, found = predict_loss(truth, outcome, binary(40), columns, np.full(40, True))
    np.testing.assert_allclose(
        found[:, 0], (q * (1 - q) + inputs @ solve(np.arange(40), best)).clip(0, 1), rtol=1e-8, atol=1e-10
    )


def test_grades_scatter_less_than_successes():
    """Quarters around a q that is right: q (1 - q) would expect four times the loss, and an advantage over it."""
    rng = np.random.default_rng(5)
    q = rng.uniform(0.3, 0.7, size=(2000, 2))
    outcome = q + rng.choice([-0.25, 0.25], size=q.shape)
    fold, graded = rng.integers(NUM_FOLDS, size=2000), np.full(2000, True)
    np.testing.assert_allclose(expected_loss(q, outcome, graded, fold > 0), 0.0625)
    none = [Features("q", NOTHING, np.empty((2000, 0)))]
    (found,) = advantages(q, outcome, graded, none, fold, 0, rng)
    assert found.overall.value == pytest.approx(0, abs=1e-12)
    assert (found.overall.low, found.is_significant) == (None, False)
    (naive,) = advantages(q, outcome, ~graded, none, fold, 0, rng)
    assert naive.share.value > 0.9


def test_graded_prompts_that_nothing_is_learned_from_expect_what_q_says():
    q = np.full((4, 1), 0.25)
    found = expected_loss(q, np.full((4, 1), 0.5), np.array([True, True, False, False]), np.arange(4) > 1)
    np.testing.assert_allclose(found, 0.1875)


def test_missing_outcomes():
    """A model without outcomes has no advantage; the others are as they are without it."""
    truth, outcome, fold, _ = world(500, seed=6, num_models=3)
    outcome[:, 1], outcome[::7, 2] = np.nan, np.nan
    sets = [Features("q", NOTHING, np.empty((500, 0)))]
    (found,) = advantages(truth, outcome, binary(500), sets, fold, 50, np.random.default_rng(0))
    (rest,) = advantages(truth[:, [0, 2]], outcome[:, [0, 2]], binary(500), sets, fold, 50, np.random.default_rng(0))
    assert found.per_model[1].value is None
    assert (found.per_model[0], found.per_model[2]) == rest.per_model
    assert found.overall.value == pytest.approx(rest.overall.value)
    cells = np.isfinite(outcome).sum(axis=0)[[0, 2]]
    values = [found.per_model[0].value, found.per_model[2].value]
    assert found.overall.value == pytest.approx(np.average(values, weights=cells))
