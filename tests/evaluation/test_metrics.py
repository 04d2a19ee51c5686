import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.evaluation.metrics import aiq, aiq_original_code, cost_at_quality, qnc

POINTS = st.lists(st.tuples(st.integers(1, 16), st.integers(0, 16)), min_size=1, max_size=10)
HULLS = POINTS.map(lambda points: non_decreasing_hull(*(np.array(points).T / 16)))


@given(HULLS, st.floats(0, 1), st.floats(0.01, 2))
def test_aiq_is_the_mean_height(hull, offset, width):
    low = hull.cost[0] + offset
    middles = low + width * (np.arange(20_000) + 0.5) / 20_000
    assert aiq(hull, low, low + width) == pytest.approx(hull.at(middles).mean(), abs=1e-4)


@given(HULLS, st.sampled_from([0.001, 3, 1e4]))
def test_aiq_ignores_the_currency_and_follows_the_scale_of_quality(hull, rate):
    low, high = hull.cost[0], 2.0
    value = aiq(hull, low, high)
    assert hull.quality[0] - 1e-12 <= value <= hull.quality[-1] + 1e-12
    assert aiq(Hull(hull.cost * rate, hull.quality), low * rate, high * rate) == pytest.approx(value)
    assert aiq(Hull(hull.cost, hull.quality * 0.5 + 0.25), low, high) == pytest.approx(value * 0.5 + 0.25)


@given(POINTS, POINTS)
def test_more_points_never_lower_the_aiq(points, others):
    hull = non_decreasing_hull(*(np.array(points).T / 16))
    larger = non_decreasing_hull(*(np.array(points + others).T / 16))
    assert aiq(larger, hull.cost[0], 2) >= aiq(hull, hull.cost[0], 2) - 1e-12


def test_reference_vectors():
    # 1..2 mean 0.45, 2..4 mean 0.675: (0.45 + 1.35) / 3
    assert aiq(Hull(np.array([1, 2, 4.0]), np.array([0.3, 0.6, 0.75])), 1, 4) == pytest.approx(0.6)
    constant = Hull(np.array([2.0]), np.array([0.8]))
    assert aiq(constant, 2, 4) == pytest.approx(0.8)
    assert aiq_original_code(constant, 4) == pytest.approx(0.4)
    # Another router that reaches ten times the cost changes the number, not the curve.
    assert aiq_original_code(constant, 40) == pytest.approx(0.8 * 38 / 40)
    assert aiq_original_code(Hull(np.array([1, 3.0]), np.array([0.2, 0.6])), 3) == pytest.approx(0.8 / 3)


def test_an_interval_that_is_none_is_refused():
    hull = Hull(np.array([1.0, 2.0]), np.array([0.3, 0.6]))
    with pytest.raises(ValueError, match="interval of costs"):
        aiq(hull, 2, 2)
    with pytest.raises(ValueError, match=r"starts at 1\.0 USD"):
        aiq(hull, 0.9, 2)
    for max_cost in (1.9, np.nan):
        with pytest.raises(ValueError, match="max_cost"):
            aiq_original_code(hull, max_cost)
    with pytest.raises(ValueError, match="max_cost"):
        aiq_original_code(Hull(np.zeros(1), np.ones(1)), 0)


@given(HULLS, st.floats(0, 1))
def test_cost_at_quality_inverts_the_hull(hull, quality):
    cost = cost_at_quality(hull, quality)
    if quality > hull.quality[-1] + 1e-9:
        assert cost is None
    elif quality <= hull.quality[0]:
        assert cost == hull.cost[0]
    else:
        assert hull.at(cost) == pytest.approx(quality, abs=1e-8)


def test_a_quality_missed_by_rounding_is_reached():
    hull = Hull(np.array([1.0, 3.0]), np.array([0.2, 0.6]))
    assert cost_at_quality(hull, 0.6 + 1e-13) == 3
    assert cost_at_quality(hull, 0.6 + 1e-6) is None


def test_qnc():
    hull = Hull(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
    assert qnc(hull, best_quality=0.5, best_cost=4) == 0.5
    assert qnc(hull, best_quality=0.8, best_cost=4) is None
    assert qnc(hull, best_quality=0.5, best_cost=0) is None
