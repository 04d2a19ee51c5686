"""What every router of the package must do; found by globbing ``conf/router``."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from routerbench import artefact
from routerbench.config.building import get_class, router_of
from routerbench.data.demo import load
from routerbench.data.outcomes import SPLITS, Examples
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.evaluation.evaluate import evaluate, validation_aiq
from routerbench.programs.train import fit_router
from routerbench.routers.base import ClosedFormRouter

CONF = Path(__file__).parents[2] / "conf"
ROUTERS = sorted(path.stem for path in (CONF / "router").glob("*.yaml"))
BLIND = {"constant"}  # ignores the prompt
LABEL_FREE = {"smoothie"}  # never sees a quality but in calibration
ENCODER = HashingEncoder(dim=64)


def config(name, folder, epochs):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(
            "train",
            [
                f"router={name}",
                f"output_dir={folder}",
                f"trainer.max_epochs={epochs}",
                "trainer.accelerator=cpu",
                "trainer.enable_progress_bar=false",
                "logger=csv",
            ],
        )


@cache
def world():
    """Train, val and test of the demo."""
    table = load(num_prompts=1500, seed=0)
    embeddings = ENCODER.encode(list(table.prompts))
    return tuple(Examples(table.part(split), embeddings[table.split == split]) for split in SPLITS)


def order():
    """Another order of the models."""
    return np.random.default_rng(5).permutation(world()[0].table.num_models)


def changed(examples, variant):
    """The world as a variant has it."""
    table = examples.table
    if variant == "permuted":
        return Examples(table.select_models([table.models[model] for model in order()]), examples.embeddings)
    if variant == "gaps":
        # Few in validation, where a prompt with a gap cannot be scored: with 11 models hardly one would be left.
        share = 0.3 if len(table) > 500 else 0.05
        is_gap = np.random.default_rng(len(table)).random(table.quality.shape) < share
        quality, cost = (np.where(is_gap, np.nan, cells) for cells in (table.quality, table.cost))
        return Examples(replace(table, quality=quality, cost=cost), examples.embeddings)
    if variant == "free":
        return Examples(replace(table, cost=np.full_like(table.cost, np.nan)), examples.embeddings)
    if variant == "gratis":
        return Examples(replace(table, cost=table.cost * (np.arange(table.num_models) > 0)), examples.embeddings)
    return examples


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Fits a router on a variant of the world, each once."""

    @cache
    def fit(name, variant="plain", number=0):
        folder = tmp_path_factory.mktemp("fit")
        cfg = config(name, folder, epochs=2 if variant in ("free", "gratis") else 15)
        cfg.seed = int(variant == "another seed")
        train, val, test = (changed(examples, variant) for examples in world())
        router = fit_router(*router_of(cfg, train.embeddings.shape[1], train.table.num_models, folder), train, val)
        return SimpleNamespace(router=router, prediction=router.predict(test.embeddings), cfg=cfg)

    return fit


def same(first, second, **tolerance):
    for name in ("quality", "cost"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), **tolerance)
    if first.choices is not None:
        np.testing.assert_array_equal(first.choices.chosen, second.choices.chosen)


def test_all_routers_are_there():
    modules = {path.stem for path in (CONF.parent / "routerbench" / "routers").glob("*.py")} - {"__init__", "base"}
    assert modules == set(ROUTERS)


@pytest.mark.parametrize("name", sorted(set(ROUTERS) - BLIND))
def test_learns_the_demo_world_above_the_zero_router(name, fitted):
    train, _, test = world()
    prediction = fitted(name).prediction
    mean_cost = np.tile(train.table.cost.mean(axis=0), (len(test.table), 1))
    # The demo's costs alone take a router that knows no more of quality than the means above the Zero router.
    predictions = {"whole": [prediction], "quality alone": [prediction._replace(cost=mean_cost)]}
    evaluation = evaluate(predictions, test.table, train.table, num_resamples=0)
    zero = evaluation.references["zero_router"].aiq.value
    for scored in evaluation.routers.values():
        assert scored.aiq.value - zero > (0 if name in LABEL_FREE else 0.005)


@pytest.mark.parametrize("name", ROUTERS)
def test_predictions_are_in_range_and_finite(name, fitted):
    prediction = fitted(name).prediction
    test = world()[2]
    assert prediction.quality.shape == prediction.cost.shape == test.table.quality.shape
    assert prediction.scale == "quality"  # a ranking was calibrated
    assert ((prediction.quality >= 0) & (prediction.quality <= 1)).all()
    assert (np.isfinite(prediction.cost) & (prediction.cost >= 0)).all()
    far = fitted(name).router.predict(np.stack([test.embeddings[0] * 0, test.embeddings[0] * 50]))
    assert np.isfinite(far.quality).all()


@pytest.mark.parametrize("name", ROUTERS)
def test_a_prompts_prediction_is_its_own(name, fitted):
    router, whole = fitted(name).router, fitted(name).prediction
    embeddings = world()[2].embeddings
    same(router.predict(embeddings[3:4]), whole.take(np.array([3])), rtol=1e-4, atol=1e-5)
    assert router.predict(embeddings[:0]).quality.shape == (0, whole.quality.shape[1])
    assert router.predict(embeddings[:0]).cost.shape == (0, whole.quality.shape[1])


@pytest.mark.parametrize("name", ROUTERS)
def test_permuting_the_models_permutes_the_predictions(name, fitted):
    plain, permuted = fitted(name).prediction, fitted(name, "permuted").prediction
    expected = plain._replace(quality=plain.quality[:, order()], cost=plain.cost[:, order()], choices=None)
    is_closed = issubclass(get_class(fitted(name).cfg.router), ClosedFormRouter)
    if is_closed and name != "ensemble":
        same(permuted._replace(choices=None), expected, rtol=1e-4, atol=1e-5)
        return
    # First weights and draws fall on other models, which is as another seed would be: alike, not equal.
    gap = abs(permuted.quality - expected.quality).mean()
    if gap >= 0.06:
        assert gap < 1.2 * abs(fitted(name, "another seed").prediction.quality - plain.quality).mean()
    assert np.corrcoef(permuted.quality.ravel(), expected.quality.ravel())[0, 1] > 0.9
    assert np.corrcoef(permuted.cost.ravel(), expected.cost.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", ROUTERS)
def test_a_table_with_gaps_trains(name, fitted):
    prediction = fitted(name, "gaps").prediction
    assert np.isfinite(prediction.quality).all()
    assert np.isfinite(prediction.cost).all()
    test = world()[2].table
    gain = validation_aiq(prediction, test) - validation_aiq(fitted("constant").prediction, test)
    assert gain > (0.005 if name not in BLIND | LABEL_FREE else -0.01)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_table_without_cost_gives_quality_and_no_cost(name, fitted):
    prediction = fitted(name, "free").prediction
    assert np.isfinite(prediction.quality).all()
    assert np.isnan(prediction.cost).all()


@pytest.mark.parametrize("name", ROUTERS)
def test_a_model_that_costs_nothing_is_predicted_to_cost_nothing(name, fitted):
    prediction = fitted(name, "gratis").prediction
    assert np.isfinite(prediction.quality).all()
    assert np.isfinite(prediction.cost).all()
    assert (prediction.cost[:, 0] == 0).all()


@pytest.mark.parametrize("name", ROUTERS)
def test_the_same_seed_gives_the_same_numbers(name, fitted):
    same(fitted(name, number=1).prediction, fitted(name).prediction, rtol=0, atol=0)


@pytest.mark.parametrize("name", ROUTERS)
def test_the_artefact_restores_the_predictions(name, fitted, tmp_path):
    train, _, test = world()
    router = fitted(name).router
    artefact.save(tmp_path, router, ENCODER, train.table, {}, {}, prompt_keys(train.table.prompts))
    assert {path.name for path in tmp_path.iterdir()} == {"router.json", "weights.safetensors"}
    assert json.loads((tmp_path / "router.json").read_text())["name"] == name
    loaded = artefact.load(tmp_path, device="cpu")
    same(loaded.predict(test.embeddings), fitted(name).prediction, rtol=1e-6, atol=1e-9)
    (decision,) = loaded.route(test.embeddings[:1], willingness_to_pay=0.01)
    assert decision.model in train.table.models
