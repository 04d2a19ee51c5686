from pathlib import Path

import numpy as np
import pytest
import yaml

from routerbench.errors import InputError
from routerbench.policy import select
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.judge import Judge, cross_fitted, observe
from routerbench.sequences.unified import UnifiedCascade, area_of_points, lambda_grid, most_useful
from tests.conftest import make_table

CONF = Path(__file__).parents[2] / "conf" / "cascade" / "unified.yaml"
PRICES = np.array([0.001, 0.003, 0.02])


def make_scene(num_prompts, seed, telling=True, **columns):
    """Three models of 0.5, 0.6 and 0.8 on every prompt; if it is telling, a wrong answer costs twice a right one."""
    rng = np.random.default_rng(seed)
    expected = np.tile([0.5, 0.6, 0.8], (num_prompts, 1))
    quality = (rng.random(expected.shape) < expected).astype(float)
    long = 2 - quality if telling else 1 + rng.integers(2, size=expected.shape)
    cost = PRICES * long * rng.uniform(0.9, 1.1, expected.shape)
    predicted = Prediction(expected + rng.uniform(-0.02, 0.02, expected.shape), np.tile(1.4 * PRICES, (num_prompts, 1)))
    return Scene(make_table(quality, cost, **columns), predicted, np.zeros((num_prompts, 1), np.float32))


@pytest.fixture(scope="module")
def scenes():
    return make_scene(300, 0), make_scene(200, 1)


@pytest.fixture(scope="module")
def rollouts(scenes):
    cascade = UnifiedCascade(num_settings=12, variants=("routing", "cascade", "cascade_routing"))
    return {name: curves[0] for name, curves in cascade.play(*scenes, np.random.default_rng(0)).items()}


def test_looking_at_answers_pays_where_they_are_telling(scenes, rollouts):
    table = scenes[1].table
    routing, cascade, both = (area_of_points(p.cost.mean(0), p.quality.mean(0), table) for p in rollouts.values())
    assert both > routing + 0.05
    assert cascade > routing + 0.05
    # A telling answer is as good as a known one: two of three models right at least suffice.
    assert rollouts["cascade_routing"].quality.mean(axis=0).max() > table.quality.mean(axis=0).max() + 0.05


def test_routing_is_select_on_what_was_predicted(scenes, rollouts):
    test, rows, routing = scenes[1], np.arange(200), rollouts["routing"]
    for s, lambda_ in enumerate(routing.settings):
        chosen = select(test.prediction.quality, test.prediction.cost, lambda_)
        np.testing.assert_array_equal(routing.cost[:, s], test.table.cost[rows, chosen])
        np.testing.assert_array_equal(routing.quality[:, s], test.table.quality[rows, chosen])
    assert (routing.calls == 1).all()


def test_a_curve_goes_from_the_cheapest_call_to_infinity_and_says_what_it_saw(scenes, rollouts):
    for name, curve in rollouts.items():
        assert curve.settings[0] == 0
        assert curve.settings[-1] == np.inf
        assert (np.diff(curve.settings) > 0).all()
        assert len(curve.settings) == 14
        np.testing.assert_array_equal(curve.cost[:, 0], scenes[1].table.cost[:, 0])
        assert curve.information == ("prompt only" if name == "routing" else "responses of the models it ran")
    assert rollouts["cascade"].calls.max() == 3


def test_without_trust_it_is_routing(scenes, rollouts):
    alone = UnifiedCascade(num_settings=12, trust=[0]).play(*scenes, np.random.default_rng(0))[""][0]
    np.testing.assert_array_equal(alone.cost, rollouts["routing"].cost)
    assert (alone.calls == 1).all()


def test_answers_that_tell_nothing_hardly_cost_anything():
    val, test = make_scene(300, 0, telling=False), make_scene(200, 1, telling=False)
    variants = UnifiedCascade(num_settings=12, variants=["routing", "cascade_routing"])
    routing, both = (
        area_of_points(curve[0].cost.mean(0), curve[0].quality.mean(0), test.table)
        for curve in variants.play(val, test, np.random.default_rng(0)).values()
    )
    assert abs(both - routing) < 0.02


def test_measured_quality_of_test_decides_nothing(scenes, rollouts):
    val, test = scenes
    rng = np.random.default_rng(1)
    other = test._replace(table=make_table(rng.random(test.table.quality.shape), test.table.cost))
    again = UnifiedCascade(num_settings=12).play(val, other, np.random.default_rng(0))[""][0]
    np.testing.assert_array_equal(again.cost, rollouts["cascade_routing"].cost)
    assert (again.quality != rollouts["cascade_routing"].quality).any()


def test_the_cost_of_a_call_not_made_decides_nothing(scenes, rollouts):
    val, test = scenes
    curve = rollouts["routing"]
    only_cheapest = UnifiedCascade(num_settings=12, max_depth=1).play(val, test, np.random.default_rng(0))[""][0]
    dearer = test._replace(table=make_table(test.table.quality, test.table.cost * np.array([1, 1, 50])))
    cascade = UnifiedCascade(num_settings=12)
    before, after = (cascade.play(val, scene, np.random.default_rng(0))[""][0] for scene in (test, dearer))
    same = before.cost == after.cost
    assert 0.2 < same.mean() < 1  # the third model did not run everywhere, and where it did not nothing changed
    np.testing.assert_array_equal(before.calls[same], after.calls[same])
    np.testing.assert_array_equal(before.quality[same], after.quality[same])
    assert (after.cost[~same] > before.cost[~same] + 10 * PRICES[2]).all()  # every difference has a call of it
    np.testing.assert_array_equal(only_cheapest.cost, curve.cost)


def test_plays_alike_with_the_same_generator(scenes):
    first, second = (
        UnifiedCascade(num_settings=4).play(*scenes, np.random.default_rng(5))[""][0].cost for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_lambdas_lie_where_routing_changes():
    prediction = Prediction(np.array([[0.5, 0.7]] * 50 + [[0.5, 0.6]] * 50), np.array([[0.1, 0.3]] * 100))
    grid = lambda_grid(prediction, 5)  # breakpoints at 0.2 / 0.2 = 1 and 0.2 / 0.1 = 2
    np.testing.assert_allclose(grid[1:-1], np.geomspace(1, 2, 5))
    assert lambda_grid(Prediction(np.ones((3, 2)), np.ones((3, 2))), 5).tolist() == [0, np.inf]


def test_the_models_kept_are_those_that_help_routing():
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.5
    # Model 2 answers the easy prompts for little money, model 0 all of them, the others are dearer and no better.
    quality = np.stack([np.ones(400), ~hard, ~hard, 0 * hard], axis=1).astype(float)
    cost = np.tile([1.0, 0.9, 0.1, 0.05], (400, 1))
    table, prediction = make_table(quality, cost), Prediction(quality, cost)
    assert most_useful(prediction, table, 2).tolist() == [2, 0]
    assert most_useful(prediction, table, 4).tolist() == [3, 2, 1, 0]


def test_of_many_models_only_some_are_run():
    rng = np.random.default_rng(3)

    def scene(num_prompts):
        expected = np.tile(np.linspace(0.3, 0.9, 14), (num_prompts, 1)) + rng.normal(0, 0.02, (num_prompts, 14))
        quality = (rng.random(expected.shape) < expected).astype(float)
        cost = np.geomspace(0.001, 0.1, 14) * (2 - quality)
        return Scene(make_table(quality, cost), Prediction(expected, cost), np.zeros((num_prompts, 1), np.float32))

    curve = UnifiedCascade(num_settings=3, max_models=3, max_depth=2).play(scene(60), scene(40), rng)[""][0]
    assert curve.cost.shape == (40, 5)
    assert curve.calls.max() <= 2


def test_what_is_observed_of_an_answer():
    responses = np.array([["abc", None]], dtype=object)
    table = make_table([[1, 0]], [[0.02, 0.0]], responses=responses)
    seen = observe(table, Prediction(np.array([[0.5, 1.0]]), np.array([[0.01, 0.0]])))
    np.testing.assert_allclose(seen[0, 0], [0, np.log(2), np.log(4)], atol=1e-6)
    np.testing.assert_allclose(seen[0, 1], [np.log(999), 0, 0], atol=1e-6)


def test_the_length_of_a_response_is_news():
    rng = np.random.default_rng(0)
    quality = (rng.random((400, 2)) < 0.5).astype(float)
    responses = np.array([["x" * (3 if right else 40) for right in row] for row in quality], dtype=object)
    table = make_table(quality, np.ones((400, 2)), responses=responses)
    seen = observe(table, Prediction(np.full((400, 2), 0.5), np.ones((400, 2))))
    news = cross_fitted(seen, table, rng)
    assert news[quality == 1].min() > 0.3
    assert news[quality == 0].max() < -0.3


def test_a_router_that_is_off_is_no_news():
    rng = np.random.default_rng(0)
    quality = (rng.random((500, 2)) < 0.9).astype(float)
    table = make_table(quality, np.ones((500, 2)))
    seen = observe(table, Prediction(rng.uniform(0.1, 0.3, (500, 2)), np.ones((500, 2))))
    assert abs(Judge.fit(seen, quality)(seen)).max() < 1e-3


def test_a_judge_of_a_model_that_is_always_right_is_finite():
    seen = np.random.default_rng(0).normal(size=(30, 2, 2))
    assert np.isfinite(Judge.fit(seen, np.ones((30, 2)))(seen)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"num_settings": 0},
        {"max_depth": 0},
        {"max_depth": 2.5},
        {"max_models": 1},
        {"max_models": 40},
        {"trust": []},
        {"trust": [1.5]},
        {"variants": []},
        {"variants": ["cascading"]},
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options):
    with pytest.raises(InputError, match=rf"cascade.unified.{next(iter(options))} must"):
        UnifiedCascade(**options)


def test_the_yaml_has_the_defaults_of_the_class():
    text = CONF.read_text()
    assert text.startswith("# @package cascade.unified\n# python evaluate.py ")
    options = yaml.safe_load(text)
    assert options.pop("_target_") == f"{UnifiedCascade.__module__}.{UnifiedCascade.__qualname__}"
    defaults = {name: getattr(UnifiedCascade(), name) for name in UnifiedCascade.__dataclass_fields__}
    assert options == {name: list(v) if isinstance(v, tuple) else v for name, v in defaults.items()}
