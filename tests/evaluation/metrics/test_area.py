from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.evaluation.metrics import aiq, aiq_original_code, area_as_routed, auc_cascade_routing, hypervolume

POINTS = st.lists(st.tuples(st.integers(1, 16), st.integers(0, 16)), min_size=1, max_size=10)
HULLS = POINTS.map(lambda points: non_decreasing_hull(*(np.array(points).T / 16)))
INTERVALS = st.tuples(st.integers(0, 15), st.integers(1, 10)).map(lambda ends: (ends[0] / 16, sum(ends) / 16))


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


def middles_of_sixteenths(low, high):
    """Where the mean of a curve with corners at sixteenths only is exact."""
    return np.arange(round(16 * low), round(16 * high)) / 16 + 1 / 32


def signed_mean_height(points, low, high, floor):
    """Mean over costs of the interval: each stretch that passes a cost rightwards counts +, leftwards -."""
    stops = [(low, floor)] * (points[0][0] > low) + points + [(high, points[-1][1])] * (points[-1][0] < high)
    total, middles = 0.0, middles_of_sixteenths(low, high)
    for at in middles:
        for (cost, quality), (next_cost, next_quality) in pairwise(stops):
            if min(cost, next_cost) <= at < max(cost, next_cost):
                height = quality + (at - cost) / (next_cost - cost) * (next_quality - quality)
                total += height * (1 if next_cost > cost else -1)
    return total / len(middles)


@given(POINTS, INTERVALS, st.integers(0, 16))
def test_area_as_routed_counts_each_cost_of_the_interval_once(points, interval, floor):
    points = [(cost / 16, quality / 16) for cost, quality in points]
    area = area_as_routed(*np.array(points).T, *interval, floor / 16)
    assert area == pytest.approx(signed_mean_height(points, *interval, floor / 16), abs=1e-12)


def test_area_as_routed_by_hand():
    # floor 0..1 from .0 to .4; up to (3, .8); back to (2, .2); on to (4, 1); flat to 5
    #   1/2 (.0+.4) + 2 * (.4+.8)/2 - 1 * (.8+.2)/2 + 2 * (.2+1)/2 + 1 = .2 + 1.2 - .5 + 1.2 + 1
    assert area_as_routed([1, 3, 2, 4], [0.4, 0.8, 0.2, 1], 0, 5, 0) == pytest.approx(3.1 / 5)
    # A stretch from (0, 0) to (2, 1) is at 3/4 on average between 1 and 2, at 3/8 between 1/2 and 1.
    assert area_as_routed([0, 2], [0, 1], 1, 2, 0.5) == pytest.approx(3 / 4)
    assert area_as_routed([0, 2], [0, 1], 0.5, 1, 0.5) == pytest.approx(3 / 8)
    # All of the curve left of the interval is flat over it; all of it right is the way there from the cheapest model.
    assert area_as_routed([1, 2], [0.25, 0.75], 3, 4, 0.5) == pytest.approx(0.75)
    assert area_as_routed([4], [1], 0, 2, 0) == pytest.approx(1 / 4)


@given(POINTS, INTERVALS)
def test_area_as_routed_along_a_hull_is_its_aiq(points, interval):
    hull = non_decreasing_hull(*(np.array([*points, (0, 0)]).T / 16))
    assert area_as_routed(hull.cost, hull.quality, *interval, 0.0) == pytest.approx(aiq(hull, *interval))


def test_area_as_routed_takes_rows_at_once():
    rng = np.random.default_rng(0)
    cost, quality = rng.random((2, 4, 3, 20))
    low, width, floor = rng.random((3, 4, 3))
    high = low + width
    areas = area_as_routed(cost, quality, low, high, floor)
    assert areas.shape == (4, 3)
    for place in np.ndindex(4, 3):
        assert areas[place] == area_as_routed(cost[place], quality[place], low[place], high[place], floor[place])
    assert area_as_routed(cost, quality, 0.2, 0.8, 0.1).shape == (4, 3)


def test_a_row_without_an_interval_has_no_area():
    areas = area_as_routed([[1.0, 2.0]] * 2, [[0.5, 1.0]] * 2, low=[1, 1], high=[1, 2], floor_quality=[0, 0])
    assert np.isnan(areas[0])
    assert areas[1] == 0.75


def test_what_is_no_curve_is_refused():
    with pytest.raises(ValueError, match=r"low must not exceed high, got 2.0 and 1.0"):
        area_as_routed([1.0], [0.5], 2, 1, 0)
    with pytest.raises(ValueError, match="cost has nan in it"):
        area_as_routed([np.nan], [0.5], 0, 1, 0)
    with pytest.raises(ValueError, match="shapes differ"):
        area_as_routed([1.0, 2.0], [0.5], 0, 1, 0)
    with pytest.raises(ValueError, match="cost is empty"):
        auc_cascade_routing([], [], 0, 1, 0)


@given(POINTS, INTERVALS, st.integers(0, 16), st.randoms(use_true_random=False))
def test_auc_of_cascade_routing(points, interval, floor, random):
    """Heights by NumPy's interpolation over sorted points, with the gaps filled by hand."""
    points = sorted({(cost / 16, quality / 16) for cost, quality in points})
    low, high = interval
    filled = [(low, floor / 16)] * (points[0][0] > low) + points
    # np.interp needs distinct costs: take equal ones a hair apart, in order of quality.
    cost, quality = np.array(filled).T
    expected = np.interp(middles_of_sixteenths(*interval), cost + np.arange(len(cost)) * 1e-12, quality).mean()
    random.shuffle(points)
    assert auc_cascade_routing(*np.array(points).T, low, high, floor / 16) == pytest.approx(expected, abs=1e-9)


@given(POINTS, st.tuples(st.integers(0, 18), st.integers(0, 16)))
def test_hypervolume_counts_the_squares_that_a_point_beats(points, reference):
    beaten = {
        (x, y)
        for cost, quality in points
        for x in range(cost, reference[0])
        for y in range(reference[1], quality)
    }  # fmt: skip
    assert hypervolume(*np.array(points).T, *reference) == len(beaten)


@given(POINTS)
def test_hypervolume_is_at_most_the_area_under_the_hull(points):
    hull = non_decreasing_hull(*(np.array(points).T / 16))
    staircase = hypervolume(*(np.array(points).T / 16), 2, 0) / (2 - hull.cost[0])
    assert staircase <= aiq(hull, hull.cost[0], 2) + 1e-12
