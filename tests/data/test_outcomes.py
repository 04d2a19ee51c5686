import numpy as np
import pytest

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from tests.conftest import make_table

NAN = np.nan


@pytest.fixture
def table() -> OutcomeTable:
    split = np.array(["train", "test", "train", ""], dtype=object)
    quality = [[1, 0, 0.5], [0, NAN, 1], [1, 1, 1], [0, 0, 0]]
    cost = [[1, 2, 3], [1, 2, 3], [1, NAN, 3], [1, 2, 3]]
    return make_table(quality, cost, split=split)


def test_complete_prompts_have_every_cell(table):
    assert table.is_complete.tolist() == [True, False, False, True]
    free = make_table(table.quality, np.full((4, 3), NAN))
    assert not free.has_cost
    assert free.is_complete.tolist() == [True, False, True, True]


def test_a_part_keeps_the_rows_of_every_column(table):
    train = table.part("train")
    assert train.ids.tolist() == ["p0", "p2"]
    assert train.rows.tolist() == [0, 2]
    np.testing.assert_array_equal(train.cost, table.cost[[0, 2]])


def test_an_empty_split_is_named(table):
    with pytest.raises(InputError, match="test table: the val split is empty"):
        table.part("val")


def test_models_are_selected_in_the_order_given(table):
    chosen = table.select_models(["model-2", "model-0"])
    assert chosen.models == ("model-2", "model-0")
    np.testing.assert_array_equal(chosen.quality, table.quality[:, [2, 0]])
    with pytest.raises(InputError, match=r"no model 'gpt-9'; the table has model-0, model-1, model-2"):
        table.select_models(["model-0", "gpt-9"])
    with pytest.raises(InputError, match="at least two models"):
        table.select_models(["model-0", "model-0"])


def test_the_digest_sees_every_measurement_and_the_split_digest_only_the_split(table):
    digests = {table.digest()}
    for column in ("quality", "cost"):
        changed = getattr(table, column).copy()
        changed[3, 1] += 0.25
        digests.add(make_table(**{"quality": table.quality, "cost": table.cost, column: changed}).digest())
    digests.add(table.take(np.array([0, 1, 3, 2])).digest())
    assert len(digests) == 4
    assert table.take(np.array([3, 2, 1, 0])).split_digest() == table.split_digest()
    moved = make_table(table.quality, table.cost, split=np.array(["train", "test", "test", ""], dtype=object))
    assert moved.digest() == table.digest()
    assert moved.split_digest() != table.split_digest()


def test_tokens_and_prices_go_with_their_prompts_and_models(table):
    tokens = np.arange(24.0).reshape(4, 3, 2)
    prices = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    counted = make_table(table.quality, table.cost, split=table.split, tokens=tokens, prices=prices)
    np.testing.assert_array_equal(counted.part("train").tokens, tokens[[0, 2]])
    np.testing.assert_array_equal(counted.part("train").prices, prices)
    chosen = counted.select_models(["model-2", "model-0"])
    np.testing.assert_array_equal(chosen.tokens, tokens[:, [2, 0]])
    np.testing.assert_array_equal(chosen.prices, prices[[2, 0]])
    dearer = make_table(table.quality, table.cost, split=table.split, tokens=tokens, prices=2 * prices)
    longer = make_table(table.quality, table.cost, split=table.split, tokens=tokens + 1, prices=prices)
    assert table.digest() != counted.digest() == dearer.digest() != longer.digest()  # a price is no measurement


def test_the_digest_of_a_table_without_tokens_is_that_of_routers_trained_before_there_were_any(table):
    assert table.digest() == "274daa28f6525775"
