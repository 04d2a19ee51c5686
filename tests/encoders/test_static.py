import numpy as np
import pytest

import routerbench
from routerbench import artefact
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.static import TOKENIZER, WEIGHTS, StaticEncoder
from routerbench.errors import InputError
from routerbench.routers.linear import LinearRouter
from routerbench.training.score import validation_score

VECTORS = {"[UNK]": (9, 9), "red": (3, 0), "green": (0, 4), "blue": (1, 1)}


def write(folder, **arrays):
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VECTORS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER))
    save_file({"embeddings": np.array(list(VECTORS.values()), np.float16), **arrays}, folder / WEIGHTS)
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "static")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def made(cache):
    return StaticEncoder(size=64, cache_dir=cache, device="cpu")


def test_mean_of_known_tokens_has_length_1(folder):
    embeddings = StaticEncoder(folder).encode(["red red green", "blue what", "", "what"])
    expected = [np.array([6, 4]) / np.hypot(6, 4), np.array([1, 1]) / np.sqrt(2), [0, 0], [0, 0]]
    np.testing.assert_allclose(embeddings, expected, rtol=1e-6)
    assert embeddings.dtype == np.float32


def test_weights_and_mapping_of_the_layout(tmp_path):
    arrays = {"weights": np.array([1, 2, 1, 1], np.float32), "mapping": np.array([0, 2, 1, 3])}
    encoder = StaticEncoder(write(tmp_path / "static", **arrays))
    np.testing.assert_allclose(encoder.encode(["red green"])[0], np.array([3, 8]) / np.hypot(3, 8), rtol=1e-6)


@pytest.mark.parametrize(("side", "word"), [("left", "green"), ("right", "red")])
def test_a_long_prompt_is_cut(folder, side, word):
    encoder = StaticEncoder(folder, max_length=1, truncation_side=side)
    np.testing.assert_array_equal(encoder.encode(["red green"]), encoder.encode([word]))


def test_identity_is_the_files_and_the_options(folder, tmp_path):
    options = [{}, {"max_length": 9}, {"truncation_side": "right"}]
    other = write(tmp_path / "other", weights=np.ones(4, np.float32))
    fingerprints = {StaticEncoder(folder, **each).fingerprint for each in options} | {StaticEncoder(other).fingerprint}
    assert len(fingerprints) == 4


def test_wrong_options_and_files_are_one_error(folder, tmp_path):
    with pytest.raises(InputError, match="max_length must be positive"):
        StaticEncoder(folder, max_length=0)
    with pytest.raises(InputError, match="'middle' is not one of left, right"):
        StaticEncoder(folder, truncation_side="middle")
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        StaticEncoder(str(tmp_path)).encode(["red"])
    with pytest.raises(InputError, match="1 vectors for 4 tokens"):
        StaticEncoder(write(tmp_path / "few", mapping=np.array([0]))).encode(["red"])
    (tmp_path / "static" / WEIGHTS).write_bytes(b"nonsense")
    with pytest.raises(InputError, match="no table of token vectors"):
        StaticEncoder(folder).encode(["red"])
    with pytest.raises(InputError, match="between 1 and 384"):
        StaticEncoder(size=385)


def test_made_from_minilm_knows_meanings(made):
    assert made.dim == 64
    query, same, other = made.encode(["the king is old", "our monarch and his age", "a bag of potatoes"])
    assert query @ same > query @ other
    words = HashingEncoder(dim=1024).encode(["the king is old", "our monarch and his age"])
    assert query @ same > words[0] @ words[1] + 0.1, "which share no word"


def test_made_once(made, cache, monkeypatch):
    monkeypatch.setattr("routerbench.encoders.static.distil", None)
    assert StaticEncoder(size=64, cache_dir=cache).fingerprint == made.fingerprint


def test_travels_with_its_router_and_serves_without_torch(folder, tmp_path, train, val, python):
    encoder = StaticEncoder(folder)
    short_train, short_val = (type(part)(part.table, part.embeddings[:, :2]) for part in (train, val))
    router = LinearRouter(2, 3, 1.0)
    router.fit(short_train, short_val, validation_score)
    artefact.save(tmp_path / "router", router, encoder, train.table, {}, {}, np.empty(0, np.uint64))
    (tmp_path / "static").rename(tmp_path / "gone")
    before = routerbench.load(tmp_path / "router").predict(["red blue"])
    script = f"""
import sys
import routerbench
loaded = routerbench.load({str(tmp_path / "router")!r})
print(loaded.predict(["red blue"]).quality.tolist(), "torch" in sys.modules)
"""
    assert python(script).strip() == f"{before.quality.tolist()} False"
