import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.metrics import cost_save, gain_at, gap_at, pareto_dist, perf_gain

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=6)


def test_gains_are_relative_on_each_benchmark_before_they_are_averaged():
    quality, baseline = [0.2, 0.9, 0.5], [0.1, 0.9, 1.0]
    assert gain_at(quality, baseline) == pytest.approx((1 + 0 - 0.5) / 3)
    # Two points of quality more, once on a hard benchmark and once on an easy one
    assert gain_at([0.12, 0.9], [0.10, 0.9]) > gain_at([0.10, 0.92], [0.10, 0.9])


def test_gap_to_the_oracle():
    assert gap_at([0.2, 0.9], [0.8, 0.9]) == pytest.approx(0.375)
    assert gap_at([0.4879], [0.9164]) == pytest.approx(0.468, abs=5e-4)  # the random router as published


def test_a_benchmark_without_quality_has_no_relative_gain():
    with pytest.raises(ValueError, match=r"relative to a quality of 0\.0"):
        gain_at([0.5, 0.5], [0.5, 0])
    with pytest.raises(ValueError, match=r"relative to a quality of 0\.0"):
        gap_at([0.0], [0.0])
    with pytest.raises(ValueError, match="shapes differ"):
        gap_at([0.5], [0.5, 0.5])


def test_perf_gain_is_that_of_the_best_setting():
    assert perf_gain([0.3, 0.6, 0.4], best_quality=0.5) == pytest.approx(0.2)
    assert perf_gain([0.3, 0.4], best_quality=0.5) == pytest.approx(-0.2)


def test_cost_save_is_that_of_the_cheapest_setting_as_good():
    cost, quality = [5.0, 1.0, 3.0, 2.0], [0.9, 0.2, 0.6, 0.5 - 1e-12]
    assert cost_save(cost, quality, best_quality=0.5, best_cost=4) == 0.5
    assert cost_save(cost, quality, best_quality=0.55, best_cost=4) == 0.25
    assert cost_save(cost, quality, best_quality=0.7, best_cost=4) == -0.25
    assert cost_save(cost, quality, best_quality=0.95, best_cost=4) is None
    assert cost_save(cost, quality, best_quality=0.5, best_cost=0) is None


@given(POINTS, POINTS)
def test_pareto_dist_equals_its_definition(own, others):
    everyone = own + others
    spans = [max(axis) - min(axis) or 1 for axis in zip(*everyone, strict=True)]
    frontier = [
        (c, q) for c, q in everyone if not any(d <= c and r >= q and (d, r) != (c, q) for d, r in everyone)
    ]  # fmt: skip
    nearest = [min(math.dist((c / spans[0], q / spans[1]), (d / spans[0], r / spans[1])) for d, r in frontier)
               for c, q in own]  # fmt: skip
    assert pareto_dist(*np.array(own).T, *np.array(others).T) == pytest.approx(sum(nearest) / len(own), abs=1e-12)


def test_pareto_dist_depends_on_the_others_and_not_on_the_currency():
    own, others = ([2.0, 4.0], [0.4, 0.8]), ([1.0, 5.0], [0.2, 0.6])
    assert pareto_dist(*own, *others) == 0
    worse = pareto_dist(*own, others[0], [0.2, 1.0])
    assert pareto_dist(*own, [1.0, 3.0], [0.2, 1.0]) > worse == 0
    assert pareto_dist([20, 40], own[1], [10, 30], [0.2, 1.0]) == pytest.approx(
        pareto_dist(*own, [1.0, 3.0], [0.2, 1.0])
    )
