import numpy as np
import pytest

from routerbench.data.demo import PRICES, load, make_world
from routerbench.data.demo_prompts import FAMILIES
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.base import Prediction


@pytest.fixture(scope="module")
def world():
    return make_world(4000, seed=3)


def test_the_same_seed_draws_the_same_world(world):
    again = make_world(4000, seed=3)
    assert again.table.digest() == world.table.digest()
    assert make_world(4000, seed=4).table.digest() != world.table.digest()


def test_labels_and_costs_average_to_the_stated_truth(world):
    noise = np.sqrt((world.quality * (1 - world.quality)).sum(axis=0)) / len(world.table)
    assert (abs(world.table.quality.mean(axis=0) - world.quality.mean(axis=0)) < 4 * noise).all()
    np.testing.assert_allclose(world.table.cost.mean(axis=0), world.cost.mean(axis=0), rtol=0.03)


def test_costs_are_tokens_times_prices():
    world = make_world(1, seed=0)
    prompt_tokens = np.ceil(len(world.table.prompts[0]) / 4)
    prompt_price, answer_price = np.array(list(PRICES.values())).T * 1e-6
    answer_tokens = (world.cost[0] - prompt_tokens * prompt_price) / answer_price
    np.testing.assert_allclose(answer_tokens, answer_tokens[0])  # one expected length for all models
    assert (world.table.cost[0] > prompt_tokens * prompt_price).all()


def test_no_prediction_routes_better_than_the_truth(world):
    best = validation_aiq(Prediction(world.quality, world.cost), world.table)
    zero = validation_aiq(
        Prediction(*np.broadcast_arrays(world.quality.mean(0), world.quality), world.cost), world.table
    )
    rng = np.random.default_rng(0)
    noisy = np.clip(world.quality + rng.normal(0, 0.3, world.quality.shape), 0, 1)
    assert best > validation_aiq(Prediction(noisy, world.cost), world.table) > zero
    assert best > zero + 0.05


def test_difficulty_shows_in_every_familys_text():
    rng = np.random.default_rng(0)
    for family, write in FAMILIES.items():
        mean_length = [np.mean([len(write(level, rng)) for _ in range(50)]) for level in (0, 4)]
        assert mean_length[1] > 1.2 * mean_length[0], family


def test_load_splits_and_holds_out_a_family():
    table = load(num_prompts=800, holdout_benchmarks=["coding"], seed=1)
    assert set(table.split[table.benchmark == "coding"]) <= {"test", ""}
    assert {"train", "val", "test"} <= set(table.split[table.benchmark != "coding"])
    with pytest.raises(InputError, match="cooking"):
        load(num_prompts=100, holdout_benchmarks=["cooking"])
