import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.data.outcomes import SPLITS
from routerbench.data.table import parse
from routerbench.data.writer import write_table
from routerbench.errors import InputError
from tests.conftest import make_table

NAN = float("nan")
LETTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(LETTERS, min_size=1, max_size=6).filter(lambda text: text.strip())
PROMPTS = NAMES | st.sampled_from(["['a']", "['a', 'b']", ' ["it\'s"] ', "[1]", "[x]", "['[1]']", "[' ']"])
MODELS = st.lists(NAMES.map(lambda name: "m" + name), min_size=2, max_size=3, unique=True)
UNKNOWN = st.just(NAN)


def cells(draw, shape, values):
    size = int(np.prod(shape))
    return np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=float).reshape(shape)


def column(draw, size, values):
    return np.array([*draw(st.lists(values, min_size=size, max_size=size)), None], dtype=object)[:-1]


@st.composite
def tables(draw):
    models = draw(MODELS)
    ids = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    n, shape = len(ids), (len(ids), len(models))
    quality = cells(draw, shape, st.floats(0, 1) | UNKNOWN)
    quality[0] = np.nan_to_num(quality[0])  # readers refuse a model without any quality
    options = {}
    if draw(st.booleans()):
        options["split"] = column(draw, n, st.sampled_from(SPLITS))
    if draw(st.booleans()):
        texts = column(draw, n * len(models), st.none() | st.text(LETTERS, max_size=5))
        options["responses"] = texts.reshape(shape)
    if draw(st.booleans()):
        options["tokens"] = cells(draw, (*shape, 2), st.integers(0, 9000).map(float) | UNKNOWN)
    return make_table(
        quality,
        cells(draw, shape, st.floats(0, 1e3) | UNKNOWN),
        prompts=column(draw, n, PROMPTS),
        models=tuple(models),
        benchmark=column(draw, n, NAMES),
        ids=np.array(ids, dtype=object),
        **options,
    )


@settings(max_examples=150, deadline=None)
@given(table=tables())
def test_what_is_written_is_read_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("written") / "t.parquet"
    write_table(table, path)
    back = parse(path)
    assert back.digest() == table.digest()
    assert back.models == table.models
    assert back.prompts.tolist() == table.prompts.tolist()
    assert (back.split is None) == (table.split is None)
    assert table.split is None or back.split_digest() == table.split_digest()
    if table.responses is None:
        assert back.responses is None
    else:
        assert back.responses.tolist() == table.responses.tolist()
    for one, other in ((back.cost, table.cost), (back.quality, table.quality), (back.tokens, table.tokens)):
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other, equal_nan=True)


def test_columns_are_those_of_routerbench(tmp_path):
    table = make_table([[1, 0.5], [NAN, 0]], [[0.1, NAN], [0.2, NAN]], models=("a", "b"))
    write_table(table, tmp_path / "new" / "t.parquet")
    written = pq.read_table(tmp_path / "new" / "t.parquet")
    assert written.column_names == ["sample_id", "prompt", "eval_name", "a", "b", "a|total_cost"]
    assert written.column("a").to_pylist() == [1.0, None]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["t.parquet"]


@pytest.mark.parametrize("name", ["prompt", "cost", "model", "index", "x|total_cost"])
def test_names_that_the_layout_needs_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="has no place in a wide table"):
        write_table(make_table([[1, 0]], [[1, 1]], models=("a", name)), tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


def test_half_characters(tmp_path, caplog):
    broken = np.array([["\ud83d!", None], ["\ud83d\ude00", "\ufffd"]], dtype=object)
    write_table(make_table([[1, 0]] * 2, [[1, 1]] * 2, responses=broken), tmp_path / "t.parquet")
    assert parse(tmp_path / "t.parquet").responses.tolist() == [["\ufffd!", None], ["😀", "\ufffd"]]
    assert "'model-0|model_response': 1 responses hold half of a character" in caplog.text
    with pytest.raises(InputError, match="row 1, column 'sample_id'"):
        write_table(make_table([[1, 0]], [[1, 1]], ids=np.array(["\ud83d"], dtype=object)), tmp_path / "t.parquet")


def test_prompts_of_no_split_are_refused(tmp_path):
    with pytest.raises(InputError, match="in no split"):
        write_table(make_table([[1, 0]], [[1, 1]], split=np.array([""], dtype=object)), tmp_path / "t.parquet")
