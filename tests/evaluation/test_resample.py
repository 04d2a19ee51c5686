"""Intervals against scipy's, and their properties: p-value, paired resamples, coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routerbench.evaluation.resample import basic_interval, difference_interval, percentile_interval, weights


def draw(values, num_resamples=4000, seed=0):
    chunks = weights(len(values), num_resamples, np.random.default_rng(seed))
    return np.concatenate([chunk.T @ values for chunk in chunks]) / len(values)


def test_weights_are_counts_of_draws_with_replacement():
    chunks = list(weights(50, 70, np.random.default_rng(0)))
    counts = np.concatenate(chunks, axis=1)
    assert counts.shape == (50, 70)
    assert (counts.sum(axis=0) == 50).all()
    assert ((counts >= 0) & (counts % 1 == 0)).all()
    # Of n prompts a resample leaves out (1 - 1/n)^n, about 36 %.
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.03)
    again = np.concatenate(list(weights(50, 70, np.random.default_rng(0))), axis=1)
    assert (counts == again).all()


def test_intervals_agree_with_scipy():
    values = np.random.default_rng(1).exponential(size=80)
    resampled = draw(values)
    for method, bounds in (
        ("basic", basic_interval(values.mean(), values.mean(), resampled)),
        ("percentile", percentile_interval(resampled)),
    ):
        peer = stats.bootstrap((values,), np.mean, n_resamples=4000, method=method, rng=2).confidence_interval
        assert bounds == pytest.approx(peer, abs=0.03)


def test_the_basic_interval_takes_off_the_bias_that_resampling_adds():
    # Resamples 1 above the centre, and a value 5 above it: errors of 1 are taken off, not added.
    assert basic_interval(5, 0, np.full(100, 1.0)) == (4, 4)


def test_missing_and_infinite_figures():
    assert basic_interval(1, 1, np.append(np.full(80, np.nan), np.ones(20))) is None
    assert basic_interval(np.nan, 1, np.ones(100)) is None
    low, high = percentile_interval(np.append(np.ones(90), np.full(10, np.inf)))
    assert (low, high) == (1, np.inf)
    assert percentile_interval(np.full(100, np.nan)) is None


@given(st.integers(0, 10_000), st.floats(-0.5, 0.5))
def test_the_p_value_is_below_5_percent_where_the_interval_is_without_0(seed, shift):
    values = np.random.default_rng(seed).normal(shift, 1, 60)
    found = difference_interval(values.mean(), values.mean(), draw(values, 999, seed))
    if abs(found.p_value - 0.05) > 0.005:  # quantiles interpolate, counts do not
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def test_p_values_agree_with_the_paired_t_test_where_that_is_right():
    values = np.random.default_rng(3).normal(0.2, 1, 200)
    found = difference_interval(values.mean(), values.mean(), draw(values))
    assert found.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
