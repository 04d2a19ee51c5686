import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import routerbench
from routerbench import artefact
from routerbench.adjustment import Adjustment
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.precomputed import PrecomputedEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.references import best_single
from routerbench.policy import select
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.knn import KNNRouter
from routerbench.routers.linear import LinearRouter
from routerbench.routers.mlp import MLPRouter
from tests.conftest import make_examples

NONE_SEEN = np.empty(0, np.uint64)
PROMPTS = ["What is 2 + 2?", "Prove that there are infinitely many primes.", "Hi", "What is 2 + 2?"]


@pytest.fixture
def saved(tmp_path):
    """A small MLP on hashed n-grams, saved."""
    train = make_examples(50, seed=0, dim=64)[0]
    router, encoder = MLPRouter(64, 3, hidden=[8], dropout=0.0), HashingEncoder(dim=64)
    router.prepare(train)
    router.quality_bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))  # the dearer, the better
    artefact.save(tmp_path / "router", router, encoder, train.table, {"digest": "d"}, {"val/aiq": 0.5}, NONE_SEEN)
    return tmp_path / "router", router, encoder


def test_loads_to_the_same_predictions(saved):
    folder, router, encoder = saved
    loaded = routerbench.load(folder)
    expected = router.predict(encoder.encode(PROMPTS))
    for given in (PROMPTS, encoder.encode(PROMPTS)):
        prediction = loaded.predict(given)
        np.testing.assert_allclose(prediction.quality, expected.quality, rtol=1e-12)
        np.testing.assert_allclose(prediction.cost, expected.cost, rtol=1e-12)
    assert loaded.models == ("model-0", "model-1", "model-2")


@pytest.mark.parametrize("willingness_to_pay", [0, 1e-4, 0.01, np.inf])
def test_route_names_the_selected_model_and_what_to_expect(saved, willingness_to_pay):
    loaded = routerbench.load(saved[0])
    quality, cost = loaded.predict(PROMPTS)[:2]
    chosen = select(quality, cost, willingness_to_pay)
    for i, decision in enumerate(loaded.route(PROMPTS, willingness_to_pay)):
        assert decision == (loaded.models[chosen[i]], quality[i, chosen[i]], cost[i, chosen[i]])


def test_route_spends_more_for_a_higher_willingness_to_pay(saved):
    loaded = routerbench.load(saved[0])
    spent = [sum(decision.cost for decision in loaded.route(PROMPTS, lambda_)) for lambda_ in (0, 1e-3, 0.1, 10)]
    assert spent == sorted(spent)
    assert spent[0] < spent[-1]


def test_knn_carries_its_vectors(tmp_path, train, val):
    router = KNNRouter(8, 3, [10, 30], ["uniform", "cosine"])
    router.fit(train, val, validation_aiq)
    artefact.save(tmp_path, router, HashingEncoder(dim=8), train.table, {}, {}, NONE_SEEN)
    loaded = routerbench.load(tmp_path).predict(val.embeddings)
    np.testing.assert_allclose(loaded.quality, router.predict(val.embeddings).quality, rtol=1e-6)


def test_calibration_and_guard_travel_with_the_router(tmp_path, train, val):
    router = LinearRouter(8, 3, [10.0])
    router.fit(train, val, validation_aiq)
    adjusted = Adjustment("isotonic", 2.0).apply(router, train.table, val, validation_aiq)
    artefact.save(tmp_path, adjusted, HashingEncoder(dim=8), train.table, {}, {}, NONE_SEEN)
    loaded = artefact.load(tmp_path)
    assert loaded.card["name"] == "linear"
    assert loaded.card["calibration"] == "isotonic"
    assert loaded.card["policy"]["guard"] == 2.0
    assert np.array_equal(loaded.predict(val.embeddings).quality, adjusted.predict(val.embeddings).quality)
    assert not np.array_equal(loaded.predict(val.embeddings).quality, router.predict(val.embeddings).quality)
    card = json.loads((tmp_path / "router.json").read_text())
    (tmp_path / "router.json").write_text(json.dumps(card | {"calibration": "magic"}))
    with pytest.raises(InputError, match="not a router's card"):
        artefact.load(tmp_path)


def test_a_router_on_precomputed_embeddings_takes_embeddings_or_an_encoder(tmp_path, train, val):
    np.save(tmp_path / "vectors.npy", train.embeddings)
    router = ConstantRouter(8, 3)
    router.fit(train, val, validation_aiq)
    artefact.save(
        tmp_path / "r", router, PrecomputedEncoder(str(tmp_path / "vectors.npy")), train.table, {}, {}, NONE_SEEN
    )
    (tmp_path / "vectors.npy").unlink()  # the artefact must not need the training data
    loaded = routerbench.load(tmp_path / "r")
    assert loaded.predict(val.embeddings).quality.shape == (len(val.table), 3)
    with pytest.raises(InputError, match="precomputed"):
        loaded.predict(PROMPTS)
    assert len(routerbench.load(tmp_path / "r", encoder=HashingEncoder(dim=8)).route(PROMPTS, 0.1)) == 4


def test_loading_imports_no_hydra_and_no_lightning(saved):
    code = f"""
import sys, routerbench
routerbench.load({str(saved[0])!r}).route(["hello"], willingness_to_pay=0.01)
loaded = [name for name in ("hydra", "omegaconf", "lightning", "wandb") if name in sys.modules]
sys.exit(f"imported {{loaded}}" if loaded else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=saved[0])


def edit_card(folder: Path, change) -> None:
    card = json.loads((folder / "router.json").read_text())
    change(card)
    (folder / "router.json").write_text(json.dumps(card))


@pytest.mark.parametrize("name", ["router.json", "weights.safetensors"])
def test_a_missing_file_is_named(saved, name):
    (saved[0] / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        routerbench.load(saved[0])


def test_a_flipped_bit_in_the_weights_is_noticed(saved):
    weights = saved[0] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match="wrong checksum"):
        routerbench.load(saved[0])


def test_an_encoder_that_changed_since_training_is_refused(saved):
    edit_card(saved[0], lambda card: card["encoder"]["arguments"].update(lowercase=False))
    loaded = routerbench.load(saved[0])
    with pytest.raises(InputError, match="encoder is another than in training"):
        loaded.predict(PROMPTS)
    assert loaded.predict(np.zeros((1, 64), np.float32)).quality.shape == (1, 3)


@pytest.mark.parametrize("part", ["router", "encoder"])
@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "routerbench.files.atomic_path",
        "routerbench.artefact.trained.TrainedRouter",
        "routerbench.nowhere.Router",
        "routerbench_evil.Router",
        "Router",
    ],
)
def test_refuses_a_class_that_is_no_router_or_encoder_of_the_package(saved, part, path):
    edit_card(saved[0], lambda card: card[part].update({"class": path}))
    with pytest.raises(InputError, match="refuses to load"):
        routerbench.load(saved[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.pop("models"), "models"),
        (lambda card: card.update(format=2), "format 2"),
        (lambda card: card["models"].pop(), "names 2 models for a router of 3"),
        (lambda card: card["router"].pop("class"), "refuses to load"),
        (lambda card: card["router"]["arguments"].update(hiden=[3]), "hiden"),
        (lambda card: card["router"]["arguments"].update(hidden=[9]), "weights"),
    ],
)
def test_a_damaged_card_gives_one_clear_error(saved, change, message):
    edit_card(saved[0], change)
    with pytest.raises(InputError, match=message):
        routerbench.load(saved[0])


def test_a_card_that_is_no_json_is_named(saved):
    (saved[0] / "router.json").write_text("{")
    with pytest.raises(InputError, match=r"router\.json: not a router's card"):
        routerbench.load(saved[0])


@pytest.mark.parametrize(
    ("prompts", "willingness_to_pay", "message"),
    [
        ("one text", 0.1, "list of texts"),
        (np.zeros((2, 63), np.float32), 0.1, r"\(N, 64\), got \(2, 63\)"),
        (["a"], -0.1, "at least 0, got -0.1"),
        (["a"], float("nan"), "at least 0, got nan"),
        ([""], 0.1, "empty"),
        ([None], 0.1, "prompt 0"),
    ],
)
def test_bad_requests_get_one_clear_error(saved, prompts, willingness_to_pay, message):
    with pytest.raises(InputError, match=message):
        routerbench.load(saved[0]).route(prompts, willingness_to_pay)


def test_no_prompts_give_no_decisions(saved):
    assert routerbench.load(saved[0]).route([], 0.1) == []


@pytest.fixture
def neighbors(tmp_path):
    """A small kNN router on hashed n-grams, saved and loaded."""
    train = make_examples(50, seed=0, dim=64)[0]
    router = KNNRouter(64, 3, [5], "uniform")
    router.fit(train, train, validation_aiq)
    artefact.save(tmp_path / "knn", router, HashingEncoder(dim=64), train.table, {}, {"val/aiq": 0.5}, NONE_SEEN)
    return routerbench.load(tmp_path / "knn")


def test_a_model_is_added_from_scored_prompts_and_stays_after_saving(neighbors, tmp_path):
    before = neighbors.predict(PROMPTS)
    grown = neighbors.add_model("new", PROMPTS[:3], [1.0, 1.0, 0.0], [1e-3, 2e-3, 3e-3])
    assert neighbors.models == ("model-0", "model-1", "model-2")
    assert grown.models == (*neighbors.models, "new")
    np.testing.assert_array_equal(grown.predict(PROMPTS).quality[:, :3], before.quality)
    grown.save(tmp_path / "grown")
    loaded = routerbench.load(tmp_path / "grown")
    np.testing.assert_array_equal(loaded.predict(PROMPTS).quality, grown.predict(PROMPTS).quality)
    assert loaded.card["mean_cost_usd_per_prompt"]["new"] == pytest.approx(2e-3)
    assert loaded.card["validation"] == {}, "the figures were of fewer models"
    assert loaded.card["weights_sha256"] != neighbors.card["weights_sha256"]
    assert set(prompt_keys(np.array(PROMPTS[:3], object))) <= set(loaded.seen)
    assert "new" in {decision.model for decision in loaded.route(PROMPTS, np.inf)} | set(loaded.models)


def test_embeddings_do_for_prompts(neighbors):
    embeddings = neighbors.encoder.encode(PROMPTS)
    first = neighbors.add_model("new", PROMPTS, [1, 0, 1, 0], [1e-3] * 4).predict(embeddings)
    second = neighbors.add_model("new", embeddings, [1, 0, 1, 0], [1e-3] * 4).predict(embeddings)
    np.testing.assert_array_equal(first.quality, second.quality)


def test_what_cannot_be_added_is_told_in_one_sentence(neighbors, saved):
    with pytest.raises(InputError, match="has a model 'model-1' already"):
        neighbors.add_model("model-1", PROMPTS, [1] * 4, [1e-3] * 4)
    with pytest.raises(InputError, match="model 'new': a model is added from k > 0 prompts"):
        neighbors.add_model("new", PROMPTS, [1.0], [1e-3])
    with pytest.raises(InputError, match=r"quality of an added model must be known and in \[0, 1\]"):
        neighbors.add_model("new", PROMPTS, [2.0] * 4, [1e-3] * 4)
    with pytest.raises(InputError, match="router=mlp cannot take in a model"):
        routerbench.load(saved[0]).add_model("new", PROMPTS, [1] * 4, [1e-3] * 4)


@pytest.fixture
def deployed(tmp_path, train, val):
    """A linear router with what it came to on validation, saved and loaded."""
    router = LinearRouter(8, 3, [10.0])
    router.fit(train, val, validation_aiq)
    points = OperatingPoints.of(router.predict(val.embeddings), val.table, best_single(train.table))
    artefact.save(tmp_path, router, HashingEncoder(dim=8), train.table, {}, {}, NONE_SEEN, operating=points)
    return routerbench.load(tmp_path)


def means(table, models, decisions):
    columns = [models.index(decision.model) for decision in decisions]
    rows = np.arange(len(columns))
    return table.cost[rows, columns].mean(), table.quality[rows, columns].mean()


def test_a_budget_and_a_quality_to_keep_hold_on_validation(deployed, train, val):
    cheapest = means(val.table, deployed.models, deployed.route(val.embeddings, 0))[0]
    dearest = means(val.table, deployed.models, deployed.route(val.embeddings, np.inf))[0]
    for budget in np.linspace(cheapest, dearest, 7):
        decisions = deployed.route(val.embeddings, budget_usd_per_1k=budget * 1000 * (1 + 1e-9))
        assert means(val.table, deployed.models, decisions)[0] <= budget * (1 + 1e-6)
    best = val.table.quality[:, best_single(train.table)].mean()
    for keep in (0.5, 0.8, 0.9):
        lambda_ = deployed.lambda_for(keep=keep)
        assert means(val.table, deployed.models, deployed.route(val.embeddings, lambda_))[1] >= keep * best
        lower = deployed.operating.willingness_to_pay < lambda_
        assert (deployed.operating.quality[lower] < keep * best).all()


def test_a_wish_that_cannot_be_met_is_told(deployed, saved):
    for wish, message in (
        ({}, "say one of"),
        ({"willingness_to_pay": 1, "keep": 0.9}, "say one of"),
        ({"budget_usd_per_1k": 1e-9}, "below what the cheapest choice cost"),
        ({"budget_usd_per_1k": -1}, "must be above 0"),
        ({"keep": 1.5}, "at most 1"),
    ):
        with pytest.raises(InputError, match=message):
            deployed.lambda_for(**wish)
    with pytest.raises(InputError, match="train it again"):
        routerbench.load(saved[0]).lambda_for(keep=0.9)


def test_models_may_be_left_out_and_prices_may_change(deployed, val):
    best = deployed.route(val.embeddings, np.inf)[0].model
    allowed = [name for name in deployed.models if name != best]
    for decision in deployed.route(val.embeddings, 0.01, models=allowed):
        assert decision.model in allowed
    prediction = deployed.predict(val.embeddings)
    dear = deployed.decide(prediction, 0.01, price_factors={name: 1e6 for name in deployed.models[1:]})
    assert {decision.model for decision in dear} == {deployed.models[0]}
    half = deployed.decide(prediction, 0.01, price_factors=dict.fromkeys(deployed.models, 0.5))
    plain = deployed.decide(prediction, 0.02)  # only the ratio of lambda and prices counts
    assert [decision.model for decision in half] == [decision.model for decision in plain]
    assert half[0].cost == pytest.approx(plain[0].cost / 2)
    for options, message in (
        ({"models": ["nobody"]}, "no model 'nobody'"),
        ({"models": []}, "models is empty"),
        ({"models": "model-0"}, "list of names"),
        ({"price_factors": {"model-0": -1}}, "at least 0"),
        ({"price_factors": {"nobody": 1}}, "no model 'nobody'"),
    ):
        with pytest.raises(InputError, match=message):
            deployed.route(val.embeddings, 0.1, **options)
