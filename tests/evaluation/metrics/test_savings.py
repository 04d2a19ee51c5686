import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.evaluation.metrics import cost_at_quality, cost_saving, peak, qnc, quality_gain

POINTS = st.lists(st.tuples(st.integers(1, 16), st.integers(0, 16)), min_size=1, max_size=10)
HULLS = POINTS.map(lambda points: non_decreasing_hull(*(np.array(points).T / 16)))


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


def test_cost_saving():
    hull = Hull(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
    assert cost_saving(hull, best_quality=0.5, best_cost=8) == 0.75
    assert cost_saving(hull, best_quality=0.75, best_cost=2) == -0.5
    assert cost_saving(hull, best_quality=0.8, best_cost=4) is None
    assert cost_saving(hull, best_quality=0.5, best_cost=0) is None


def test_quality_gain():
    hull = Hull(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
    assert quality_gain(hull, best_quality=0.25, best_cost=2) == 0.25
    assert quality_gain(hull, best_quality=1, best_cost=9) == -0.25
    assert quality_gain(hull, best_quality=0.25, best_cost=1) == 0
    assert quality_gain(hull, best_quality=0.1, best_cost=0.999) is None


@given(POINTS, st.integers(0, 9))
def test_a_hull_over_the_best_single_model_neither_loses_nor_overspends(points, index):
    hull = non_decreasing_hull(*(np.array(points).T / 16))
    cost, quality = np.array(points[index % len(points)]) / 16
    assert quality_gain(hull, quality, cost) >= -1e-12
    assert cost_saving(hull, quality, cost) >= -1e-12


@given(POINTS)
def test_peak_is_the_cheapest_of_the_best_points(points):
    best = min(points, key=lambda point: (-point[1], point[0]))
    found = peak(non_decreasing_hull(*(np.array(points).T / 16)))
    assert (found.cost, found.quality) == (best[0] / 16, best[1] / 16)
