import numpy as np
import pytest

from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.precomputed import PrecomputedEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError


def table_of(count):
    names = np.array([f"p{i}" for i in range(count)], object)
    cells = np.full((count, 2), 0.5)
    return OutcomeTable(names, ("a", "b"), cells, cells, names, names, np.arange(count), "outcomes.parquet")


@pytest.fixture
def write(tmp_path):
    def save(array, name="vectors.npy"):
        np.save(tmp_path / name, array)
        return PrecomputedEncoder(str(tmp_path / name))

    return save


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "store")


VECTORS = np.arange(30, dtype=np.float64).reshape(10, 3) / 7


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_the_file_are_rows_of_the_table(write, store, dtype):
    encoder = write(VECTORS.astype(dtype))
    table = table_of(10)
    full = encoder.embed(table, store)
    assert full.dtype == np.float32
    assert encoder.dim == 3
    np.testing.assert_array_equal(full, VECTORS.astype(dtype).astype(np.float32))
    kept = np.array([8, 2, 5])
    np.testing.assert_array_equal(encoder.embed(table.take(kept), store), full[kept])
    assert not store.root.exists(), "they are on disk already"


def test_fingerprint_is_the_content(write):
    one, same, other = write(VECTORS, "a.npy"), write(VECTORS, "b.npy"), write(VECTORS + 1, "c.npy")
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize("rows", [9, 11])
def test_wrong_number_of_rows(write, store, rows):
    with pytest.raises(InputError, match=f"vectors.npy: 10 rows of embeddings, but the table has {rows}"):
        write(VECTORS).embed(table_of(rows), store)


def test_filtered_table_beyond_the_file(write, store):
    encoder = write(VECTORS)
    with pytest.raises(InputError, match=r"10 rows of embeddings, but outcomes\.parquet has a row 14"):
        encoder.embed(table_of(15).take(np.array([3, 14, 2])), store)
    # A filtered table alone cannot tell that the file is too long; the caller who knows the full length can.
    encoder.embed(table_of(9).take(np.array([3, 4])), store)
    with pytest.raises(InputError, match="10 rows of embeddings, but the table has 9"):
        encoder.check_rows(9)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_value_that_is_not_finite(write, store, value):
    vectors = VECTORS.copy()
    vectors[6, 1] = value
    encoder = write(vectors)
    with pytest.raises(InputError, match=r"vectors\.npy: row 6 is not finite"):
        encoder.embed(table_of(10), store)
    with pytest.raises(InputError, match="row 6"):
        encoder.embed(table_of(10).take(np.array([1, 6])), store)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"float64 of shape \(5,\); embeddings are \(N, D\) floats"),
        (np.zeros((5, 2), int), "int64"),
        (np.array([["a"]]), "embeddings are"),
        (np.array([[None]]), r"not a \.npy file of numbers"),
        (np.zeros((0, 3)), "rows of embeddings|not a .npy"),
    ],
)
def test_array_of_another_kind(write, store, array, message):
    with pytest.raises(InputError, match=message):
        write(array).embed(table_of(5), store)


def test_file_of_another_kind(tmp_path, store):
    path = tmp_path / "vectors.npy"
    encoder = PrecomputedEncoder(path)
    for touch in (lambda: encoder.dim, lambda: encoder.fingerprint, lambda: encoder.embed(table_of(5), store)):
        with pytest.raises(InputError, match=r"no such file; encoder\.path"):
            touch()
    path.write_text("0.1,0.2\n")
    with pytest.raises(InputError, match=r"not a \.npy file"):
        _ = encoder.dim
    np.savez(tmp_path / "many.npz", a=VECTORS)
    with pytest.raises(InputError, match="an archive of several arrays"):
        _ = PrecomputedEncoder(tmp_path / "many.npz").dim


def test_new_texts_are_refused(write):
    with pytest.raises(InputError, match="trained on precomputed embeddings: pass embeddings, or an encoder to load"):
        write(VECTORS).encode(["a new prompt"])
