"""A stream under a budget, against a loop prompt by prompt, a linear programme, and worlds worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from routerbench.errors import InputError
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.port import PortBudget, price_unit, prices, serve
from tests.conftest import make_examples, make_table

COSTS = arrays(np.float64, (12, 3), elements=st.integers(0, 8).map(float))


def make_scene(num_prompts, seed):
    examples, quality, cost = make_examples(num_prompts, seed)
    return Scene(examples.table, Prediction(quality, cost), examples.embeddings)


@pytest.fixture(scope="module")
def val():
    return make_scene(400, seed=1)


@pytest.fixture(scope="module")
def test():
    return make_scene(600, seed=2)


def play(val, test, seed=0, **options):
    return PortBudget(**options).play(val, test, np.random.default_rng(seed))[""]


def served_by_hand(worth, predicted_cost, cost, part, total):
    spent, chosen = np.zeros(len(part)), []
    for i in range(len(worth)):
        can = [m for m in range(len(part)) if spent[m] < part[m]] if spent.sum() < total else []
        if not can:
            chosen.append(-1)
            continue
        model = min(can, key=lambda m, i=i: (-worth[i, m], predicted_cost[i, m], m))
        spent[model] += cost[i, model]
        chosen.append(model)
    return chosen


@settings(deadline=None)
@given(COSTS, COSTS, COSTS, st.lists(st.integers(0, 20), min_size=3, max_size=3), st.integers(0, 60))
def test_a_stream_is_served_as_prompt_by_prompt(worth, predicted_cost, cost, part, total):
    part = np.array(part, float)
    chosen = serve(worth, predicted_cost, cost, part, total)
    assert chosen.tolist() == served_by_hand(worth, predicted_cost, cost, part, total)
    spent = np.where(chosen >= 0, cost[np.arange(12), chosen], 0)
    assert spent.sum() <= total + spent.max()
    for model in range(3):
        assert spent[chosen == model][:-1].sum() < max(part[model], 1e-9)


@pytest.mark.parametrize("learn", ["stream", "validation"])
@pytest.mark.parametrize("split", ["routed", "uniform"])
def test_a_budget_is_exceeded_by_less_than_one_call(val, test, learn, split):
    draws = play(val, test, learn=learn, split=split)
    assert len(draws) == 5
    for rollouts in draws:
        total = rollouts.settings * len(test.table)
        assert (np.diff(rollouts.settings) > 0).all()
        assert (rollouts.cost.sum(axis=0) < total + rollouts.cost.max(axis=0)).all()
        answered = rollouts.calls == 1
        assert (rollouts.cost[~answered] == 0).all()
        assert (rollouts.quality[~answered] == 0).all()
        # Whoever was turned away was turned away because all is spent.
        assert (rollouts.cost.sum(axis=0)[~answered.all(axis=0)] >= total[~answered.all(axis=0)]).all()


def test_what_is_answered_is_charged_and_scored_as_measured(val, test):
    for rollouts in play(val, test, num_draws=2):
        pairs = [set(zip(*cells, strict=True)) for cells in zip(test.table.cost, test.table.quality, strict=True)]
        for setting in (0, 7, 15):
            for prompt in np.flatnonzero(rollouts.calls[:, setting]):
                assert (rollouts.cost[prompt, setting], rollouts.quality[prompt, setting]) in pairs[prompt]


def test_the_budgets_go_from_the_cheapest_to_the_dearest_model(val, test):
    means = val.table.cost.mean(axis=0)
    (rollouts,) = play(val, test, num_draws=1, num_settings=3)
    np.testing.assert_allclose(rollouts.settings, [means.min(), np.sqrt(means.min() * means.max()), means.max()])


def test_more_money_buys_more_and_prices_beat_chance(val, test):
    (rollouts,) = play(val, test, num_draws=1, learn="validation")
    cost, quality = rollouts.cost.mean(axis=0), rollouts.quality.mean(axis=0)
    assert (np.diff(cost)[:13] > 0).all()  # beyond that there is more money than can be spent well
    mixed = np.interp(cost, test.table.cost.mean(axis=0), test.table.quality.mean(axis=0))  # dearer is better here
    assert (quality[3:14] > mixed[3:14] + 0.03).all()


def test_the_first_prompts_go_to_random_models_and_orders_differ(val):
    """One quality for all: only the random share ever calls anyone but the cheapest while there is money."""
    n = 1000
    cost = np.tile([1.0, 2.0, 4.0], (n, 1))
    flat = Scene(make_table(np.ones((n, 3)), cost), Prediction(np.full((n, 3), 0.5), cost), np.zeros((n, 1)))
    first, second = play(flat, flat, num_draws=2, num_settings=2, epsilon=0.1, split="uniform", learn="stream")
    dear = first.cost[:, 1] == 4.0
    # A budget of 4 per prompt in three equal parts: the cheapest and the middle one may be called all the time.
    assert 20 <= dear.sum() <= 47
    assert (dear != (second.cost[:, 1] == 4.0)).any()
    (learned,) = play(flat, flat, num_draws=1, num_settings=2, split="uniform", learn="validation")
    assert (learned.cost[:, 1] == 1.0).all()


def test_a_currency_changes_nothing(val, test):
    def yen(scene):
        table = make_table(scene.table.quality, scene.table.cost * 150)
        return Scene(table, scene.prediction._replace(cost=scene.prediction.cost * 150), scene.embeddings)

    dollars, other = (play(*scenes, num_draws=1)[0] for scenes in ((val, test), (yen(val), yen(test))))
    np.testing.assert_allclose(other.cost, dollars.cost * 150)
    np.testing.assert_array_equal(other.quality, dollars.quality)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 1.0])
def test_prices_solve_the_linear_programme(val, share):
    seen = val.prediction.take(np.arange(60))
    unit = price_unit(seen)
    quality, cost = seen.quality, seen.cost * unit
    part = share * seen.cost.mean(axis=0)
    budget = part * unit * 60
    n, m = quality.shape
    rows = [
        np.concatenate([np.where(np.arange(m) == k, -cost[t], 0), -np.eye(n)[t]]) for t in range(n) for k in [*range(m)]
    ]
    bounds = [(0, 1)] * m + [(None, None)] * n
    exact = linprog(np.append(budget, np.ones(n)), np.array(rows), -quality.ravel(), bounds=bounds)
    gamma = prices(seen, part, unit)
    value = gamma @ budget + (quality - gamma * cost).max(axis=1).sum()
    assert exact.fun <= value <= exact.fun + n * 0.003 * np.log(m)


def test_prices_spend_the_parts(val):
    """Where a part binds, its price makes the model spend it, up to the prompts just at the price."""
    seen = val.prediction
    unit = price_unit(seen)
    part = np.array([1.0, 0.15, 0.15]) * seen.cost.mean(axis=0)
    gamma = prices(seen, part, unit)
    assert gamma[1:].min() > 0
    best = (seen.quality - gamma * unit * seen.cost).argmax(axis=1)
    spent = np.bincount(best, seen.cost[np.arange(400), best], 3) / 400
    np.testing.assert_allclose(spent[1:], part[1:], rtol=0.1)


def test_at_a_price_of_one_no_model_is_worth_more_than_no_answer(val):
    unit = price_unit(val.prediction)
    worth = val.prediction.quality - unit * val.prediction.cost
    np.testing.assert_allclose(worth.max(axis=0), 0, atol=1e-12)


def test_the_routed_split_is_what_lambda_routing_spends():
    """Half the prompts are better answered by the dear model: with 2.5 per prompt, 4/5 of the money is for it."""
    quality, cost = np.array([[0.5, 1.0], [1.0, 0.5]] * 10), np.tile([1.0, 4.0], (20, 1))
    scene = Scene(make_table(quality, cost), Prediction(quality, cost), np.zeros((20, 1)))
    (rollouts,) = play(scene, scene, num_draws=1, learn="validation", num_settings=3)
    np.testing.assert_allclose(rollouts.settings, [1, 2, 4])
    # With 1 all is for the cheap model; with 4 nobody is turned away, and half the prompts cost 1.
    assert rollouts.cost.sum(axis=0).tolist() == [20, 40, 50]
    assert rollouts.quality.sum(axis=0)[[0, 2]].tolist() == [15, 20]
    # With 40, 80/6 are for the cheap model and the rest for the dear one: 7 dear calls and 12 cheap ones spend it all.
    assert rollouts.calls.sum(axis=0).tolist() == [20, 19, 20]


def test_after_the_total_is_spent_the_cheapest_model_may_go_on(val, test):
    dear = Scene(make_table(test.table.quality, test.table.cost * 2), test.prediction, test.embeddings)
    declined, continued = (play(val, dear, when_spent=word, num_draws=1)[0] for word in ("decline", "cheapest"))
    is_spent = declined.calls == 0
    assert is_spent.any()
    assert continued.calls.all()
    np.testing.assert_array_equal(continued.cost[~is_spent], declined.cost[~is_spent])
    rows = np.nonzero(is_spent)[0]
    np.testing.assert_array_equal(continued.cost[is_spent], dear.table.cost[rows, 0])
    assert continued.quality.sum() > declined.quality.sum()


def test_a_free_model_may_always_be_called():
    cost = np.tile([0.0, 4.0], (50, 1))
    scene = Scene(make_table(np.full((50, 2), 0.5), cost), Prediction(np.full((50, 2), 0.5), cost), np.zeros((50, 1)))
    for split in ("routed", "uniform"):
        for rollouts in play(scene, scene, learn="validation", split=split, num_draws=1):
            assert rollouts.calls.all()
            assert (rollouts.cost == 0).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [("learn", "all"), ("split", None), ("when_spent", ""), ("epsilon", 0), ("epsilon", 1), ("num_draws", 0)],
)
def test_an_option_that_is_none_is_refused(option, value):
    with pytest.raises(InputError, match=rf"budget.*{option}"):
        PortBudget(**{option: value})


def test_a_table_with_no_cost_is_refused(test):
    table = make_table(test.table.quality, np.full_like(test.table.cost, np.nan))
    with pytest.raises(InputError, match="needs a table with costs"):
        play(Scene(table, test.prediction, test.embeddings), test)
