from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routerbench.evaluation import sweep as module
from routerbench.evaluation.sweep import sweep, sweep_prediction
from routerbench.policy import select
from routerbench.routers.base import Choices, Prediction


@st.composite
def worlds(draw):
    """Predicted and measured outcomes on a coarse grid, full of ties, duplicates and lines that meet in one point."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    cells = arrays(np.float64, shape, elements=st.integers(0, 8).map(lambda eighths: eighths / 8))
    return tuple(draw(cells) for _ in range(4))


def crossings(quality, cost):
    """Every lambda at which any two models of a prompt have one utility, exactly, ascending."""
    found = set()
    for q, c in zip(quality.tolist(), cost.tolist(), strict=True):
        for i in range(len(q)):
            for j in range(len(q)):
                if q[j] > q[i] and c[j] >= c[i]:
                    found.add(Fraction(c[j] - c[i]) / Fraction(q[j] - q[i]))
    return sorted(found)


def realised(world, lambda_):
    predicted_quality, predicted_cost, quality, cost = world
    chosen = select(predicted_quality, predicted_cost, lambda_)
    rows = np.arange(len(chosen))
    return cost[rows, chosen].mean(), quality[rows, chosen].mean(), np.bincount(chosen, minlength=quality.shape[1])


def asked_lambdas(world):
    """0, infinity, each crossing a float holds exactly, and the middle of each gap between crossings."""
    exact = [Fraction(0), *crossings(*world[:2])]
    middles = [float((low + high) / 2) for low, high in pairwise([*exact, exact[-1] + 1])]
    return [float(x) for x in exact if Fraction(float(x)) == x] + middles + [np.inf]


@given(worlds())
def test_equals_select_at_and_between_all_breakpoints(world):
    curve = sweep(*world)
    for lambda_ in asked_lambdas(world):
        cost, quality, calls = realised(world, lambda_)
        assert np.allclose(curve.at(lambda_), (cost, quality), rtol=0, atol=1e-12)
        assert np.allclose(curve.call_share(lambda_)[0], calls / calls.sum())


def test_world_worked_by_hand(table, prediction):
    curve = sweep(prediction.quality, prediction.cost, table.quality, table.cost)
    # start: cheap, cheap, cheap, mid: cost (1 + 1 + 1 + 2) / 4, quality (0 + 1 + 0 + 1/2) / 4
    # 2: p0 to mid (+1, +1); 4: p2 to dear (+3, +1), p3 to cheap (-1, +1/2); 6: p1 to dear (+3, 0)
    # 8: p0 to dear (+2, 0).
    assert curve.lambdas.tolist() == [0, 2, 4, 6, 8]
    assert curve.cost.tolist() == [5 / 4, 6 / 4, 8 / 4, 11 / 4, 13 / 4]
    assert curve.quality.tolist() == [3 / 8, 5 / 8, 1, 1, 1]
    assert curve.start.tolist() == [0, 0, 0, 1]
    shares = curve.call_share([np.inf, 0, 5, 4])  # in any order; at 4 itself nobody has switched yet
    assert shares.tolist() == [[1 / 4, 0, 3 / 4], [3 / 4, 1 / 4, 0], [1 / 2, 1 / 4, 1 / 4], [1 / 2, 1 / 2, 0]]
    cost, quality = curve.at([[2, 2.001], [8, np.inf]])
    assert cost.tolist() == [[5 / 4, 6 / 4], [11 / 4, 13 / 4]]
    assert quality.tolist() == [[3 / 8, 5 / 8], [1, 1]]


def test_events_retell_the_curve_and_take_weights():
    rng = np.random.default_rng(0)
    world = tuple(rng.random((50, 5)) for _ in range(4))
    curve, weights = sweep(*world), rng.multinomial(50, np.full(50, 1 / 50))
    quality = world[2]
    change = quality[curve.event_prompt, curve.event_target] - quality[curve.event_prompt, curve.event_source]
    start = (quality[np.arange(50), curve.start] * weights).sum()
    weighted = (start + np.append(0, np.cumsum(change * weights[curve.event_prompt]))) / 50
    resampled = sweep(*(np.repeat(cells, weights, axis=0) for cells in world))
    assert np.allclose(weighted[1:], resampled.at(np.append(curve.lambdas[2:], np.inf))[1])
    assert (np.diff(curve.event_lambda) >= 0).all()


@given(worlds(), st.randoms(use_true_random=False))
def test_the_names_of_the_models_do_not_matter(world, random):
    order = list(range(world[0].shape[1]))
    random.shuffle(order)
    # Equal predicted lines are told apart by index alone, so nudge them apart.
    nudge = np.arange(len(order)) / 1024
    world = (world[0], world[1] + nudge, *world[2:])
    curve, permuted = sweep(*world), sweep(*(cells[:, order] for cells in world))
    asked = asked_lambdas(world)
    assert np.allclose(curve.at(asked), permuted.at(asked))
    assert np.allclose(curve.call_share(asked)[:, order], permuted.call_share(asked))


@given(worlds(), st.sampled_from([1 / 1024, 4, 2**20]))
def test_the_currency_does_not_matter(world, rate):
    curve = sweep(*world)
    converted = sweep(world[0], world[1] * rate, world[2], world[3] * rate)
    assert converted.lambdas.tolist() == (curve.lambdas * rate).tolist()
    assert np.allclose(converted.cost, curve.cost * rate)
    assert np.allclose(converted.quality, curve.quality)


@given(worlds())
def test_the_oracles_curve_rises_and_no_router_has_more_utility(world):
    predicted_quality, predicted_cost, quality, cost = world
    oracle, router = sweep(quality, cost, quality, cost), sweep(predicted_quality, predicted_cost, quality, cost)
    assert (np.diff(oracle.quality) >= -1e-12).all()
    assert (np.diff(oracle.cost) >= -1e-12).all()
    for lambda_ in (0, 1 / 3, 1, 7):
        best, any_other = oracle.at(lambda_), router.at(lambda_)
        assert lambda_ * best[1] - best[0] >= lambda_ * any_other[1] - any_other[0] - 1e-12


def test_equal_costs_switch_as_soon_as_quality_has_a_worth():
    quality, cost = np.array([[0.25, 0.75, 0.75]]), np.ones((1, 3))
    curve = sweep(quality, cost, quality, cost)
    assert curve.lambdas.tolist() == [0, 0]
    assert [float(curve.at(lambda_)[1]) for lambda_ in (0, 1e-300, np.inf)] == [0.25, 0.75, 0.75]
    assert curve.call_share([0, 1]).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 2)])
def test_nothing_to_choose_gives_one_point(shape):
    quality, cost = np.full(shape, 0.5), np.ones(shape)
    curve = sweep(quality, cost, quality, cost)
    assert (curve.lambdas.tolist(), curve.cost.tolist(), curve.quality.tolist()) == ([0], [1], [0.5])
    assert curve.call_share([0, np.inf])[:, 0].tolist() == [1, 1]


def test_three_lines_through_a_point_no_float_holds_are_one_breakpoint():
    # 0.02 / 0.2 is the float below (0.03 - 0.02) / (0.3 - 0.2).
    quality, cost = np.array([[0.0, 0.2, 0.3]]), np.array([[0.0, 0.02, 0.03]])
    assert len(sweep(quality, cost, quality, cost).lambdas) == 2


def test_a_breakpoint_beyond_all_floats_still_comes_before_infinity():
    quality, cost = np.array([[0.0, 1e-300]]), np.array([[0.0, 1e10]])
    curve = sweep(quality, cost, np.array([[0.0, 1.0]]), cost)
    assert [float(curve.at(lambda_)[1]) for lambda_ in (1e300, np.inf)] == [0, 1]


def test_chunks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    world = tuple(rng.integers(0, 9, (101, 4)) / 8 for _ in range(4))
    whole = sweep(*world)
    monkeypatch.setattr(module, "_CHUNK_CELLS", 28)
    parts = sweep(*world)
    assert np.allclose(parts.cost, whole.cost)
    assert np.array_equal(parts.lambdas, whole.lambdas)
    assert np.array_equal(np.sort(parts.event_prompt), np.sort(whole.event_prompt))
    assert np.array_equal(parts.call_share(whole.lambdas), whole.call_share(whole.lambdas))


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_missing_number_is_named(place, number, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CELLS", 6)
    world = [np.ones((9, 3)) for _ in range(4)]
    world[place][7, 2] = number
    with pytest.raises(ValueError, match=f"of row 7, model 2 is {number}"):
        sweep(*world)


def test_no_prompts_and_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match="at least one prompt"):
        sweep(*[np.empty((0, 3))] * 4)
    with pytest.raises(ValueError, match="one shape"):
        sweep(*[np.ones((2, 3))] * 3, np.ones((2, 2)))


@pytest.mark.parametrize("lambda_", [-1, np.nan])
def test_a_lambda_that_is_none_is_refused(lambda_):
    curve = sweep(*[np.ones((1, 2))] * 4)
    for method in (curve.at, curve.call_share):
        with pytest.raises(ValueError, match="at least 0"):
            method(lambda_)


@st.composite
def policies(draw):
    """Any choices at any knots, and measured outcomes."""
    num_prompts, num_models = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    knots = sorted(draw(st.sets(st.integers(0, 8).map(lambda quarters: quarters / 4), max_size=6)))
    shape = num_prompts, len(knots) + 1
    chosen = draw(arrays(np.int64, shape, elements=st.integers(0, num_models - 1)))
    cells = arrays(np.float64, (num_prompts, num_models), elements=st.integers(0, 8).map(lambda eighths: eighths / 8))
    return Choices(np.array([*knots, np.inf]), chosen), draw(cells), draw(cells)


def by_choices(choices, quality, cost):
    nothing = np.full_like(quality, np.nan)
    return sweep_prediction(Prediction(nothing, nothing, choices=choices), quality, cost)


@given(policies())
def test_choices_trace_what_they_choose_at_every_lambda(policy):
    choices, quality, cost = policy
    curve = by_choices(*policy)
    num_models = quality.shape[1]
    for lambda_ in (*(eighths / 8 for eighths in range(18)), np.inf):
        knot = next(i for i, knot in enumerate(choices.lambdas) if lambda_ <= knot)
        answers = choices.chosen[:, knot].tolist()
        assert curve.choices(lambda_).tolist() == answers
        expected = [np.mean([cells[i, m] for i, m in enumerate(answers)]) for cells in (cost, quality)]
        assert np.allclose(curve.at(lambda_), expected, rtol=0, atol=1e-12)
        assert np.allclose(curve.call_share(lambda_)[0], np.bincount(answers, minlength=num_models) / len(answers))
    assert np.isfinite(curve.lambdas).all()
    assert (np.diff(curve.event_lambda) >= 0).all()


@given(worlds())
def test_a_linear_policy_as_choices_is_the_same_sweep(world):
    quality, cost = world[2:]
    linear = sweep(*world)
    lambdas = np.unique(np.append(linear.lambdas if len(linear.lambdas) > 1 else [], np.inf))
    chosen = np.stack([linear.choices(lambda_) for lambda_ in lambdas], axis=1)
    curve = by_choices(Choices(lambdas, chosen), quality, cost)
    # A prompt may pass through several models at one lambda, of which choices know the first and the last.
    np.testing.assert_array_equal(curve.lambdas, linear.lambdas)
    np.testing.assert_allclose(curve.cost, linear.cost, rtol=0, atol=1e-12)
    np.testing.assert_allclose(curve.quality, linear.quality, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(curve.start, linear.start)
    for lambda_ in lambdas:
        np.testing.assert_array_equal(curve.choices(lambda_, is_after=True), linear.choices(lambda_, is_after=True))


def test_without_choices_the_lines_decide():
    world = np.random.default_rng(0).random((4, 30, 4))
    found, expected = sweep_prediction(Prediction(*world[:2]), *world[2:]), sweep(*world)
    np.testing.assert_array_equal(found.lambdas, expected.lambdas)
    np.testing.assert_array_equal(found.quality, expected.quality)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (np.zeros((3, 1), int), "among 2 models for 2 prompts, got 3 prompts"),
        (np.full((2, 1), 2), "models 2 to 2"),
        (np.full((2, 1), -1), "models -1 to -1"),
        (np.zeros((0, 1), int), "got no prompt"),
    ],
)
def test_choices_that_do_not_fit_the_outcomes_are_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        by_choices(Choices(np.array([np.inf]), chosen), np.ones((2, 2)), np.ones((2, 2)))


def test_choices_are_scored_on_measured_numbers_only():
    quality = np.array([[1.0, np.nan]])
    with pytest.raises(ValueError, match="quality of row 0, model 1 is nan"):
        by_choices(Choices(np.array([np.inf]), np.zeros((1, 1), int)), quality, np.ones((1, 2)))
