import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.evaluation.bootstrap import realised
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Choices, Prediction
from routerbench.sequences.decline import Decline
from routerbench.sequences.play import abstain_all, play_all
from tests.conftest import make_table
from tests.sequences.test_threshold import cascade, random_scene


def one_shot(prediction, table, lambdas, information="prompt only"):
    """Routing by lambda, told as if it were a policy in several steps."""
    from routerbench.policy import select

    chosen = np.stack([select(prediction.quality, prediction.cost, lambda_) for lambda_ in lambdas], axis=1)
    cells = [np.take_along_axis(cells, chosen, 1) for cells in (table.cost, table.quality)]
    return Rollout("lambda", np.array(lambdas), *cells, np.ones_like(chosen), information)


def test_names_and_pools():
    world = random_scene(0, 30)
    scenes = {"mlp": [world, world], "knn": [world]}
    rollouts = play_all({"threshold": cascade(error_rates=[0.0, 0.1])}, scenes, scenes, seed=0)
    counts = {name: len(group) for name, group in rollouts.items()}
    assert counts == {
        "mlp+threshold 0": 2, "mlp+threshold 0.1": 6, "knn+threshold 0": 1, "knn+threshold 0.1": 3,
    }  # fmt: skip
    first, _, _, fourth, *_ = rollouts["mlp+threshold 0.1"]
    assert (first.quality != fourth.quality).any(), "each seed has its own draws"


def test_missing_cells_are_left_out():
    world = random_scene(0, 30)
    world.table.quality[:5, 0] = np.nan
    (rollouts,) = play_all({"t": cascade()}, {"knn": [world]}, {"knn": [world]}, seed=0)["knn+t 0"]
    assert len(rollouts.cost) == 25


def test_what_no_policy_can_play_on_is_refused():
    def fails(world, message):
        with pytest.raises(InputError, match=message):
            play_all({"t": cascade()}, {"knn": [world]}, {"knn": [world]}, seed=0)

    fails(random_scene(0, 9), "at least 10 validation prompts without a missing cell, got 9")
    free = random_scene(0, 30)
    free.table.cost[:] = 0
    fails(free, "all models cost the same")
    world = random_scene(0, 30)
    choices = Choices(np.array([np.inf]), np.zeros((30, 1), int))
    fails(world._replace(prediction=world.prediction._replace(choices=choices)), "knn sees lambda and chooses itself")


def test_declining_without_costs_needs_no_lambda():
    world = random_scene(0, 30)
    blind = world._replace(prediction=world.prediction._replace(cost=np.full((30, 4), np.nan)))
    scenes = {"knn": [blind]}
    assert set(abstain_all({"decline": Decline(num_resamples=0)}, scenes, scenes, 0)) == {"knn"}
    with pytest.raises(InputError, match="the router knows no costs"):
        abstain_all({"decline": Decline(willingness_to_pay=0.02)}, scenes, scenes, 0)


def test_what_is_no_curve_is_refused():
    with pytest.raises(ValueError, match="settings"):
        Rollout("x", np.array([1.0]), np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2), int), "prompt only")
    with pytest.raises(ValueError, match="finite"):
        Rollout("x", np.array([1.0]), np.full((2, 1), np.nan), np.ones((2, 1)), np.ones((2, 1), int), "prompt only")


def test_a_policy_that_routes_once_is_scored_as_its_router():
    rng = np.random.default_rng(0)
    tables = [
        make_table(rng.random((150, 3)), rng.random((150, 3)) * [1, 3, 9], benchmark=np.repeat(["a", "b"], 75))
        for _ in range(2)
    ]
    train, test = tables
    router = Prediction(rng.random((150, 3)), rng.random((150, 3)) * [1, 3, 9])
    gains, prices = (cells[:, :, None] - cells[:, None] for cells in (router.quality, router.cost))
    with np.errstate(invalid="ignore"):
        breaks = prices / gains
    breaks = np.unique(np.append(breaks[(gains > 0) & (prices > 0)], 0.0))
    lambdas = [0.0, *(breaks[1:] + breaks[:-1]) / 2, np.inf]
    policies = {"mine+again": [one_shot(router, test, lambdas)], "mine+told": [one_shot(router, test, lambdas, "all")]}
    found = evaluate({"mine": router}, test, train, policies=policies, num_resamples=200)
    assert list(found.routers) == ["mine", "mine+again", "mine+told"]
    mine, again, told = found.routers.values()
    for figure in ("aiq", "area", "peak_quality", "qnc", "gain", "aiq_macro"):
        assert getattr(again, figure).value == pytest.approx(getattr(mine, figure).value, abs=1e-9), figure
    assert again.aiq.low == pytest.approx(mine.aiq.low, abs=1e-9)
    assert again.differences["mine"].value == pytest.approx(0, abs=1e-9)
    assert "mine" not in mine.differences
    assert (again.sweeps, again.calibration, again.deployed) == ((), None, {})
    assert len(again.realised) == len(lambdas)
    assert mine.realised == ()
    cost, quality = again.rollouts[0].cost, again.rollouts[0].quality
    for number, one in enumerate(again.realised):
        assert (one.cost.value, one.quality.value, one.calls) == pytest.approx(
            (cost[:, number].mean(), quality[:, number].mean(), 1)
        )
    last = again.realised[-1].cost
    error = 1.96 * cost[:, -1].std() / 150**0.5
    assert (last.low, last.high) == pytest.approx((last.value - error, last.value + error), rel=0.05)
    assert (again.information, told.information) == ("prompt only", "all")


def test_draws_with_other_settings_are_not_pooled():
    cells = np.arange(6.0).reshape(3, 2)
    ones = np.ones((3, 2), int)
    first, alike, other = (
        Rollout("x", np.array(settings), cells * scale, cells / 10, ones, "prompt only")
        for settings, scale in (([1.0, 2.0], 1), ([1.0, 2.0], 3), ([5.0, 6.0], 100))
    )
    found = realised([first, alike, other], 0, np.random.default_rng(0))
    assert [one.cost.value for one in found] == [4.0, 6.0]
    assert found[0].cost.low is None
