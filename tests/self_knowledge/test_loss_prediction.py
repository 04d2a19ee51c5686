"""Whether a second predictor foresees a loss: in worlds where the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.data.split import NUM_FOLDS
from routerbench.self_knowledge.loss_prediction import (
    PENALTIES,
    FeatureSet,
    Prompts,
    advantages,
    expected_loss,
    predict_loss,
)


def make_prompts(q, outcome, rng, is_graded=False):
    """Prompts with random folds."""
    return Prompts(q, outcome, np.full(len(q), is_graded), rng.integers(NUM_FOLDS, size=len(q)))


def honest(num_prompts, seed, num_models=2):
    """Prompts whose predictions are the probabilities of their outcomes, and a generator."""
    rng = np.random.default_rng(seed)
    q = rng.uniform(0.05, 0.95, size=(num_prompts, num_models))
    return make_prompts(q, (rng.random(q.shape) < q).astype(float), rng), rng


def nothing(prompts):
    return FeatureSet("q alone", "prompt only", np.empty((len(prompts.fold), 0)))


def test_a_calibrated_prediction_leaves_nothing_to_foresee():
    shares, significant = [], 0
    for seed in range(12):
        prompts, rng = honest(600, seed)
        sets = [nothing(prompts), FeatureSet("benchmark", "benchmark id", np.eye(4)[rng.integers(4, size=600)])]
        found = advantages(prompts, sets, 100, rng)
        shares += [one.share.value for one in found]
        significant += sum(one.value.low > 0 for one in found)
    assert abs(np.mean(shares)) < 0.004
    assert max(shares) < 0.02
    assert significant <= 3  # of 24; .6 are expected


def test_an_error_that_depends_on_the_benchmark_has_its_known_advantage():
    """q is .9 everywhere: right for model 0, and for model 1 on benchmark a; on b it should be .6.

    There the loss exceeds q (1 - q) by ``(p - q)(1 - 2q) = .24``. With the benchmark, the gain is .24^2 for model 1 on
    b, so .24^2 / 4 over all. With q alone, a predictor can only add .12 for model 1, which gains half of that.
    """
    rng, number = np.random.default_rng(1), 6000
    is_b = rng.random(number) < 0.5
    truth = np.column_stack([np.full(number, 0.9), np.where(is_b, 0.6, 0.9)])
    prompts = make_prompts(np.full((number, 2), 0.9), (rng.random(truth.shape) < truth).astype(float), rng)
    benchmark = FeatureSet("benchmark", "benchmark id", np.column_stack([is_b, ~is_b]).astype(float))
    alone, told = advantages(prompts, [nothing(prompts), benchmark], 300, rng)
    assert (told.features, told.information) == ("benchmark", "benchmark id")
    assert 0 < told.value.low < 0.24**2 / 4 < told.value.high
    assert told.value.value == pytest.approx(0.24**2 / 4, rel=0.15)
    assert alone.value.value == pytest.approx(0.24**2 / 8, rel=0.15)
    unexplained = (((prompts.measured - 0.9) ** 2 - 0.09) ** 2).mean()
    assert told.share.value == pytest.approx(told.value.value / unexplained)
    assert told.share.low == pytest.approx(told.value.low / unexplained)


def test_at_a_half_nothing_can_be_foreseen():
    """Every loss is .25 there, however wrong q is."""
    prompts, rng = honest(400, seed=2)
    prompts.measured[:300] = 1
    columns = np.eye(2)[(np.arange(400) < 300).astype(int)]
    wrong = prompts._replace(predicted=np.full((400, 2), 0.5))
    (found,) = advantages(wrong, [FeatureSet("", "", columns)], 100, rng)
    assert found.value.value == found.value.low == found.share.value == 0


@given(st.integers(0, 2**20), st.integers(-1, NUM_FOLDS - 1))
@settings(max_examples=10, deadline=None)
def test_no_prompt_is_predicted_from_its_own_fold(seed, number):
    prompts, rng = honest(120, seed)
    is_graded = rng.random(120) < 0.3
    fold = np.where(rng.random(120) < 0.2, -1, prompts.fold)
    prompts = prompts._replace(is_graded=is_graded, fold=fold)
    prompts.measured[is_graded] = rng.random((is_graded.sum(), 2))
    columns, own = rng.normal(size=(120, 3)), fold == number
    other = prompts._replace(measured=np.where(own[:, None], rng.random((120, 2)), prompts.measured))
    for one, two in zip(predict_loss(prompts, columns), predict_loss(other, columns), strict=True):
        np.testing.assert_array_equal(one[own], two[own])


@pytest.mark.parametrize("threshold", [0.3, np.inf])
def test_the_penalty_has_the_least_leave_one_out_error(threshold):
    """Against the normal equations, solved without each prompt in turn; without a signal, nothing is added."""
    prompts, rng = honest(60, seed=8, num_models=1)
    columns, q = rng.normal(size=(60, 2)), prompts.predicted[:, 0]
    outcome = np.where(columns[:, 0] > threshold, np.round(q), prompts.measured[:, 0])
    fold = np.repeat([0, -1], [40, 20])
    prompts = prompts._replace(measured=np.where(fold < 0, np.nan, outcome)[:, None], fold=fold)
    surprise, learn = (outcome - q) ** 2 - q * (1 - q), np.arange(40)
    powers = [(p - p[:40].mean()) / p[:40].std() for p in (q, q**2)]
    inputs = np.column_stack([np.ones(60), *powers, columns])

    def solve(rows, penalty):
        return np.linalg.solve(inputs[rows].T @ inputs[rows] + penalty * np.eye(5), inputs[rows].T @ surprise[rows])

    errors = {
        penalty: sum((surprise[i] - inputs[i] @ solve(learn[learn != i], penalty)) ** 2 for i in learn)
        for penalty in PENALTIES
    }
    best = min(errors, key=errors.get)
    is_better = errors[best] < (surprise[:40] ** 2).sum()
    assert is_better == (threshold < np.inf)
    expected, found = predict_loss(prompts, columns)
    np.testing.assert_allclose(expected[:, 0], q * (1 - q))
    wanted = (q * (1 - q) + is_better * inputs @ solve(learn, best)).clip(0, 1)
    np.testing.assert_allclose(found[40:, 0], wanted[40:], rtol=1e-8, atol=1e-10)


def test_grades_vary_less_than_successes():
    """Outcomes a quarter above or below a correct q: q (1 - q) is far above their squared error of .0625."""
    rng = np.random.default_rng(5)
    q = rng.uniform(0.3, 0.7, size=(2000, 2))
    graded = make_prompts(q, q + rng.choice([-0.25, 0.25], size=q.shape), rng, is_graded=True)
    np.testing.assert_allclose(expected_loss(graded, graded.fold > 0), 0.0625)
    (found,) = advantages(graded, [nothing(graded)], 0, rng)
    assert found.value.value == pytest.approx(0, abs=1e-12)
    assert (found.value.low, found.share.high) == (None, None)
    naive = graded._replace(is_graded=~graded.is_graded)
    assert advantages(naive, [nothing(naive)], 0, rng)[0].share.value > 0.9


def test_grades_outside_the_learned_bins():
    """Without graded prompts to learn from it is q (1 - q); for a q above all learned ones, their mean loss."""
    is_graded = np.array([True, True, False, False])
    prompts = Prompts(np.full((4, 1), 0.25), np.full((4, 1), 0.5), is_graded, np.zeros(4, int))
    np.testing.assert_allclose(expected_loss(prompts, np.arange(4) > 1), 0.1875)
    prompts.predicted[1] = 0.9
    np.testing.assert_allclose(expected_loss(prompts, np.arange(4) == 0)[:2], 0.0625)


def test_missing_outcomes_and_prompts_without_outcomes_change_nothing():
    """A model without outcomes, and prompts of fold -1, leave the advantage of the others as it is."""
    prompts, _ = honest(500, seed=6, num_models=3)
    prompts = prompts._replace(predicted=prompts.predicted**2)
    prompts.measured[:, 1], prompts.measured[::7, 2] = np.nan, np.nan
    rest = prompts._replace(predicted=prompts.predicted[:, [0, 2]], measured=prompts.measured[:, [0, 2]])
    more = Prompts(*(np.concatenate([part, part[:50]]) for part in prompts))
    more.measured[500:], more.fold[500:] = np.nan, -1
    figures = [advantages(one, [nothing(one)], 50, np.random.default_rng(0))[0].value for one in (prompts, rest, more)]
    assert 0 < figures[0].low < figures[0].value < figures[0].high
    for other in figures[1:]:
        assert vars(other) == pytest.approx(vars(figures[0]))
