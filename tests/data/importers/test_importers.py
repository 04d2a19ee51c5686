"""Each importer on a source worked by hand, and what it refuses."""

import json

import numpy as np
import pytest

from routerbench.data.importers import FORMATS, detect, read
from routerbench.errors import InputError
from tests.data.importers import sources
from tests.data.importers.sources import write_csv, write_json

NAN = float("nan")


def refusal(path, word, **columns):
    with pytest.raises(InputError) as caught:
        read(path, word, columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_llmrouterbench(tmp_path):
    table = read(sources.write_llmrouterbench(tmp_path / "bench"), "llmrouterbench", {})
    assert table.models == ("a", "b")
    assert table.prompts.tolist() == ["one", "two", "three"]
    assert table.benchmark.tolist() == ["aime", "aime", "mbpp"]
    np.testing.assert_array_equal(table.quality, [[1, 0.5], [0, NAN], [1, 1]])
    np.testing.assert_array_equal(table.cost, [[0.01, 0.01], [0.02, 0.02], [0, 0]])
    np.testing.assert_array_equal(table.tokens[:, 0], [[11, 5], [12, 5], [11, 5]])
    assert table.split is None  # all of it is called test
    assert table.responses is None


def test_llmrouterbench_takes_other_fields(tmp_path):
    folder = sources.write_llmrouterbench(tmp_path / "bench")
    table = read(folder, "llmrouterbench", {"prompt": "origin_query", "response": "raw_output"})
    assert table.prompts.tolist() == ["q1", "q2", "q1"]
    assert table.responses.tolist() == [["a:1", "b:1"], ["a:2", "b:2"], ["a:1", "b:1"]]


def test_llmrouterbench_reads_the_latest_run_that_is_no_demo(tmp_path):
    folder = sources.write_llmrouterbench(tmp_path / "bench")
    sources.run_of(folder, "aime", "test", "a", [(1, "one", 0.25, 1), (2, "two", 0.75, 1)], "20260102_000000")
    sources.run_of(folder, "aime", "test", "a", [(1, "one", 0, 1)], "20260103_000000", demo=True)
    np.testing.assert_array_equal(read(folder, "llmrouterbench", {}).quality[:2, 0], [0.25, 0.75])


def test_llmrouterbench_keeps_a_split_of_train_and_test(tmp_path):
    for split, number in (("train", 1), ("valid", 2), ("test", 3)):
        for model in "ab":
            sources.run_of(tmp_path, "d", split, model, [(1, f"p{number}", 1, 0)])
    assert sorted(read(tmp_path, "llmrouterbench", {}).split) == ["test", "train", "val"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([(1, "one", 2, 0.0)], "row 1, column 'score': 2 is not a quality"),
        ([(1, "other", 1, 0.0)], "row 1, column 'prompt': 'other' is another prompt than 'one' of"),
        ([(1, "one", 1, -1.0)], "row 1, column 'cost': -1.0 is not a cost"),
        ([(1, "one", 1, 0.0), (None, "x", 1, 0.0)], "row 2, column 'index': None is empty"),
    ],
)
def test_llmrouterbench_names_file_and_record(tmp_path, records, expected):
    folder = sources.write_llmrouterbench(tmp_path / "bench")
    file = sources.run_of(folder, "aime", "test", "c", [(0, "zero", 1, 0)])
    made = json.loads(file.read_text())
    keys = ("index", "prompt", "score", "cost")
    made["records"] = [made["records"][0] | dict(zip(keys, record, strict=True)) for record in records]
    write_json(file, made)
    message = refusal(folder, "llmrouterbench")
    assert message.startswith(str(file))
    assert expected in message


def test_llmrouterbench_refuses_what_is_no_run(tmp_path):
    folder = sources.write_llmrouterbench(tmp_path / "bench")
    file = sources.run_of(folder, "aime", "test", "c", [(1, "one", 1, 0)])
    again = sources.run_of(tmp_path / "bench" / "copy", "aime", "test", "c", [(1, "one", 1, 0)])
    assert f"the same dataset, split and model as {file}" in refusal(folder, "llmrouterbench")
    assert str(again) in refusal(folder, "llmrouterbench")
    write_json(again, {"records": []})
    assert "not a run of LLMRouterBench" in refusal(folder, "llmrouterbench")
    again.write_text("{")
    assert f"{again}: JSON that breaks off" in refusal(folder, "llmrouterbench")


def test_llmrouterbench_reads_conversations(tmp_path):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    turns += [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Why?"}]
    for model in "ab":
        file = sources.run_of(tmp_path, "d", "test", model, [(1, turns, 1, 0), (2, "two", 0, 0)])
    assert read(tmp_path, "llmrouterbench", {}).prompts.tolist() == ["Hi\n\nWhy?", "two"]
    for wrong in ([{"role": "user", "content": [{"type": "text"}]}], ["Hi"], [{"content": "Hi"}]):
        sources.run_of(tmp_path, "d", "test", "b", [(2, "two", 0, 0), (1, wrong, 1, 0)])
        message = refusal(tmp_path, "llmrouterbench")
        assert message.startswith(f"{file}: row 2, column 'prompt': ")
        assert message.endswith("is not a list of turns with a role and a content of text")
    sources.run_of(tmp_path, "d", "test", "b", [(2, "two", 0, 0), (1, {"role": "user", "content": "Hi"}, 1, 0)])
    assert refusal(tmp_path, "llmrouterbench").startswith(f"{file}: row 2, column 'prompt': ")
    assert "is not a text" in refusal(tmp_path, "llmrouterbench")


def test_llmrouterbench_says_what_to_do_about_a_prompt_for_each_model(tmp_path):
    for model in "ab":
        sources.run_of(tmp_path, "d", "test", model, [(1, f"You are {model}.", 1, 0)])
    message = refusal(tmp_path, "llmrouterbench")
    assert message.endswith("; if each model has its own, --column prompt=origin_query")
    assert read(tmp_path, "llmrouterbench", {"prompt": "origin_query"}).prompts.tolist() == ["q1"]


def test_embedllm(tmp_path):
    table = read(sources.write_embedllm(tmp_path / "e"), "embedllm", {})
    assert table.models == ("llm-0", "llm-1")
    by_prompt = dict(zip(table.prompts, zip(table.split, table.quality.tolist(), strict=True), strict=True))
    assert by_prompt == {
        "Prompt 0,\nplease": ("train", [1, 0]),
        "Prompt 1,\nplease": ("val", [1, 1]),
        "Prompt 2,\nplease": ("test", [0, 1]),
    }
    assert set(table.benchmark) == {"maths"}
    assert not table.has_cost


def test_embedllm_means_and_prompts_of_its_own(tmp_path, caplog):
    caplog.set_level("INFO")
    header = ["prompt_id", "model_id", "label", "prompt"]
    rows = [[5, 0, 1, "five"], [7, 0, 1, "seven"], [5, 1, 0, "five"], [5, 0, 0, "five"], [7, 1, "", "seven"]]
    table = read(write_csv(tmp_path / "train.csv", header, *rows), "embedllm", {})
    assert table.models == ("0", "1")
    assert table.prompts.tolist() == ["five", "seven"]
    np.testing.assert_array_equal(table.quality, [[0.5, 0], [1, NAN]])
    assert table.split is None
    assert "1 outcomes are of a prompt and model seen before" in caplog.text


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([9, 0, 0, 1, "llm-0", "c"], "row 3, column 'prompt_id': '9' has no prompt in"),
        ([0, 0, 0, 3, "llm-0", "c"], "row 3, column 'label': '3' is not a quality in [0, 1]"),
        ([0, 0, 0, "yes", "llm-0", "c"], "row 3, column 'label': 'yes' is not a number"),
        (["", 0, 0, 1, "llm-0", "c"], "row 3, column 'prompt_id': None is empty"),
        ([0, 0, 0, 1, " ", "c"], "row 3, column 'model_name': ' ' is empty"),
    ],
)
def test_embedllm_names_file_and_row(tmp_path, row, expected):
    folder = sources.write_embedllm(tmp_path / "e")
    rows = [[0, m, 0, 1, f"llm-{m}", "maths"] for m in (0, 1)]
    file = write_csv(folder / "train.csv", sources.OUTCOMES, *rows, row)
    message = refusal(folder, "embedllm")
    assert message.startswith(f"{file}: {expected}")


HEADER = ["prompt_id", "model_id", "label", "category", "prompt", "model_name"]


def test_embedllm_refuses_two_prompts_of_one_id(tmp_path):
    rows = [[0, 0, 1, "a", "P zero", "m0"], [1, 0, 1, "a", "P one", "m0"], [0, 1, 0, "b", "TOTALLY OTHER", "m1"]]
    file = write_csv(tmp_path / "train.csv", HEADER, *rows)
    assert refusal(file, "embedllm").startswith(
        f"{file}: row 3, column 'prompt': 'TOTALLY OTHER' is another prompt than 'P zero' of {file}, but both are "
        "number '0'"
    )


def test_embedllm_counts_prompts_of_several_categories(tmp_path, caplog):
    caplog.set_level("INFO")
    rows = [[n, m, n == m, kind, f"p{n}", f"m{m}"] for kind in ("mmlu", "mmlu_anatomy") for n in (0, 1) for m in (0, 1)]
    rows += [[2, m, 1, "mmlu_law", "p2", f"m{m}"] for m in (0, 1)]
    table = read(write_csv(tmp_path / "train.csv", HEADER, *rows), "embedllm", {})
    assert table.prompts.tolist() == ["p0", "p1", "p2"]
    assert table.benchmark.tolist() == ["mmlu", "mmlu", "mmlu_law"]
    np.testing.assert_array_equal(table.quality, [[1, 0], [0, 1], [1, 1]])
    assert (
        "2 prompts are in several benchmarks and are kept in the first, as 'mmlu' and not 'mmlu_anatomy'" in caplog.text
    )
    assert "4 outcomes are of a prompt and model seen before" in caplog.text


def test_embedllm_refuses_two_questions_of_one_id(tmp_path):
    folder = sources.write_embedllm(tmp_path / "e")
    rows = [[0, "zero"], [1, "one"], [2, "two"], [1, "one"]]
    file = write_csv(folder / "question_order.csv", ["prompt_id", "prompt"], *rows)
    assert sorted(read(folder, "embedllm", {}).prompts) == ["one", "two", "zero"]
    write_csv(file, ["prompt_id", "prompt"], *rows, [0, "another"])
    assert refusal(folder, "embedllm").startswith(
        f"{file}: row 5, column 'prompt': 'another' is another prompt than 'zero' of row 1, but both are number '0'"
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1, 1, 1, "", "p1", "m1"], "column 'category': None is empty"),
        ([1, 1, 1, "a", "", "m1"], "column 'prompt': None is an empty prompt"),
        ([2, 1, 1, "a", "[' ']", "m1"], "column 'prompt': \"[' ']\" is an empty prompt"),
        ([1, 1, 1, "a", "['other']", "m1"], "column 'prompt': 'other' is another prompt than 'p1'"),
    ],
)
def test_embedllm_names_the_row_of_the_file(tmp_path, row, expected):
    rows = [[n, m, 1, "a", f"['p{n}']", f"m{m}"] for n in (0, 1) for m in (0, 1, 2, 3)]
    file = write_csv(tmp_path / "train.csv", HEADER, *rows, [0, 4, 1, "a", "['p0']", "m4"], row)
    assert refusal(file, "embedllm").startswith(f"{file}: row 10, {expected}")
    write_csv(tmp_path / "s" / "test.csv", HEADER, *rows)
    other = write_csv(tmp_path / "s" / "val.csv", HEADER, *[[7, m, 1, "a", "['p7']", "m0"] for m in range(5)], rows[0])
    assert refusal(tmp_path / "s", "embedllm").startswith(f"{other}: row 6, column 'prompt': prompt 'p0' is in 'val'")


def test_embedllm_refuses_a_prompt_in_two_splits(tmp_path):
    folder = sources.write_embedllm(tmp_path / "e")
    write_csv(folder / "val.csv", sources.OUTCOMES, [0, 0, 0, 1, "llm-0", "maths"])
    assert "is in 'val' here, in 'train' in" in refusal(folder, "embedllm") or "'test'" in refusal(folder, "embedllm")


def test_routerdc(tmp_path, caplog):
    caplog.set_level("INFO")
    table = read(sources.write_routerdc(tmp_path / "r"), "routerdc", {})
    rows = sorted(zip(table.prompts, table.benchmark, table.split, strict=True))
    assert rows == [
        ("a", "gsm8k", "train"),
        ("b", "gsm8k", "train"),
        ("c", "gsm8k", "test"),
        ("d", "mbpp", "test"),
    ]
    assert table.models == ("x/y", "z")
    np.testing.assert_array_equal(table.quality, [[0.25, 1]] * 4)
    assert "mbpp.json has no split in its name" in caplog.text
    alone = read(tmp_path / "r" / "gsm8k-train.json", "routerdc", {})
    assert alone.split is None
    assert set(alone.benchmark) == {"gsm8k"}


def test_routerdc_missing_and_wrong_scores(tmp_path):
    entries = [{"question": "a", "scores": {"x": 1}}, {"question": "b", "scores": {"x": 0, "y": 0.5}}]
    file = write_json(tmp_path / "arc.json", entries)
    np.testing.assert_array_equal(read(file, "routerdc", {}).quality, [[1, NAN], [0, 0.5]])
    write_json(file, [*entries, {"question": "c", "scores": {"y": 7}}])
    assert f"{file}: row 3, column 'y': 7 is not a quality" in refusal(file, "routerdc")
    write_json(file, [{"question": "c", "scores": [1, 2]}])
    assert f"{file}: row 1, column 'scores': [1, 2] is not an object" in refusal(file, "routerdc")
    write_json(file, [{"question": "c", "scores": {"x": 1}}, 5])
    assert f"{file}: row 2: '5' is not a record" in refusal(file, "routerdc")
    write_json(file, [{"question": "c"}])
    assert "no field 'scores' in its records; they have question" in refusal(file, "routerdc")


def test_routerdc_without_outcomes(tmp_path):
    file = write_json(tmp_path / "arc.json", [{"question": "q", "scores": {}}])
    assert refusal(file, "routerdc").startswith(f"{file}: no outcomes;")
    write_json(file, [{"question": "q", "scores": {"x": None, "y": None}}])
    assert refusal(file, "routerdc").startswith(f"{file}: no outcomes;")


def test_routellm(tmp_path):
    table = read(sources.write_routellm(tmp_path / "r"), "routellm", {})
    assert table.models == ("weak", "strong")
    assert dict(zip(table.prompts, table.benchmark, strict=True)) == {
        "p1": "mmlu_anatomy",
        "p2": "mmlu_anatomy",
        "p3": "gsm8k",
    }
    order = np.argsort(table.prompts.astype(str))
    np.testing.assert_array_equal(table.quality[order], [[1, 0], [0, 1], [0, 1]])
    assert table.responses[order].tolist() == [[None, None], [None, None], ["no", "yes"]]
    file = write_csv(tmp_path / "w.csv", ["prompt", "a", "b", "a|total_cost"], ["p", 1, 0, 2])
    assert "the file is a wide table: --from table" in refusal(file, "routellm")


def test_sprout(tmp_path):
    table = read(sources.write_sprout(tmp_path / "s"), "sprout", {})
    assert table.models == ("m1", "m2")
    by_prompt = dict(zip(table.prompts, zip(table.split, table.quality.tolist(), strict=True), strict=True))
    assert by_prompt == {
        "p1": ("train", [0.25, 0.5]),
        "p2": ("train", [0.5, 0.25]),
        "p3": ("val", [0.25, 0.5]),
        "p4": ("test", [0.25, 0.5]),
    }
    np.testing.assert_array_equal(table.tokens[table.prompts == "p2"], [[[7, 2], [7, 1]]])
    assert set(table.benchmark) == {"gsm8k"}
    assert table.responses is None
    answers = read(tmp_path / "s", "sprout", {"response": "response"}).responses
    assert answers[table.prompts == "p2"].tolist() == [["r2", "r1"]]


def test_sprout_refuses_a_file_without_models(tmp_path):
    folder = sources.write_sprout(tmp_path / "s")
    assert "for each model one of objects with 'grade'" in refusal(folder, "sprout", quality="grade")
    (folder / "x.parquet").write_text("no")
    assert "x.parquet: cannot be read as Parquet" in refusal(folder, "sprout")


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_battles(tmp_path, suffix):
    table = read(sources.write_battles(tmp_path / f"b{suffix}"), "battles", {})
    assert table.models == ("a", "b", "c")
    assert table.prompts.tolist() == ["Hi", "Why?\n\nOh?"]
    # "Hi" was judged twice: a won, then a tie.
    np.testing.assert_array_equal(table.quality, [[0.75, 0.25, NAN], [1, NAN, 0]])
    assert not table.is_complete.any()


def test_battles_with_a_column_for_each_result(tmp_path):
    header = ["id", "model_a", "model_b", "prompt", "winner_model_a", "winner_model_b", "winner_tie"]
    rows = [[1, "a", "b", '["Hi", "there"]', 0, 1, 0], [2, "a", "c", '["Yes"]', 0, 0, 1]]
    table = read(write_csv(tmp_path / "train.csv", header, *rows), "battles", {})
    assert table.prompts.tolist() == ["Hi\n\nthere", "Yes"]
    np.testing.assert_array_equal(table.quality, [[0, 1, NAN], [0.5, NAN, 0.5]])
    file = write_csv(tmp_path / "train.csv", header, rows[0], [2, "a", "c", '["Yes"]', 1, 0, 1])
    assert f"{file}: row 2, columns winner_model_a, winner_model_b, winner_tie: 1, 0, 1;" in refusal(file, "battles")


def test_battles_of_the_list_in_json(tmp_path, caplog):
    header = ["model_a", "model_b", "prompt", "winner_model_a", "winner_model_b", "winner_tie"]
    prompts = [r'["a\/b \ud83d\ude00"]', '["Hi", null, "there"]', r'["half \ud83d"]']
    rows = [["a", "b", prompt, 1, 0, 0] for prompt in prompts]
    table = read(write_csv(tmp_path / "train.csv", header, *rows), "battles", {})
    assert table.prompts.tolist() == ["a/b 😀", "Hi\n\nthere", "half \ufffd"]
    assert "1 prompts hold half of a character and get U+FFFD there, the first in row 3" in caplog.text


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["p", "a", "a", "tie"], "row 2, column 'model_b': 'a' fights itself"),
        (["p", "a", "b", "a"], "row 2, column 'winner': 'a' is not one of model_a, model_b, tie"),
        (["", "a", "b", "tie"], "row 2, column 'prompt': None is an empty prompt"),
        (["p", "", "b", "tie"], "row 2, column 'model_a': None is empty"),
    ],
)
def test_battles_name_file_and_row(tmp_path, row, expected):
    header = ["prompt", "model_a", "model_b", "winner"]
    file = write_csv(tmp_path / "b.csv", header, ["p", "a", "b", "model_a"], row)
    assert refusal(file, "battles").startswith(f"{file}: {expected}")


def test_battles_without_a_conversation_to_read(tmp_path):
    file = write_json(tmp_path / "b.json", [{"model_a": "a", "model_b": "b", "winner": "tie", "conversation_a": 3}])
    assert "row 1, column 'conversation_a': '3' is not a list of turns" in refusal(file, "battles")
    write_json(file, [{"model_a": "a", "model_b": "b", "winner": "tie"}])
    assert "no column 'prompt', nor 'conversation_a'" in refusal(file, "battles")
    write_json(file, [{"model_a": "a", "model_b": "b", "prompt": "p"}])
    assert "no column 'winner', nor winner_model_a" in refusal(file, "battles")


def test_formats_are_told_by_content(tmp_path):
    made = {
        "llmrouterbench": [sources.write_llmrouterbench(tmp_path / "l")],
        "embedllm": [sources.write_embedllm(tmp_path / "e"), tmp_path / "e" / "val.csv"],
        "routerdc": [sources.write_routerdc(tmp_path / "d"), tmp_path / "d" / "mbpp.json"],
        "routellm": [sources.write_routellm(tmp_path / "r"), tmp_path / "r" / "gsm8k_responses.csv"],
        "sprout": [sources.write_sprout(tmp_path / "s"), tmp_path / "s" / "test-00000-of-00001.parquet"],
        "battles": [sources.write_battles(tmp_path / f"b{suffix}") for suffix in (".json", ".jsonl", ".parquet")],
        "table": [write_csv(tmp_path / "t.csv", ["prompt", "a", "b"], ["p", 1, 0])],
    }
    assert set(made) == set(FORMATS)
    for word, paths in made.items():
        assert [detect(path) for path in paths] == [word] * len(paths)


def test_what_cannot_be_told_is_asked_for(tmp_path):
    write_csv(tmp_path / "x" / "mmlu_anatomy.csv", ["prompt", "a", "b"], ["p", "True", "False"])
    words = "--from table|battles|embedllm|llmrouterbench|routellm|routerdc|sprout"
    with pytest.raises(InputError, match="its format cannot be told from its files; say which it is") as caught:
        detect(tmp_path / "x")
    assert words in str(caught.value)
    sources.write_routerdc(tmp_path / "x")
    sources.write_battles(tmp_path / "x" / "b.parquet")
    with pytest.raises(InputError, match="looks like battles and routerdc; say which it is"):
        detect(tmp_path / "x")
    with pytest.raises(InputError, match="no such file or folder"):
        detect(tmp_path / "missing")


def test_columns_that_a_format_lacks_are_refused(tmp_path):
    message = refusal(sources.write_routerdc(tmp_path / "d"), "routerdc", cost="price")
    assert message == "--column cost=...: --from routerdc renames prompt, quality"


TYPED = [
    (word, column)
    for word, columns in {
        "sprout": ("prompt", "eval_name", "quality", "input_tokens", "output_tokens", "response"),
        "embedllm": ("prompt", "model", "quality", "eval_name", "sample_id"),
        "battles": ("prompt", "model_a", "model_b", "winner", "eval_name"),
        "llmrouterbench": ("prompt", "quality", "cost", "input_tokens", "output_tokens", "response"),
        "routerdc": ("prompt", "quality"),
        "routellm": ("prompt",),
        "table": ("prompt", "eval_name", "split", "cost"),
    }.items()
    for column in columns
]


@pytest.mark.parametrize(("word", "column"), TYPED)
def test_a_column_that_was_typed_must_be_there(tmp_path, word, column):
    if word == "battles":
        path = sources.write_battles(tmp_path / "b.parquet")
    elif word == "table":
        path = write_csv(tmp_path / "t.csv", ["prompt", "a", "b"], ["p", 1, 0])
    else:
        path = getattr(sources, f"write_{word}")(tmp_path / "s")
    read(path, word, {})
    message = refusal(path, word, **{column: "nosuch"})
    assert message.startswith(str(path))
    assert "nosuch" in message


@pytest.mark.parametrize(("word", "column"), [("embedllm", "eval_name"), ("embedllm", "model"), ("battles", "prompt")])
def test_a_usual_name_that_was_typed_must_be_there(tmp_path, word, column):
    if word == "battles":
        path = sources.write_battles(tmp_path / "b.parquet")
    else:
        path = write_csv(
            tmp_path / "t.csv", ["prompt_id", "model_id", "label", "prompt"], [1, 0, 1, "p"], [1, 1, 1, "p"]
        )
    read(path, word, {})
    usual = {"eval_name": "category", "model": "model_name", "prompt": "prompt"}[column]
    assert f"{path}: no column {usual!r} to take as {column}; the file has " in refusal(path, word, **{column: usual})


def test_embedllm_takes_prompts_of_a_name_that_only_the_outcomes_have(tmp_path):
    folder = sources.write_embedllm(tmp_path / "e")
    for split, number in (("train", 0), ("val", 1), ("test", 2)):
        rows = [[number, m, 1, f"mine {number}"] for m in (0, 1)]
        write_csv(folder / f"{split}.csv", ["prompt_id", "model_id", "label", "text"], *rows)
    assert sorted(read(folder, "embedllm", {"prompt": "text"}).prompts) == ["mine 0", "mine 1", "mine 2"]
