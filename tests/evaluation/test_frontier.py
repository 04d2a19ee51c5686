from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.frontier import Hull, non_decreasing_hull, pareto_frontier

COORDINATE = st.integers(0, 12).map(lambda eighths: eighths / 8)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=12).map(lambda points: np.array(points).T)
ANY_POINTS = st.lists(
    st.tuples(st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False)), min_size=1, max_size=30
).map(lambda points: np.array(points).T)


def brute_height(points, at):
    """Best quality of any mixture of at most two points that costs at most ``at``; exact, O(n^2)."""
    exact = [(Fraction(c), Fraction(q)) for c, q in zip(*points.tolist(), strict=True)]
    best = max((q for c, q in exact if c <= at), default=None)
    for low_cost, low_quality in exact:
        for high_cost, high_quality in exact:
            if low_cost <= at < high_cost:
                share = (at - low_cost) / (high_cost - low_cost)
                best = max(best, low_quality + share * (high_quality - low_quality))
    return best


@given(POINTS)
def test_hull_equals_brute_force(points):
    hull = non_decreasing_hull(*points)
    for sixteenths in range(int(points[0].min() * 16), 26):
        at = Fraction(sixteenths, 16)
        assert hull.at(float(at)) == pytest.approx(float(brute_height(points, at)), abs=1e-12)


@given(ANY_POINTS)
def test_hull_is_concave_increasing_above_all_points_and_made_of_them(points):
    hull = non_decreasing_hull(*points)
    assert (np.diff(hull.cost) > 0).all()
    assert (np.diff(hull.quality) > 0).all()
    assert (hull.at(points[0]) >= points[1] - 1e-12).all()
    assert set(zip(hull.cost, hull.quality, strict=True)) <= set(zip(*points, strict=True))
    slopes = np.diff(hull.quality) / np.diff(hull.cost)
    assert (slopes[1:] <= slopes[:-1] * (1 + 1e-9)).all()
    again = non_decreasing_hull(hull.cost, hull.quality)
    assert np.allclose(again.at(hull.cost), hull.quality, rtol=0, atol=1e-12)


@given(POINTS)
def test_frontier_equals_the_definition(points):
    kept = pareto_frontier(*points).tolist()
    places = list(zip(*points.tolist(), strict=True))
    beaten = {
        i for i, (c, q) in enumerate(places)
        if any((d <= c and r >= q) and ((d, r) != (c, q) or j < i) for j, (d, r) in enumerate(places))
    }  # fmt: skip
    assert sorted(kept) == sorted(set(range(len(places))) - beaten)
    assert kept == sorted(kept, key=lambda i: places[i])


@pytest.mark.parametrize(
    ("points", "vertices"),
    [
        ([(1, 0.2), (2, 0.3), (3, 0.7)], [(1, 0.2), (3, 0.7)]),
        ([(1, 0.9), (2, 0.3), (3, 0.95)], [(1, 0.9), (3, 0.95)]),
        ([(1, 0.2), (2, 0.8), (3, 0.7), (4, 0.75)], [(1, 0.2), (2, 0.8)]),
        ([(1, 0.2), (1, 0.5), (2, 0.6), (3, 0.7)], [(1, 0.5), (3, 0.7)]),  # the original code starts at (1, 0.2)
        ([(2, 0.4)], [(2, 0.4)]),
        ([(2, 0.4), (2, 0.4)], [(2, 0.4)]),
        ([(2, 0.4), (2, 0.6), (2, 0.5)], [(2, 0.6)]),
        ([(1, 0.6), (2, 0.4)], [(1, 0.6)]),
        ([(0, 0.5), (0, 0.5), (1, 0.5)], [(0, 0.5)]),
    ],
)
def test_reference_vectors(points, vertices):
    cost, quality = np.array(points, float).T
    hull = non_decreasing_hull(cost, quality)
    ends = [0, -1]  # points on an edge may or may not count as vertices
    assert list(zip(hull.cost[ends], hull.quality[ends], strict=True)) == [vertices[0], vertices[-1]]
    assert np.allclose(hull.at([c for c, _ in vertices]), [q for _, q in vertices])
    assert len(hull.cost) <= len(vertices) + (len(points) == 4)


def test_left_of_the_hull_is_unknown_and_right_of_it_flat():
    hull = Hull(np.array([1.0, 2.0]), np.array([0.25, 0.5]))
    assert np.isnan(hull.at(0.999))
    assert hull.at([1, 1.5, 2, 1e9]).tolist() == [0.25, 0.375, 0.5, 0.5]


@pytest.mark.parametrize("function", [pareto_frontier, non_decreasing_hull])
@pytest.mark.parametrize(("cost", "quality"), [([], []), ([1, 2], [1]), ([np.nan], [1]), ([1], [np.inf])])
def test_no_points_unequal_lengths_and_missing_numbers_are_refused(function, cost, quality):
    with pytest.raises(ValueError, match="a frontier needs"):
        function(np.array(cost), np.array(quality))
