"""Exports for vLLM Semantic Router choose as our routers do, by an independent implementation of its rules."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from routerbench import artefact
from routerbench.__main__ import main
from routerbench.adjustment import Adjustment
from routerbench.data.demo import load as demo
from routerbench.data.outcomes import Examples
from routerbench.data.table import load as load_table
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.export.vllm_semantic_router import export
from routerbench.routers.avengers import AvengersRouter
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.knn import KNNRouter
from routerbench.routers.mlp import MLPRouter
from routerbench.routers.svm import SVMRouter
from routerbench.routers.uniroute import UniRouteRouter
from tests.conftest import make_table
from tests.export.reading import features, read, select

DIM = 32
LAMBDAS = (0.0, 1e-3, 1e-2, 0.1, np.inf)
LEAST = {"knn": 0.99, "uniroute": 1.0, "avengers": 0.8, "svm": 0.99, "mlp": 0.99}
NONE_SEEN = np.empty(0, np.uint64)


def routers(dim, models):
    return {
        "knn": KNNRouter(dim, models, [10, 20], "uniform"),
        "uniroute": UniRouteRouter(dim, models, [8, 16], "kmeans", 0),
        "avengers": AvengersRouter(dim, models, [16], 3, 6.0, "mean", 0),
        "svm": SVMRouter(dim, models, "linear", [1e-5, 1e-4, 1e-3], 0.1, 16, 0),
        "mlp": MLPRouter(dim, models, [24], 0.1),
    }


def fit(router, train, val):
    if not isinstance(router, MLPRouter):
        router.fit(train, val, validation_aiq)
        return router
    import torch

    torch.manual_seed(0)
    router.prepare(train)
    optimizer = torch.optim.Adam(router.parameters(), lr=1e-2)
    inputs = torch.from_numpy(train.embeddings)
    quality, cost = torch.from_numpy(train.table.quality).float(), torch.from_numpy(train.table.cost).float()
    for _ in range(60):
        heads = router(inputs)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(heads.quality_logit, quality)
        log_ratio = (cost / router.mean_cost).clamp_min(1e-3).log()
        loss = loss + (heads.cost_log_ratio - log_ratio).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return router.eval()


def save(folder, router, encoder, table):
    artefact.save(folder, router, encoder, table, {}, {}, NONE_SEEN)
    return artefact.load(folder, device="cpu")


def agreement(trained, file, embeddings, lambda_, seed=0):
    """Share of the embeddings for which the file names the model that the router chooses."""
    expected = [decision.model for decision in trained.route(embeddings, lambda_)]
    content = read(file)
    rows = features(embeddings, np.random.default_rng(seed))
    return np.mean([a == b for a, b in zip(select(content, rows), expected, strict=True)]), set(expected)


@pytest.fixture(scope="module")
def parts():
    table, encoder = demo(700), HashingEncoder(dim=DIM)
    return {
        name: Examples(part, encoder.encode(list(part.prompts)))
        for name in ("train", "val", "test")
        for part in [table.part(name)]
    }


@pytest.mark.parametrize("kind", LEAST)
def test_it_chooses_as_the_router_does(kind, parts, tmp_path):
    """On the test prompts of the demo, at five lambdas, whatever the category."""
    table = parts["train"].table
    trained = save(
        tmp_path,
        fit(routers(DIM, table.num_models)[kind], parts["train"], parts["val"]),
        HashingEncoder(dim=DIM),
        table,
    )
    chosen = set()
    embeddings = parts["test"].embeddings[:80]
    for lambda_ in LAMBDAS:
        written = export(trained, tmp_path, lambda_)
        assert written.file.name == {"uniroute": "kmeans", "avengers": "kmeans"}.get(kind, kind) + "_model.json"
        share, models = agreement(trained, written.file, embeddings, lambda_)
        assert share >= LEAST[kind]
        chosen |= models
    assert len(chosen) > 2
    # What the export says of prompts that it is given is what the tests' own reading of the file finds.
    prompts = tmp_path / "prompts.jsonl"
    texts = parts["test"].table.prompts[:80]
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    written = export(trained, tmp_path, 0.01, prompts=prompts)
    assert written.agreement == agreement(trained, written.file, embeddings, 0.01)[0]


def test_an_svm_differs_only_where_quality_is_clipped(parts, tmp_path):
    table = parts["train"].table
    router = fit(SVMRouter(DIM, table.num_models, "linear", 1e-2, 0.1, 16, 0), parts["train"], parts["val"])
    raw = (parts["test"].embeddings - router.mean) / router.std @ router.weights + router.bias
    embeddings = parts["test"].embeddings[((raw >= 0) & (raw <= 1)).all(axis=1)]
    assert 20 < len(embeddings) < len(raw)
    trained = save(tmp_path, router, HashingEncoder(dim=DIM), table)
    for lambda_ in LAMBDAS:
        assert agreement(trained, export(trained, tmp_path, lambda_).file, embeddings, lambda_)[0] == 1


@pytest.mark.parametrize("kind", ["knn", "uniroute", "svm", "mlp"])
def test_two_models_and_a_guard(kind, parts, tmp_path):
    """scikit-learn's sign of a single pair is another than that of many; the guard holds back the second model."""
    two = {
        name: Examples(part.table.select_models(part.table.models[1:3]), part.embeddings)
        for name, part in parts.items()
    }
    router = fit(routers(DIM, 2)[kind], two["train"], two["val"])
    guarded = Adjustment("none", 4.0).apply(router, two["train"].table, two["val"], validation_aiq)
    embeddings = two["test"].embeddings[:80]
    chosen = []
    for adjusted in (router, guarded):
        trained = save(tmp_path, adjusted, HashingEncoder(dim=DIM), two["train"].table)
        share, _ = agreement(trained, export(trained, tmp_path, 0.003).file, embeddings, 0.003)
        assert share >= LEAST[kind]
        chosen.append([decision.model for decision in trained.route(embeddings, 0.003)])
    assert chosen[0] != chosen[1] or kind == "svm"


@pytest.mark.parametrize("method", ["isotonic", "platt", "shared"])
@pytest.mark.parametrize("is_ranking", [False, True])
def test_a_network_keeps_its_calibration(method, is_ranking, parts, tmp_path):
    router = fit(routers(DIM, parts["train"].table.num_models)["mlp"], parts["train"], parts["val"])
    router.is_ranking.fill_(is_ranking)
    adjusted = Adjustment(method, 1.0).apply(router, parts["train"].table, parts["val"], validation_aiq)
    trained = save(tmp_path, adjusted, HashingEncoder(dim=DIM), parts["train"].table)
    share, models = agreement(trained, export(trained, tmp_path, 0.01).file, parts["test"].embeddings, 0.01)
    assert share >= 0.99
    assert len(models) > 1


def test_a_knn_by_hand(tmp_path):
    """Two prompts at right angles and K = 1; at lambda 0.1 the second model is worth its price on the second prompt."""
    table = make_table([[1, 1], [0, 1]], [[0.01, 0.02], [0.01, 0.02]])
    examples = Examples(table, np.eye(2, dtype=np.float32))
    router = KNNRouter(2, 2, 1, "uniform")
    router.fit(examples, examples, validation_aiq)
    trained = save(tmp_path, router, HashingEncoder(), table)
    content = read(export(trained, tmp_path, 0.1).file)
    assert content["k"] == 2
    assert content["labels"] == ["model-0", "model-1"] * 2
    assert [len(row) for row in content["embeddings"]] == [16] * 4
    # Utilities 0.09, 0.08, -0.01, 0.08: from the least, 0.01, to the largest, 1.
    np.testing.assert_allclose(content["qualities"], [1, 0.901, 0.01, 0.901])
    rows = features(np.array([[2.0, 0.1], [0.1, 2.0]]), np.random.default_rng(0))
    assert select(content, rows) == ["model-0", "model-1"]


def test_the_command_names_models_and_says_what_is_lost(parts, tmp_path, capsys):
    table = parts["train"].table
    save(
        tmp_path / "router",
        fit(routers(DIM, table.num_models)["avengers"], parts["train"], parts["val"]),
        HashingEncoder(dim=DIM),
        table,
    )
    names, prompts = tmp_path / "names.json", tmp_path / "prompts.jsonl"
    names.write_text(json.dumps({table.models[0]: "qwen"}))
    prompts.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in parts["test"].table.prompts[:50]))
    file = tmp_path / "theirs" / "selector.json"
    words = f"{tmp_path}/router --to vllm-semantic-router --willingness-to-pay 0 --model-names {names}"
    main(["export", *words.split(), "--prompts", str(prompts), "--output", str(file)])
    text = capsys.readouterr().out
    assert f"for 100.0% of 50 prompts of {prompts}" in text
    assert "the nearest cluster decides alone" in text
    assert "'encoder': 'hashing'" in text
    assert set(read(file)["cluster_models"]) <= {"qwen", *table.models[1:]}
    assert "qwen" in read(file)["model_names"]


def test_what_cannot_be_said_is_refused(parts, tmp_path):
    train, val = parts["train"], parts["val"]
    models, encoder = train.table.num_models, HashingEncoder(dim=DIM)

    def refusal(router, lambda_=0.01):
        with pytest.raises(InputError) as error:
            export(save(tmp_path, router, encoder, train.table), tmp_path, lambda_)
        assert "\n" not in str(error.value)
        assert not list(tmp_path.glob("*_model.json"))
        return str(error.value)

    knn = fit(KNNRouter(DIM, models, 5, "uniform"), train, val)
    assert "router=constant" in refusal(fit(ConstantRouter(DIM, models), train, val))
    assert "features=kmeans" in refusal(fit(UniRouteRouter(DIM, models, 8, "learned", 0), train, val))
    assert "kernel=linear" in refusal(fit(SVMRouter(DIM, models, "rbf", 1e-3, 0.1, 8, 0), train, val))
    calibrated = Adjustment("isotonic", 0).apply(knn, train.table, val, validation_aiq)
    assert "calibration=isotonic" in refusal(calibrated)
    grown = artefact.load(tmp_path).router.router
    grown.add_model(val.embeddings[:30], val.table.quality[:30, 0], val.table.cost[:30, 0])
    with pytest.raises(InputError, match="added model"):
        export(
            save(tmp_path, knn, encoder, train.table).add_model(
                "new", val.embeddings[:30], val.table.quality[:30, 0], val.table.cost[:30, 0]
            ),
            tmp_path,
            0.01,
        )


@pytest.mark.skipif("ROUTERBENCH_DATA" not in os.environ, reason="ROUTERBENCH_DATA names no folder of tables")
@pytest.mark.parametrize("kind", LEAST)
def test_a_real_table(kind, tmp_path):
    """RouterBench's own rows, embedded by MiniLM."""
    folder = Path(os.environ["ROUTERBENCH_DATA"])
    table = load_table(folder / "routerbench_part.parquet", drop_unpriced_models=True)
    embeddings = np.load(folder / "embeddings" / "routerbench_part.minilm.npy").astype(np.float32)[table.rows]
    order = np.random.default_rng(0).permutation(len(table))
    train, val, test = (Examples(table.take(rows), embeddings[rows]) for rows in np.split(order[:1000], [600, 800]))
    trained = save(
        tmp_path, fit(routers(384, table.num_models)[kind], train, val), HashingEncoder(dim=384), train.table
    )
    for lambda_ in (3e-3, 3e-2):
        share, _ = agreement(trained, export(trained, tmp_path, lambda_).file, test.embeddings[:60], lambda_)
        assert share >= LEAST[kind]
