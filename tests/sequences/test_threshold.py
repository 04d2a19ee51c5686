import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.threshold import ThresholdCascade
from tests.conftest import make_table


def scene(quality, cost, predicted_cost=None):
    table = make_table(quality, cost)
    cost = table.cost if predicted_cost is None else np.asarray(predicted_cost, float)
    return Scene(table, Prediction(np.full(table.quality.shape, 0.5), cost), np.zeros((len(table), 1), np.float32))


def cascade(**options):
    return ThresholdCascade(**{"error_rates": [0.0], "success": 0.75, "num_settings": 8, "num_draws": 3} | options)


def play(policy, val, test=None, seed=0):
    return policy.play(val, val if test is None else test, np.random.default_rng(seed))


def random_scene(seed, num_prompts=200, num_models=4):
    rng = np.random.default_rng(seed)
    cost = rng.gamma(2.0, 1.0, (num_prompts, num_models)) * np.geomspace(1, 100, num_models)
    return scene((rng.random(cost.shape) < np.linspace(0.3, 0.8, num_models)).astype(float), cost)


def reference(test, budgets, order, accepts):
    """RouterBench's loop, a prompt and a budget at a time."""
    spent, quality, calls = (np.zeros((len(test.table), len(budgets))) for _ in range(3))
    for n in range(len(test.table)):
        for s, budget in enumerate(budgets):
            for model in order:
                if calls[n, s] and test.prediction.cost[n, model] >= budget - spent[n, s]:
                    break
                spent[n, s] += test.table.cost[n, model]
                quality[n, s] = test.table.quality[n, model]
                calls[n, s] += 1
                if accepts[n, model]:
                    break
    return spent, quality, calls


def test_a_hand_worked_world():
    # Cheapest first is model 1, then 0, then 2; the second prompt succeeds with 0 only, the third with none.
    world = scene([[0, 1, 1], [1, 0, 1], [0, 0.5, 0]], [[2, 1, 10]] * 3)
    ((rollouts,),) = play(cascade(num_settings=2), world).values()
    np.testing.assert_allclose(rollouts.settings, [1, 26])
    np.testing.assert_array_equal(rollouts.calls, [[1, 1], [1, 2], [1, 3]])
    np.testing.assert_array_equal(rollouts.cost, [[1, 1], [1, 3], [1, 13]])
    np.testing.assert_array_equal(rollouts.quality, [[1, 1], [0, 1], [0.5, 0]])


@pytest.mark.parametrize("seed", range(3))
def test_is_routerbenchs_loop(seed):
    world = random_scene(seed)
    ((rollouts,),) = play(cascade(), world).values()
    order = np.argsort(world.table.cost.mean(axis=0))
    expected = reference(world, rollouts.settings, order, world.table.quality >= 0.75)
    for found, cells in zip((rollouts.cost, rollouts.quality, rollouts.calls), expected, strict=True):
        np.testing.assert_allclose(found, cells)


def test_with_all_the_money_a_perfect_judge_finds_every_success():
    world = random_scene(0)
    ((rollouts,),) = play(cascade(), world).values()
    assert rollouts.quality[:, -1].mean() == world.table.quality.max(axis=1).mean()


def test_errors_of_the_judge_cost_quality_and_draws_differ():
    world = random_scene(1, num_prompts=2000)
    variants = play(cascade(error_rates=[0.0, 0.1, 0.4]), world)
    assert {name: len(draws) for name, draws in variants.items()} == {"0": 1, "0.1": 3, "0.4": 3}
    best = [np.mean([rollouts.quality[:, -1].mean() for rollouts in draws]) for draws in variants.values()]
    assert best[0] > best[1] > best[2]
    first, second, _ = variants["0.1"]
    assert (first.quality != second.quality).any()
    again = play(cascade(error_rates=[0.0, 0.1, 0.4]), world)["0.1"][0]
    np.testing.assert_array_equal(first.quality, again.quality)
    assert "wrong at 10%" in first.information


def test_the_next_call_is_judged_by_its_predicted_cost_not_by_its_measured_one():
    test = scene([[0, 1]], [[1, 1000]], predicted_cost=[[1, 2]])
    ((rollouts,),) = play(cascade(num_settings=2), scene([[0, 1]], [[1, 9]]), test).values()
    np.testing.assert_array_equal(rollouts.cost, [[1, 1001]])  # budgets 1 and 20


def test_a_free_cheapest_model():
    ((rollouts,),) = play(cascade(), scene([[0, 1]], [[0, 1]])).values()
    assert rollouts.quality[0].tolist()[0] == 0
    assert rollouts.quality[0].tolist()[-1] == 1


@pytest.mark.parametrize(
    "options", [{"error_rates": []}, {"error_rates": [0.6]}, {"success": 0}, {"num_settings": 1}, {"num_draws": 0}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match=f"cascade.threshold.{next(iter(options))}"):
        cascade(**options)
