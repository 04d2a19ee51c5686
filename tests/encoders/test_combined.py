import numpy as np
import pytest

from routerbench import artefact
from routerbench.encoders.combined import CombinedEncoder
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.readable import ReadableEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.routers.constant import ConstantRouter
from tests.conftest import make_examples, make_table

PROMPTS = ["What is 2 + 2?", "Name a poet.", "What is 2 + 2?"]
PARTS = [{"encoder": "hashing", "dim": 32}, {"encoder": "readable", "weight": 0.1}]


def table():
    return make_table(np.ones((3, 2)), np.ones((3, 2)), prompts=np.array(PROMPTS, object))


def test_joins_weighted_parts():
    expected = np.hstack([HashingEncoder(dim=32).encode(PROMPTS), np.float32(0.1) * ReadableEncoder().encode(PROMPTS)])
    encoder = CombinedEncoder(PARTS)
    np.testing.assert_array_equal(encoder.encode(PROMPTS), expected)
    assert encoder.dim == expected.shape[1]


def test_a_table_takes_a_part_from_its_file(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "vectors.npy", vectors)
    encoder = CombinedEncoder([{"encoder": "precomputed", "path": str(tmp_path / "vectors.npy"), "weight": 2}, *PARTS])
    found = encoder.embed(table(), EmbeddingStore(tmp_path / "cache"))
    np.testing.assert_array_equal(found[:, :2], 2 * vectors)
    np.testing.assert_array_equal(found[:, 2:], CombinedEncoder(PARTS).encode(PROMPTS))
    with pytest.raises(InputError, match="trained on precomputed embeddings"):
        encoder.encode(PROMPTS)


def test_the_fingerprint_knows_parts_options_weights_and_order():
    hashing, readable = PARTS
    others = [[hashing | {"dim": 64}, readable], [hashing, readable | {"weight": 1}], [readable], [readable, hashing]]
    assert len({CombinedEncoder(parts).fingerprint for parts in [PARTS, *others]}) == 5
    assert CombinedEncoder(PARTS).fingerprint == CombinedEncoder(list(PARTS)).fingerprint


def test_an_artefact_remembers_the_parts(tmp_path):
    train = make_examples(20, seed=0, dim=54)[0]
    router = ConstantRouter(54, 3)
    router.fit(train, train, lambda prediction, table: 0.0)
    artefact.save(tmp_path, router, CombinedEncoder(PARTS), train.table, {}, {}, np.empty(0, np.uint64))
    loaded = artefact.load(tmp_path, device="cpu")
    assert loaded.encoder.fingerprint == CombinedEncoder(PARTS).fingerprint
    assert loaded.predict(PROMPTS).quality.shape == (3, 3)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "encoder.parts is empty"),
        ([{"encoder": "hasing"}], "no encoder 'hasing'"),
        ([{"encoder": "store"}], "no encoder 'store'"),
        ([{"weight": 2}], "no encoder None"),
        ([{"encoder": "combined"}], "cannot be a part of itself"),
        ([{"encoder": "static"}], "static needs a folder or a model"),
        ([{"encoder": "hashing", "dimension": 3}], "encoder.parts: hashing: .*dimension"),
        ([{"encoder": "hashing", "dim": 3}], "must be even"),
    ],
)
def test_refuses_wrong_parts(parts, message):
    with pytest.raises(InputError, match=message):
        CombinedEncoder(parts)
