import csv
import json

import numpy as np
import pytest

from routerbench.data.table import load, read
from routerbench.errors import InputError

NAN = float("nan")
PRICES = {
    "a": {"input_usd_per_1m": 1, "output_usd_per_1m": 4.0},
    "b": {"input_usd_per_1m": 10.0, "output_usd_per_1m": 30.0},
    "of another table": {"input_usd_per_1m": 0, "output_usd_per_1m": 0},
}
WIDE = {
    "prompt": ["one", "two", "three"],
    "a": [1, 0, 1],
    "a|input_tokens": [10, 20, ""],
    "a|output_tokens": [100, 200, 300],
    "b": [0, 1, 1],
    "b|input_tokens": [11, 21, 31],
    "b|output_tokens": [50, "", 70],
}
TOKENS = [[[10, 100], [11, 50]], [[20, 200], [21, NAN]], [[NAN, 300], [31, 70]]]


def to_long(wide):
    words = ("quality", "input_tokens", "output_tokens")
    rows = []
    for i, prompt in enumerate(wide["prompt"]):
        for model in ("a", "b"):
            cells = (wide.get(name, [""] * 3)[i] for name in (model, f"{model}|input_tokens", f"{model}|output_tokens"))
            rows.append({"prompt": prompt, "model": model, **dict(zip(words, cells, strict=True))})
    return {name: [row[name] for row in rows] for name in rows[0]}


def write(folder, columns, prices=PRICES):
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    (folder / "prices.json").write_text(prices if isinstance(prices, str) else json.dumps(prices))
    return folder / "t.csv", folder / "prices.json"


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_token_counts_are_read_and_priced(tmp_path, layout):
    path, prices = write(tmp_path, WIDE if layout == "wide" else to_long(WIDE))
    table = read(path, prices=prices)
    np.testing.assert_array_equal(table.tokens, TOKENS)
    np.testing.assert_array_equal(table.prices, [[1, 4], [10, 30]])
    expected = [[410e-6, 1610e-6], [820e-6, NAN], [NAN, 2410e-6]]
    np.testing.assert_allclose(table.cost, expected, rtol=1e-12)
    assert table.models == ("a", "b")


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_without_a_price_list_tokens_are_only_kept(tmp_path, layout):
    path, _ = write(tmp_path, WIDE if layout == "wide" else to_long(WIDE))
    table = read(path)
    np.testing.assert_array_equal(table.tokens, TOKENS)
    assert table.prices is None
    assert not table.has_cost


def test_a_measured_cost_is_not_replaced(tmp_path):
    path, prices = write(tmp_path, WIDE | {"a|total_cost": [0.5, "", ""], "b|total_cost": [0.1, 0.2, 0.3]})
    np.testing.assert_allclose(read(path, prices=prices).cost, [[0.5, 0.1], [820e-6, 0.2], [NAN, 0.3]])


def test_one_kind_of_tokens_alone_leaves_the_other_unknown(tmp_path):
    path, _ = write(tmp_path, {name: cells for name, cells in WIDE.items() if not name.endswith("output_tokens")})
    tokens = read(path).tokens
    np.testing.assert_array_equal(tokens[:, :, 0], np.array(TOKENS)[:, :, 0])
    assert np.isnan(tokens[:, :, 1]).all()


def test_columns_of_tokens_can_have_other_names(tmp_path):
    long = {
        {"input_tokens": "in", "output_tokens": "out"}.get(name, name): cells for name, cells in to_long(WIDE).items()
    }
    path, _ = write(tmp_path, long)
    assert read(path).tokens is None
    renamed = read(path, columns={"input_tokens": "in", "output_tokens": "out"})
    np.testing.assert_array_equal(renamed.tokens, TOKENS)


def test_models_are_chosen_with_their_tokens_and_prices(tmp_path):
    path, prices = write(tmp_path, WIDE)
    table = read(path, models=["b", "a"], prices=prices)
    np.testing.assert_array_equal(table.prices, [[10, 30], [1, 4]])
    np.testing.assert_array_equal(table.tokens, np.array(TOKENS)[:, ::-1])


BAD_CELLS = {
    "negative": ({"a|input_tokens": [10, -2, 3]}, ["row 2", "'a|input_tokens'", "-2", "number of tokens"]),
    "infinite": ({"b|output_tokens": [1, 2, "inf"]}, ["row 3", "'b|output_tokens'", "inf"]),
    "no number": ({"b|output_tokens": ["many", 2, 3]}, ["row 1", "'b|output_tokens'", "'many'"]),
    "alone": ({"c|input_tokens": [1, 2, 3]}, ["'c|input_tokens'", "add a column 'c'"]),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_wrong_token_count_is_named(tmp_path, case):
    changes, parts = BAD_CELLS[case]
    with pytest.raises(InputError) as caught:
        read(write(tmp_path, WIDE | changes)[0])
    assert all(part in str(caught.value) for part in ("t.csv", *parts))


BAD_PRICES = {
    "no JSON": ("{", ["not JSON"]),
    "list": ([1, 2], ["not a price list", "input_usd_per_1m"]),
    "missing model": ({"a": PRICES["a"]}, ["no prices for 'b'", "a"]),
    "missing key": (PRICES | {"b": {"input_usd_per_1m": 1}}, ["'output_usd_per_1m' of 'b' is None"]),
    "no prices": (PRICES | {"a": 3}, ["'input_usd_per_1m' of 'a' is None"]),
    "negative": (PRICES | {"a": {"input_usd_per_1m": -1, "output_usd_per_1m": 1}}, ["of 'a' is -1", "at least 0"]),
    "text": (PRICES | {"a": {"input_usd_per_1m": "$1", "output_usd_per_1m": 1}}, ["of 'a' is '$1'", "USD per million"]),
    "not a number": (PRICES | {"a": {"input_usd_per_1m": NAN, "output_usd_per_1m": 1}}, ["of 'a' is nan"]),
}


@pytest.mark.parametrize("case", BAD_PRICES)
def test_a_wrong_price_list_is_answered_in_one_line(tmp_path, case):
    prices, parts = BAD_PRICES[case]
    path, listed = write(tmp_path, WIDE, prices)
    with pytest.raises(InputError) as caught:
        load(path, prices=listed)
    assert str(caught.value).startswith(str(listed))
    assert all(part in str(caught.value) for part in parts)


def test_a_price_list_that_is_not_there_and_a_table_without_tokens(tmp_path):
    path, prices = write(tmp_path, WIDE)
    with pytest.raises(InputError, match=r"nowhere\.json: no price list there .*; check the path"):
        read(path, prices=tmp_path / "nowhere.json")
    write(tmp_path, {name: WIDE[name] for name in ("prompt", "a", "b")})
    with pytest.raises(InputError, match=r"t\.csv: no token counts .*'NAME\|input_tokens'"):
        read(path, prices=prices)
