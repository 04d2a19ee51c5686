from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from routerbench.policy import select
from routerbench.sequences.supermodels import (
    Estimates,
    _Beliefs,
    normal_draws,
    play_cascade,
    prefix_maxima,
    subset_maxima,
)

CELLS = arrays(np.float64, (6, 4), elements=st.integers(0, 8).map(lambda eighths: eighths / 8))
LAMBDAS = np.array([0, 0.25, 0.5, 1, 2, 8, np.inf])


def world(seed, num_prompts=12, num_models=4, noise=0.2):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(num_models, num_models)) * noise
    before = rng.random((num_prompts, num_models))
    after = before + rng.normal(size=before.shape) @ root.T
    cost = rng.random((num_prompts, num_models)) * np.geomspace(0.01, 0.3, num_models)
    return Estimates(before, after, root @ root.T, cost), normal_draws(num_models, rng)


def symmetric_root(matrix):
    size, axes = np.linalg.eigh(matrix)
    return axes @ np.diag(np.sqrt(size.clip(0))) @ axes.T


def by_hand(before, after, covariance, cost, lambda_, draws, max_depth, is_chain):
    """One prompt at one lambda, one set after the other: the models that ran, and which one answers."""
    everyone, ran = list(range(len(before))), []
    while True:
        left = [m for m in everyone if m not in ran]
        gain = np.zeros((len(left), 0))
        if ran:
            gain = np.linalg.solve(covariance[np.ix_(ran, ran)], covariance[np.ix_(ran, left)]).T
        mean = before[left] + gain @ (after - before)[ran]
        spread = covariance[np.ix_(left, left)] - gain @ covariance[np.ix_(ran, left)]
        sample = mean[:, None] + symmetric_root(spread) @ draws[left].astype(float)
        base = max(after[ran], default=-np.inf)
        longest = len(left) if is_chain else min(max_depth - len(ran), len(left))
        candidates = [c for size in range(1, longest + 1) for c in combinations(range(len(left)), size)]
        if is_chain:
            candidates = [tuple(range(size)) for size in range(1, longest + 1)]
        best, best_value = (), (base if lambda_ == np.inf else lambda_ * base) if ran else -np.inf
        for candidate in candidates:
            quality = np.maximum(sample[list(candidate)].max(axis=0), base).mean()
            price = sum(cost[left[m]] for m in candidate)
            value = quality if lambda_ == np.inf else lambda_ * quality - price
            if value > best_value + 1e-6:
                best, best_value = candidate, value
        if not best:
            return ran, max(ran, key=lambda m: after[m])
        models = [left[m] for m in best]
        ran.append(models[0] if is_chain else min(models, key=lambda m: cost[m]))


def expected_max(mean, covariance, draws, max_size):
    """E[max] of every subset of some Gaussians, from the draws and maxima that a cascade looks ahead with."""
    sample = mean[:, None] + _Beliefs.of(covariance, draws, np.zeros(1, np.int64)).noise[0]
    values = np.concatenate(list(subset_maxima(np.full(draws.shape[1], -np.inf), sample, max_size)))
    subsets = np.concatenate(list(subset_maxima(np.zeros(len(mean), bool), np.eye(len(mean), dtype=bool), max_size)))
    return {tuple(np.flatnonzero(s).tolist()): v.mean() for s, v in zip(subsets, values, strict=True)}


@pytest.mark.parametrize("seed", range(5))
def test_the_expected_maximum_is_that_of_clark(seed):
    table = expected_max(
        np.array([0.6, 0.7]), np.diag([0.04, 0.01]), normal_draws(2, np.random.default_rng(seed)), max_size=2
    )
    assert table[0, 1] == pytest.approx(0.74798107, abs=5e-3)
    assert (table[0,], table[1,]) == pytest.approx((0.6, 0.7), abs=1e-6)


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.5, 0.95])
def test_correlated_models_promise_what_clarks_formula_says(rho):
    mean, std = np.array([0.5, 0.55]), np.array([0.3, 0.2])
    covariance = np.outer(std, std) * np.array([[1, rho], [rho, 1]])
    spread = np.sqrt(std @ std - 2 * rho * std.prod())
    d = (mean[0] - mean[1]) / spread
    clark = mean[0] * norm.cdf(d) + mean[1] * norm.cdf(-d) + spread * norm.pdf(d)
    table = expected_max(mean, covariance, normal_draws(2, np.random.default_rng(0)), max_size=2)
    assert table[0, 1] == pytest.approx(clark, abs=5e-3)


@pytest.mark.parametrize(("num_models", "max_size"), [(1, 1), (3, 2), (5, 5), (6, 3), (4, 9)])
def test_every_subset_once_and_its_maximum(num_models, max_size):
    values = np.random.default_rng(0).normal(size=(num_models, 7))
    maxima = np.concatenate(list(subset_maxima(np.zeros(7), values, max_size)))
    members = np.concatenate(list(subset_maxima(np.zeros(num_models, bool), np.eye(num_models, dtype=bool), max_size)))
    found = {tuple(np.flatnonzero(row).tolist()): row_max for row, row_max in zip(members, maxima, strict=True)}
    sizes = range(1, min(max_size, num_models) + 1)
    subsets = [subset for size in sizes for subset in combinations(range(num_models), size)]
    assert len(members) == len(subsets)
    for subset in subsets:
        np.testing.assert_array_equal(found[subset], values[list(subset)].max(axis=0).clip(0))


def test_prefixes_only():
    values = np.array([[1, 9], [4, 2], [3, 3]])
    assert next(prefix_maxima(np.array([2, 0]), values)).tolist() == [[2, 9], [4, 9], [4, 9]]


@pytest.mark.parametrize("is_chain", [False, True])
@pytest.mark.parametrize("max_depth", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_plays_as_by_hand(seed, max_depth, is_chain):
    estimates, draws = world(seed)
    lambdas = np.array([0, 0.05, 0.3, 1, 4, np.inf])
    calls = play_cascade(estimates, lambdas, draws, max_depth, is_chain)
    assert calls.ran.sum(axis=2).max() > 1
    for i, (before, after, cost) in enumerate(zip(estimates.before, estimates.after, estimates.cost, strict=True)):
        for s, lambda_ in enumerate(lambdas):
            ran, answer = by_hand(before, after, estimates.covariance, cost, lambda_, draws, max_depth, is_chain)
            assert np.flatnonzero(calls.ran[i, s]).tolist() == sorted(ran), (i, lambda_)
            assert calls.answer[i, s] == answer


@settings(deadline=None)
@given(CELLS, CELLS, CELLS)
def test_without_moves_to_come_one_model_runs_and_it_is_the_one_select_chooses(quality, after, cost):
    draws = normal_draws(4, np.random.default_rng(0))
    estimates = Estimates(quality, quality, np.zeros((4, 4)), cost)
    calls = play_cascade(estimates, LAMBDAS, draws)
    once = play_cascade(estimates._replace(after=after), LAMBDAS, draws, max_depth=1)
    for s, lambda_ in enumerate(LAMBDAS):
        chosen = select(quality, cost, lambda_)
        np.testing.assert_array_equal(once.answer[:, s], chosen)
        worth = quality if lambda_ == np.inf else lambda_ * quality - cost
        rows = np.arange(len(quality))
        np.testing.assert_array_equal(worth[rows, calls.answer[:, s]], worth[rows, chosen])
        free = (cost * calls.ran[:, s]).sum(axis=1) - cost[rows, calls.answer[:, s]]
        assert (free == 0).all()  # nothing was paid beside the answer


def test_one_call_is_plain_routing_whatever_may_be_learned_from_it():
    estimates, draws = world(0, num_prompts=300, num_models=6)
    lambdas = np.concatenate([[0], np.geomspace(1e-3, 10, 20), [np.inf]])
    calls = play_cascade(estimates, lambdas, draws, max_depth=1)
    assert (calls.ran.sum(axis=2) == 1).all()
    for s, lambda_ in enumerate(lambdas):
        np.testing.assert_array_equal(calls.answer[:, s], select(estimates.before, estimates.cost, lambda_))


def test_a_bad_answer_is_followed_by_a_better_one_and_a_good_one_is_not():
    # Trying the cheap model first is worth 0.65 or so: it fails on the second prompt, for which the dear one runs too.
    estimates = Estimates(
        before=np.array([[0.5, 0.8]] * 2),
        after=np.array([[0.9, 0.8], [0.1, 0.8]]),
        covariance=np.diag([0.16, 0.0]),
        cost=np.array([[0.01, 0.2]] * 2),
    )
    calls = play_cascade(estimates, np.array([0, 1.0]), normal_draws(2, np.random.default_rng(0)))
    assert calls.ran[:, 0].tolist() == [[True, False]] * 2
    assert calls.ran[:, 1].tolist() == [[True, False], [True, True]]
    assert calls.answer[:, 1].tolist() == [0, 1]


@pytest.mark.parametrize(("rho", "goes_on"), [(0.99, False), (-0.99, True), (0.0, True)])
def test_what_one_answer_reveals_shifts_the_estimates_of_the_others(rho, goes_on):
    # The cheap model failed; where the dear one fails with it, it is not worth its cost any more.
    estimates = Estimates(
        before=np.array([[0.6, 0.7]]),
        after=np.array([[0.2, 0.3]]),
        covariance=0.04 * np.array([[1, rho], [rho, 1]]),
        cost=np.array([[0.001, 0.2]]),
    )
    calls = play_cascade(estimates, np.array([1.0]), normal_draws(2, np.random.default_rng(0)))
    assert calls.ran[0, 0].tolist() == [True, goes_on]


@pytest.mark.parametrize("is_chain", [False, True])
def test_estimates_of_answers_are_read_only_where_a_model_ran(is_chain):
    estimates, draws = world(4, num_prompts=60, num_models=5)
    for lambda_ in (0.05, 0.5, 3):
        calls = play_cascade(estimates, np.array([lambda_]), draws, 3, is_chain)
        other = np.where(calls.ran[:, 0], estimates.after, 99.0)
        again = play_cascade(estimates._replace(after=other), np.array([lambda_]), draws, 3, is_chain)
        np.testing.assert_array_equal(calls.ran, again.ran)
        np.testing.assert_array_equal(calls.answer, again.answer)


def test_depth_is_kept_chains_run_in_order_and_an_answer_comes_from_a_model_that_ran():
    estimates, draws = world(5, num_prompts=200, num_models=6, noise=0.4)
    lambdas = np.array([0, 0.3, 3, np.inf])
    calls = play_cascade(estimates, lambdas, draws, max_depth=3)
    number = calls.ran.sum(axis=2)
    assert (number[:, 0] == 1).all()
    assert number.min() == 1
    assert number.max() == 3
    chain = play_cascade(estimates, lambdas, draws, is_chain=True).ran
    assert (np.diff(chain.astype(int), axis=2) <= 0).all()
    assert np.take_along_axis(calls.ran, calls.answer[:, :, None], 2).all()


def test_a_prompt_is_played_alike_alone_and_among_others():
    estimates, draws = world(6, num_prompts=300, num_models=5)
    lambdas = np.geomspace(0.01, 5, 6)
    together = play_cascade(estimates, lambdas, draws)
    for row in (0, 150, 299):
        before, after, covariance, cost = estimates
        alone = Estimates(before[[row]], after[[row]], covariance, cost[[row]])
        np.testing.assert_array_equal(play_cascade(alone, lambdas, draws).ran[0], together.ran[row])


def test_no_prompt_no_call():
    estimates, draws = world(0)
    before, after, covariance, cost = estimates
    calls = play_cascade(Estimates(before[:0], after[:0], covariance, cost[:0]), LAMBDAS, draws)
    assert calls.ran.shape == (0, len(LAMBDAS), 4)


def test_draws_fill_space_are_centred_and_come_from_the_generator():
    draws = normal_draws(11, np.random.default_rng(0))
    assert draws.shape == (11, 128)
    assert abs(draws.mean(axis=1)).max() < 1e-6
    assert draws.std(axis=1) == pytest.approx(np.ones(11), abs=0.05)
    np.testing.assert_array_equal(draws, normal_draws(11, np.random.default_rng(0)))
    assert (draws != normal_draws(11, np.random.default_rng(1))).any()
