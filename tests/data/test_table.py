import csv
import json
import logging
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.data.table import load, read
from routerbench.errors import InputError

NAN = float("nan")

# Three prompts, two models; one quality and one cost are not known. A comma, quotes, a newline, a number that is text.
PROMPTS = ['Say "hi",\nthen stop', "007", "naïve 🧪"]
WIDE = {
    "sample_id": ["x", "y", "z"],
    "prompt": PROMPTS,
    "eval_name": ["chat", "maths", "maths"],
    "b/x": [1.0, None, 0.25],
    "a": [0.0, 0.5, 1.0],
    "b/x|total_cost": [0.01, 0.02, 0.03],
    "a|total_cost": [0.001, None, 0.003],
    "b/x|model_response": ["one", "two", None],
    "a|model_response": ["uno", "dos", "tres"],
    "split": ["train", "dev", "test"],
    "oracle_model_to_route_to": ["b/x", "a", "a"],
}


def to_long(wide):
    rows = []
    for i, prompt in enumerate(wide["prompt"]):
        for model in ("b/x", "a"):
            cells = {word: wide[word][i] for word in ("sample_id", "eval_name", "split") if word in wide}
            cells |= {"prompt": prompt, "model": model, "quality": wide[model][i]}
            cells |= {"cost": wide[f"{model}|total_cost"][i], "response": wide[f"{model}|model_response"][i]}
            rows.append(cells)
    return {name: [row[name] for row in rows] for name in rows[0]}


def write(path, columns, kind):
    names, rows = list(columns), list(zip(*columns.values(), strict=True))
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([names, *rows])
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        import pandas as pd

        frame = pd.DataFrame(
            {name: pd.Series(cells, dtype=float if "cost" in name else object) for name, cells in columns.items()}
        )
        frame.columns = pd.Index(names, dtype=object)
        path.write_bytes(pickle.dumps(frame))
    return path


def write_wide(path, **changes):
    """The table above with some columns replaced, added or (None) removed, as Parquet."""
    return write(
        path / "t", {name: cells for name, cells in {**WIDE, **changes}.items() if cells is not None}, "parquet"
    )


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize("layout", ["wide", "long"])
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "pickle"])
def test_each_format_and_layout_reads_to_the_same_table(tmp_path, kind, layout):
    path = write(tmp_path / "no-suffix", WIDE if layout == "wide" else to_long(WIDE), kind)
    table = load(path)
    assert table.prompts.tolist() == PROMPTS
    assert table.models == ("b/x", "a")
    np.testing.assert_array_equal(table.quality, [[1.0, 0.0], [NAN, 0.5], [0.25, 1.0]])
    np.testing.assert_array_equal(table.cost, [[0.01, 0.001], [0.02, NAN], [0.03, 0.003]])
    assert table.benchmark.tolist() == ["chat", "maths", "maths"]
    assert table.ids.tolist() == ["x", "y", "z"]
    assert table.rows.tolist() == [0, 1, 2]
    assert table.split.tolist() == ["train", "val", "test"]
    assert table.responses.tolist() == [["one", "uno"], ["two", "dos"], [None, "tres"]]
    assert table.source == str(path)
    assert load(path, layout=layout).digest() == table.digest()


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_ids_benchmarks_responses_and_costs_are_optional(tmp_path, layout):
    wide = {name: WIDE[name] for name in ("prompt", "b/x", "a")}
    columns = to_long(WIDE) if layout == "long" else wide
    table = read(
        write(
            tmp_path / "t", {n: columns[n] for n in ("prompt", "model", "quality", "b/x", "a") if n in columns}, "csv"
        )
    )
    assert table.ids.tolist() == ["1", "2", "3"]
    assert set(table.benchmark) == {"all"}
    assert table.responses is None
    assert table.split is None
    assert not table.has_cost
    np.testing.assert_array_equal(table.quality, [[1.0, 0.0], [NAN, 0.5], [0.25, 1.0]])


def test_columns_of_other_names(tmp_path):
    renamed = {"prompt": "question", "model": "model_name", "quality": "performance", "sample_id": "index"}
    columns = {renamed.get(name, name): cells for name, cells in to_long(WIDE).items()}
    table = read(write(tmp_path / "t", columns, "parquet"), columns=renamed | {"cost": "cost"})
    np.testing.assert_array_equal(table.quality, [[1.0, 0.0], [NAN, 0.5], [0.25, 1.0]])
    assert table.ids.tolist() == ["x", "y", "z"]
    wide = write_wide(tmp_path, prompt=None, question=PROMPTS)
    assert read(wide, columns={"prompt": "question"}).prompts.tolist() == PROMPTS


def test_a_column_can_be_passed_over(tmp_path):
    path = write_wide(tmp_path)
    assert read(path).split is not None
    assert read(path, columns={"split": None}).split is None
    assert read(path, columns={"sample_id": None}).ids.tolist() == ["1", "2", "3"]


def test_a_typing_mistake_does_not_make_a_model_disappear(tmp_path):
    columns = {"prompt": ["one", "two", "three"], "a": ["1", "0", "1"], "b": ["1", "o", "0"], "note": ["x", "1", "y"]}
    message = refusal(write(tmp_path / "t", columns, "csv"))
    assert all(part in message for part in ("row 2", "'b'", "'o'"))


def test_truths_are_qualities_in_every_spelling(tmp_path):
    columns = {"prompt": ["p", "q"], "a": [True, False], "b": ["1", "0.5"]}
    assert read(write(tmp_path / "t", columns, "csv")).quality.tolist() == [[1, 1], [0, 0.5]]
    assert read(write(tmp_path / "t", columns, "parquet")).quality.tolist() == [[1, 1], [0, 0.5]]
    assert read(write(tmp_path / "t", columns, "jsonl")).quality.tolist() == [[1, 1], [0, 0.5]]


def test_whole_numbers_are_ids(tmp_path):
    path = write_wide(tmp_path, sample_id=[7, 8, 9], eval_name=[1, 1, 2])
    assert read(path).ids.tolist() == ["7", "8", "9"]
    assert read(path).benchmark.tolist() == ["1", "1", "2"]


def test_models_are_selected_in_the_order_asked_for(tmp_path):
    path = write_wide(tmp_path, tokens=[100, 200, 300])  # a column that would be refused as a model's quality
    table = read(path, models=["a", "b/x"])
    assert table.models == ("a", "b/x")
    assert table.cost[:, 0].tolist()[0] == 0.001
    assert table.responses[0].tolist() == ["uno", "one"]
    long = write(tmp_path / "long", to_long(WIDE), "csv")
    assert read(long, models=["a", "b/x"]).digest() == read(write_wide(tmp_path), models=["a", "b/x"]).digest()


def test_benchmarks_are_filtered_and_rows_keep_their_place(tmp_path):
    path = write_wide(tmp_path, split=["train", "train", "test"])
    table = load(path, benchmarks=["maths"])
    assert table.ids.tolist() == ["y", "z"]
    assert table.rows.tolist() == [1, 2]
    assert load(path, benchmarks="maths").ids.tolist() == ["y", "z"]


def test_unpriced_models_are_refused_or_dropped_by_name(tmp_path, caplog):
    path = write_wide(tmp_path, **{"free": [1.0, 1.0, 0.0]})
    message = refusal(path)
    assert "free" in message
    assert "data.drop_unpriced_models=true" in message
    assert "data.models=[...]" in message
    with caplog.at_level(logging.INFO):
        assert load(path, drop_unpriced_models=True).models == ("b/x", "a")
    assert "left out: free" in caplog.text
    assert load(path, models=["b/x", "a"]).models == ("b/x", "a")


def test_ignored_columns_are_named_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(write_wide(tmp_path, note=["some", "words", "here"]))
    assert "columns not used: oracle_model_to_route_to, note" in caplog.text


def test_five_shot_twins_become_one_row(tmp_path, caplog):
    single, doubled, other = repr(["Why?"]), repr(["Why?", "Why?"]), repr(["How?"])
    columns = {
        "sample_id": ["arc.1", "arc.0", "arc.1"],
        "prompt": [doubled, other, single],
        "eval_name": ["arc"] * 3,
        "a": [None, 1.0, 0.5],
        "b": [1.0, 0.0, None],
        "a|total_cost": [0.1, 0.2, 0.1],
        "b|total_cost": [0.3, 0.4, 0.3],
    }
    with caplog.at_level(logging.INFO):
        table = read(write(tmp_path / "t", columns, "parquet"))
    assert table.prompts.tolist() == ["Why?", "How?"]
    assert table.ids.tolist() == ["arc.1", "arc.0"]
    assert table.rows.tolist() == [0, 1]
    assert table.quality.tolist() == [[0.5, 1.0], [1.0, 0.0]]
    assert table.cost.tolist() == [[0.1, 0.3], [0.2, 0.4]]
    assert "1 rows repeat" in caplog.text
    swapped = {name: cells[::-1] for name, cells in columns.items()}
    assert read(write(tmp_path / "t", swapped, "csv")).prompts.tolist() == ["Why?", "How?"]


def test_a_long_log_with_repeated_calls_that_agree(tmp_path):
    columns = {name: cells + cells[:1] for name, cells in to_long(WIDE).items()}
    assert len(read(write(tmp_path / "t", columns, "csv"))) == 3
    columns["quality"] = [*columns["quality"][:-1], 0.0]
    message = refusal(write(tmp_path / "t", columns, "csv"))
    assert "rows 1 and 7, column 'quality'" in message
    assert "sample_id 'x'" in message
    assert "1.0" in message
    assert "0.0" in message


def test_rows_of_one_id_that_disagree_are_refused(tmp_path):
    ids = {"sample_id": ["x", "y", "x"]}
    same = {"prompt": ["p", "q", "p"], "eval_name": ["e"] * 3, "split": ["train"] * 3}
    message = refusal(write_wide(tmp_path, **ids, **same))
    assert "rows 1 and 3, column 'b/x'" in message
    assert "sample_id 'x'" in message
    assert "0.25" in message
    agreeing = {"a": [0, 1, 0], "b/x": [1, 0, 1], "a|total_cost": None, "b/x|total_cost": None}
    agreeing |= {"a|model_response": None, "b/x|model_response": None}
    for name, cells in {
        "prompt": ["p", "q", "r"],
        "eval_name": ["p", "q", "r"],
        "split": ["train", "val", "test"],
    }.items():
        message = refusal(write_wide(tmp_path, **ids, **(same | agreeing | {name: cells})))
        assert f"rows 1 and 3, column {name!r}" in message
        assert repr(cells[0]) in message
        assert repr(cells[2]) in message


BAD_TABLES = {
    "no prompt": ({"prompt": None}, ["no column 'prompt'", "data.columns.prompt=NAME", "sample_id"]),
    "high quality": ({"a": [0.0, 87.0, 1.0]}, ["row 2", "'a'", "87.0", "[0, 1]", "data.models=[...]"]),
    "negative quality": ({"a": [0.0, 0.5, -0.1]}, ["row 3", "'a'", "-0.1"]),
    "infinite quality": ({"a": [float("inf"), 0.5, 0.1]}, ["row 1", "'a'", "inf"]),
    "quality no number": ({"a": ["0.5", "good", "1"]}, ["row 2", "'a'", "'good'", "not a number"]),
    "negative cost": ({"a|total_cost": [0.1, 0.2, -3.0]}, ["row 3", "'a|total_cost'", "-3.0", "USD per prompt"]),
    "infinite cost": ({"a|total_cost": [float("inf"), 0.2, 3.0]}, ["row 1", "'a|total_cost'", "inf"]),
    "cost no number": ({"a|total_cost": ["0.1", "$2", "1"]}, ["row 2", "'a|total_cost'", "'$2'"]),
    "cost alone": ({"c|total_cost": [0.1, 0.2, 0.3]}, ["'c|total_cost'", "add a column 'c'"]),
    "no value": ({"a": [None, None, None]}, ["'a'", "no quality in any row", "data.models=[...]"]),
    "empty prompt": ({"prompt": ["p", "", "r"]}, ["row 2", "'prompt'", "''", "empty"]),
    "blank prompt": ({"prompt": ["p", "q", " \n\t"]}, ["row 3", "'prompt'", r"' \n\t'", "empty"]),
    "null prompt": ({"prompt": [None, "q", "r"]}, ["row 1", "'prompt'", "None", "empty"]),
    "empty turns": ({"prompt": ["['p']", "['']", "['r']"]}, ["row 2", "'prompt'", "empty"]),
    "prompt no text": ({"prompt": [1, 2, 3]}, ["row 1", "'prompt'", "1 is not a text"]),
    "prompt lists": ({"prompt": [["p"], ["q"], ["r"]]}, ["row 1", "'prompt'", "['p'] is not a text"]),
    "empty id": ({"sample_id": ["x", None, "z"]}, ["row 2", "'sample_id'", "None", "empty"]),
    "empty benchmark": ({"eval_name": ["x", "y", " "]}, ["row 3", "'eval_name'", "' '", "empty"]),
    "empty split": ({"split": ["train", "test", None]}, ["row 3", "'split'", "empty"]),
    "unknown split": ({"split": ["train", "tests", "test"]}, ["row 2", "'split'", "'tests'", "train, val or test"]),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_wrong_cell_is_named_with_what_to_do(tmp_path, case):
    changes, parts = BAD_TABLES[case]
    message = refusal(write_wide(tmp_path, **changes))
    for part in parts:
        assert part in message


BAD_OPTIONS = {
    "model": ({"models": ["a", "gpt-9"]}, ["'gpt-9'", "b/x, a"]),
    "one model": ({"models": ["a"]}, ["at least two models", "['a']"]),
    "one model as a word": ({"models": "a"}, ["at least two models", "['a']"]),
    "no model": ({"models": ["prompt", "a"]}, ["'prompt'", "b/x, a"]),
    "benchmark": ({"benchmarks": ["chess"]}, ["'chess'", "chat, maths"]),
    "no benchmark": ({"benchmarks": []}, ["data.benchmarks is empty", "chat, maths"]),
    "held-out benchmark": ({"holdout_benchmarks": ["chess"]}, ["'chess'", "chat, maths"]),
    "layout": ({"layout": "tall"}, ["'tall'", "auto, wide or long"]),
    "long without a model": ({"layout": "long"}, ["column 'model'", "data.columns.model=NAME", "b/x|total_cost"]),
    "word": ({"columns": {"question": "prompt"}}, ["'question'", "prompt, model, quality"]),
    "column": ({"columns": {"prompt": "question"}}, ["'question'", "sample_id, prompt, eval_name"]),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_a_wrong_option_is_answered_with_what_there_is(tmp_path, case):
    options, parts = BAD_OPTIONS[case]
    message = refusal(write_wide(tmp_path), **options)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_one_model_alone_is_refused(tmp_path, layout):
    columns = {"prompt": ["p", "q"], "a": [1, 0]}
    if layout == "long":
        columns = {"prompt": ["p", "q"], "model": ["a", "a"], "quality": [1, 0]}
    assert "at least two models" in refusal(write(tmp_path / "t", columns, "csv"))


def test_a_table_without_models_is_told_how_models_look(tmp_path):
    message = refusal(write(tmp_path / "t", {"prompt": ["p"], "answer": ["yes"]}, "csv"))
    for part in ("no model column", "NAME|total_cost", "'quality'", "data.columns.model=NAME", "prompt, answer"):
        assert part in message


def test_a_quality_of_a_long_table_is_named(tmp_path):
    columns = to_long(WIDE) | {"quality": [1, 0, 1, 2, 1, 0]}
    message = refusal(write(tmp_path / "t", columns, "jsonl"))
    assert "row 4, column 'quality': 2 is not a quality" in message


# Any text that a table may hold: no lone surrogates and, in CSV, no NUL; a carriage return, quotes and commas are in.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(str.strip)
CELLS = st.none() | st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, CELLS, CELLS), min_size=2, max_size=6), st.sampled_from(["csv", "jsonl", "parquet"]))
def test_any_text_survives_any_format(tmp_path_factory, rows, kind):
    # One bracketed list among bracketed texts would be unpacked: that is not what is tested here.
    rows = [("x" + prompt, a, b) for prompt, a, b in rows] + [("last", 0.5, 0.5)]
    columns = dict(zip(("prompt", "a", "b"), map(list, zip(*rows, strict=True)), strict=True))
    table = read(write(tmp_path_factory.mktemp("round") / "t", columns, kind))
    assert table.prompts.tolist() == columns["prompt"]
    np.testing.assert_array_equal(table.quality[:, 0], np.array(columns["a"], dtype=float))
    np.testing.assert_array_equal(table.quality[:, 1], np.array(columns["b"], dtype=float))
