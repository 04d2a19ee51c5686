"""Routers as ONNX graphs: the same predictions as torch, without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

import routerbench
from routerbench import artefact
from routerbench.adjustment import Adjustment
from routerbench.encoders.combined import CombinedEncoder
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.encoders.minilm import MiniLMEncoder
from routerbench.encoders.onnx import OnnxEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.export import export
from routerbench.export.onnx import TEXTS
from routerbench.routers.families.neural import NeuralRouter
from routerbench.routers.families.onnx import OnnxRouter
from routerbench.routers.knn import KNNRouter
from routerbench.routers.mlp import MLPRouter
from tests.conftest import make_examples
from tests.encoders.conftest import texts, tiny_bert, tiny_gpt  # noqa: F401 (fixtures)
from tests.routers.networks import randomised

NONE_SEEN = np.empty(0, np.uint64)
LAMBDAS = (0.0, 1e-4, 0.01, 1.0, np.inf)


def fitted_mlp(dim, calibration="isotonic"):
    """A network drawn at random with what is learned after training, and the table it was fitted on."""
    train, val = make_examples(200, seed=0, dim=dim)[0], make_examples(200, seed=1, dim=dim)[0]
    router = MLPRouter(dim, 3, hidden=[16], dropout=0.5)
    router.prepare(train)
    return Adjustment(calibration, 1.0).apply(randomised(router), train.table, val, validation_aiq), train.table


def save(folder, router, encoder, table):
    artefact.save(folder, router, encoder, table, {}, {}, NONE_SEEN)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory, tiny_bert):  # noqa: F811
    """A calibrated and guarded network on an encoder that cuts prompts on the left, exported."""
    encoder = HuggingFaceEncoder(str(tiny_bert), max_length=24, device="cpu")
    router, table = fitted_mlp(encoder.dim)
    folder = save(tmp_path_factory.mktemp("bert") / "router", router, encoder, table)
    written = export(folder)
    assert [file.name for file in written.files] == ["encoder.onnx", "tokenizer.json", "router.onnx"]
    assert written.difference < 1e-5
    return folder


@pytest.fixture
def copy(bert, tmp_path):
    """The export in a folder of its own."""
    return Path(shutil.copytree(bert, tmp_path / "router"))


def assert_same(folder, prompts):
    """Both backends embed, predict and route alike."""
    ours, theirs = routerbench.load(folder, backend="onnx"), routerbench.load(folder, device="cpu")
    np.testing.assert_allclose(ours.encoder.encode(prompts), theirs.encoder.encode(prompts), atol=1e-5, rtol=0)
    prompts = [prompt for prompt in prompts if prompt.strip()]
    mine, other = ours.predict(prompts), theirs.predict(prompts)
    np.testing.assert_allclose(mine.quality, other.quality, atol=1e-5, rtol=0)
    np.testing.assert_allclose(mine.cost, other.cost, rtol=1e-4)
    for willingness_to_pay in LAMBDAS:
        decisions = [[d.model for d in each.route(prompts, willingness_to_pay)] for each in (ours, theirs)]
        assert decisions[0] == decisions[1]
    return ours


def test_a_network_and_its_encoder(bert, texts):  # noqa: F811
    """40 texts of 0 to 45 words, of which at most 24 tokens count."""
    ours = assert_same(bert, texts)
    assert isinstance(ours.encoder, OnnxEncoder)
    assert isinstance(ours.router.router, OnnxRouter)
    alone = np.concatenate([ours.encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(alone, ours.encoder.encode(texts), atol=1e-5)
    assert ours.encoder.encode([]).shape == (0, 32)
    assert ours.predict(np.empty((0, 32), np.float32)).quality.shape == (0, 3)
    embeddings = ours.encoder.encode(texts)
    np.testing.assert_array_equal(ours.predict(embeddings[:1]).quality.shape, (1, 3))
    assert_same(bert, ["w1 \ud83d w2", "\0", "unbekannte Wörter 漢字"])


def test_a_closed_form_router_on_a_causal_encoder(tmp_path, tiny_gpt, texts):  # noqa: F811
    """No special tokens, so that an empty text has no token at all; the router needs no graph."""
    encoder = HuggingFaceEncoder(str(tiny_gpt), pooling="last", truncation_side="right", max_length=20, device="cpu")
    train, val = make_examples(100, seed=0, dim=16)[0], make_examples(50, seed=1, dim=16)[0]
    router = KNNRouter(16, 3, [5], ["uniform"])
    router.fit(train, val, validation_aiq)
    written = export(save(tmp_path / "router", router, encoder, train.table))
    assert [file.name for file in written.files] == ["encoder.onnx", "tokenizer.json"]
    assert isinstance(assert_same(tmp_path / "router", texts).router, KNNRouter)


def test_minilm(tmp_path):
    encoder = MiniLMEncoder(device="cpu", dtype="float32")
    router, table = fitted_mlp(encoder.dim, "none")
    export(save(tmp_path, router, encoder, table))
    assert_same(
        tmp_path, ["Hi", "What is 7 + 5?", "Q: a\nA: b\n\n" * 200 + "Q: Prove it.", "Zählt \u00fc\u0308 und 漢字?"]
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_difference_to_the_arithmetic_that_the_card_names_is_said(tmp_path, tiny_bert, dtype):  # noqa: F811
    """A router trained on a GPU is in bfloat16; its graph is exact in float32, and how far that is off is reported."""
    encoder = HuggingFaceEncoder(str(tiny_bert), max_length=24, dtype=dtype, device="cpu")
    router, table = fitted_mlp(encoder.dim)
    folder = save(tmp_path / "router", router, encoder, table)
    written = export(folder)
    ours, theirs = routerbench.load(folder, backend="onnx"), routerbench.load(folder, device="cpu")
    measured = np.abs(ours.encoder.encode(TEXTS) - theirs.encoder.encode(TEXTS)).max()
    assert written.dtype == theirs.encoder.dtype == dtype
    assert written.difference >= measured
    assert (written.difference < 1e-5) == (dtype == "float32")


def networks():
    """Recipes of the routers that are networks."""
    for file in sorted(Path(__file__).parents[2].glob("conf/router/*.yaml")):
        options = OmegaConf.load(file)
        recipe = OmegaConf.create({"seed": 0, "router": options.get("router", options)}).router
        if issubclass(get_class(recipe._target_), NeuralRouter):
            recipe.pop("defaults", None)
            yield pytest.param(recipe, id=file.stem)


@pytest.mark.parametrize("recipe", list(networks()))
def test_every_network(recipe, tmp_path):
    """All have a graph but rm_softmax, which chooses itself, as no graph of outcomes can."""
    router = instantiate(recipe, embedding_dim=8, num_models=3)
    train = make_examples(100, seed=0)[0]
    router.prepare(train)
    written = export(save(tmp_path, randomised(router), HashingEncoder(dim=8), train.table))
    assert [file.name for file in written.files] == ([] if router.chooses_itself else ["router.onnx"])
    assert_same(tmp_path, ["a", "b c", "What is 7 + 5?"])


def test_rankings_and_unknown_costs(tmp_path):
    train = make_examples(100, seed=0)[0]
    router = randomised(MLPRouter(8, 3, hidden=[4], dropout=0.0))
    router.is_ranking.fill_(True)
    export(save(tmp_path, router, HashingEncoder(dim=8), train.table))
    ours, theirs = (routerbench.load(tmp_path, backend=name).predict(train.embeddings) for name in ("onnx", "torch"))
    assert ours.scale == theirs.scale == "ranking"
    np.testing.assert_allclose(ours.quality, theirs.quality, rtol=1e-5, atol=1e-6)
    assert np.isnan(ours.cost).all()


def test_a_service_imports_no_torch(copy):
    """Neither to load nor to route, with the folder moved away from where it was exported."""
    code = """
import sys, routerbench
router = routerbench.load(sys.argv[1], backend="onnx")
print(router.route(["w1 w2", "w3"], willingness_to_pay=0.01)[1].model)
print(*{"torch", "transformers", "lightning", "hydra", "onnx", "sklearn", "pandas"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [routerbench.load(copy).route(["w3"], 0.01)[0].model]


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json", "router.onnx"])
def test_a_changed_or_missing_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[-5] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(InputError, match=rf"{name}: missing, or changed .*python -m routerbench export"):
        routerbench.load(copy, backend="onnx")
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name}: missing"):
        routerbench.load(copy, backend="onnx")
    routerbench.load(copy)


def test_a_router_that_was_not_exported(copy):
    router, table = fitted_mlp(32)
    save(copy, router, routerbench.load(copy, device="cpu").encoder, table)
    routerbench.load(copy, backend="onnx")  # the same weights
    other, _ = fitted_mlp(32, "none")
    save(copy, other, routerbench.load(copy, device="cpu").encoder, table)
    with pytest.raises(InputError, match="the export of another router"):
        routerbench.load(copy, backend="onnx")
    (copy / "onnx.json").write_text("{")
    with pytest.raises(InputError, match="not the manifest of an export"):
        routerbench.load(copy, backend="onnx")
    (copy / "onnx.json").unlink()
    with pytest.raises(InputError, match=r"no ONNX export there.*python -m routerbench export"):
        routerbench.load(copy, backend="onnx")


def test_it_can_be_saved_again(copy, tmp_path):
    routerbench.load(copy, backend="onnx").save(tmp_path / "again")
    ours, theirs = (routerbench.load(folder).predict(["w1"]).quality for folder in (tmp_path / "again", copy))
    np.testing.assert_array_equal(ours, theirs)


def test_missing_packages_are_named(copy, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(InputError, match=r"pip install 'routerbench\[onnx\]'"):
            routerbench.load(copy, backend="onnx")
    monkeypatch.setattr("routerbench.export.onnx.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnx, onnxscript, onnxruntime.*pip install 'routerbench\[onnx\]'"):
        export(copy)


def test_wrong_options(copy):
    with pytest.raises(InputError, match="backend must be torch or onnx"):
        routerbench.load(copy, backend="tensorrt")
    with pytest.raises(InputError, match="this ONNX Runtime knows no GPU"):
        routerbench.load(copy, backend="onnx", device="cuda")


def test_several_encoders_at_once_have_no_graph(tmp_path):
    router, table = fitted_mlp(16)
    encoder = CombinedEncoder([{"encoder": "hashing", "dim": 8}, {"encoder": "hashing", "dim": 8, "weight": 2.0}])
    with pytest.raises(InputError, match="encoder=combined is no single graph"):
        export(save(tmp_path, router, encoder, table))
    assert not (tmp_path / "onnx.json").exists()


def test_command(tmp_path, capsys):
    from routerbench.__main__ import main

    router, table = fitted_mlp(8)
    main(["export", str(save(tmp_path, router, HashingEncoder(dim=8), table))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'router.onnx'}: 0.0 MB")
    assert lines[1].startswith("largest difference to torch in float32: ")
    assert set(json.loads((tmp_path / "onnx.json").read_text())["files"]) == {"router.onnx"}
    with pytest.raises(SystemExit, match="no router there"):
        main(["export", str(tmp_path / "nowhere")])
