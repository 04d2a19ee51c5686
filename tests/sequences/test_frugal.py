from itertools import combinations, product

import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.sequences.frugal import FrugalCascade, run
from tests.conftest import make_table
from tests.sequences.test_threshold import play, scene


def frugal(**options):
    return FrugalCascade(**{"max_length": 3, "num_thresholds": 4, "max_models": 5} | options)


def telling_world(seed, num_prompts=400, num_models=3):
    """A long answer is dear and mostly wrong; a prompt says nothing of that."""
    rng = np.random.default_rng(seed)
    is_long = rng.random((num_prompts, num_models)) < 0.4
    quality = (rng.random(is_long.shape) < np.where(is_long, 0.1, 0.9)).astype(float)
    mean_cost = np.geomspace(1, 100, num_models)
    return scene(quality, mean_cost * np.where(is_long, 2.0, 1 / 3), np.tile(mean_cost, (num_prompts, 1)))


def test_a_hand_worked_chain():
    table = make_table([[1, 0, 0.5], [1, 0, 0.5], [1, 0, 0.5]], [[1, 10, 100]] * 3)
    estimates = np.array([[0.9, 0.9, 0.0], [0.5, 0.8, 0.0], [0.1, 0.2, 0.0]])
    cost, quality, calls = run((0, 1, 2), np.array([0.6, 0.8]), estimates, table)
    assert (cost.tolist(), quality.tolist(), calls.tolist()) == ([1, 11, 111], [1, 0, 0.5], [1, 2, 3])
    cost, quality, calls = run((1,), np.empty(0), estimates, table)
    assert (cost.tolist(), quality.tolist(), calls.tolist()) == ([10] * 3, [0] * 3, [1] * 3)


def test_no_chain_is_better_on_validation_than_those_chosen(monkeypatch):
    from routerbench.sequences import frugal as module

    estimates = np.random.default_rng(0).random((60, 3))
    monkeypatch.setattr(module, "cross_fitted", lambda *_: estimates)
    world = telling_world(1, 60)
    ((rollouts,),) = play(frugal(), world).values()
    points = []
    for length in (1, 2, 3):
        for chain in combinations(np.argsort(world.table.cost.mean(axis=0)), length):
            grids = [np.quantile(estimates[:, model], [0.2, 0.4, 0.6, 0.8]) for model in chain[:-1]]
            for thresholds in product(*grids):
                spent, gained = 0.0, 0.0
                for n in range(60):
                    for step, model in enumerate(chain):
                        spent += world.table.cost[n, model]
                        if step == len(chain) - 1 or estimates[n, model] >= thresholds[step]:
                            gained += world.table.quality[n, model]
                            break
                points.append((spent / 60, gained / 60))
    cost, quality = np.array(points).T
    reached = np.interp(cost, *hull_of(cost, quality))
    assert (quality <= reached + 1e-9).all()
    np.testing.assert_allclose(rollouts.settings, hull_of(cost, quality)[0])


def hull_of(cost, quality):
    from scipy.spatial import ConvexHull

    corners = ConvexHull(np.column_stack([cost, quality])).vertices
    points = sorted(zip(cost[corners], quality[corners], strict=True))
    best = max(q for _, q in points)
    first, last = points[0][0], min(c for c, q in points if q == best)
    chord = np.interp([c for c, _ in points], [first, last], [max(q for c, q in points if c == first), best])
    upper = [(c, q) for (c, q), line in zip(points, chord, strict=True) if first <= c <= last and q >= line - 1e-12]
    return np.array(upper).T


def test_what_an_answer_reveals_is_worth_more_than_the_prompt():
    ((rollouts,),) = play(frugal(num_thresholds=9), telling_world(2), telling_world(3)).values()
    means = telling_world(3).table
    assert rollouts.quality[:, -1].mean() > means.quality.mean(axis=0).max() + 0.15
    at = np.searchsorted(rollouts.cost.mean(axis=0), means.cost.mean(axis=0)[2])
    assert rollouts.quality.mean(axis=0)[min(at, len(rollouts.settings) - 1)] > means.quality.mean(axis=0)[2]
    assert rollouts.information == "responses of the models it ran"
    assert rollouts.calls.max() == 3


def test_what_the_router_predicts_counts():
    """A router that knows which prompts the cheap model gets right: only the others go on."""
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    quality = np.stack([right, np.ones(400)], axis=1).astype(float)
    world = scene(quality, np.tile([1.0, 10.0], (400, 1)))
    knowing = world._replace(prediction=world.prediction._replace(quality=quality.clip(0.05, 0.95)))
    ((rollouts,),) = play(frugal(), knowing).values()
    assert rollouts.quality.mean(axis=0)[-1] == 1
    assert rollouts.cost.mean(axis=0)[-1] == pytest.approx(1 + 10 * (1 - right.mean()))


def test_only_the_outcomes_of_calls_are_read():
    val, test = telling_world(4), telling_world(5)
    ((before,),) = play(frugal(max_length=2), val, test).values()
    first = before.calls[:, 0] == 1
    assert first.all(), "the thriftiest chain is the cheapest model alone"
    test.table.quality[:, 1:] = 1 - test.table.quality[:, 1:]
    ((after,),) = play(frugal(max_length=2), val, test).values()
    np.testing.assert_array_equal(before.cost, after.cost)
    np.testing.assert_array_equal(before.quality[:, 0], after.quality[:, 0])
    test.table.cost[:, 2] *= 100  # that of the last model of a chain is no reason to call it or not
    ((dearer,),) = play(frugal(max_length=2), val, test).values()
    np.testing.assert_array_equal(dearer.calls, before.calls)


def test_dominated_models_are_left_out_first():
    chains = frugal(max_models=2, max_length=2)._chains(make_table([[0.5, 0.2, 0.9]], [[1, 2, 3]]))
    assert chains == [(0,), (2,), (0, 2)]


@pytest.mark.parametrize("options", [{"max_length": 0}, {"max_length": 4}, {"num_thresholds": 0}, {"max_models": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match=f"cascade.frugal.{next(iter(options))}"):
        frugal(**options)
