"""`python -m routerbench convert`: from any source to a file that `data=table` reads."""

import json
import pickle
import shlex

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from routerbench.__main__ import main
from routerbench.data.table import parse, read
from tests.data.importers import sources


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refusal(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["convert", *map(str, arguments)])
    assert "\n" not in stop.value.code
    return stop.value.code


def test_a_pickle_of_routerbench_becomes_parquet(tmp_path, capsys):
    import pandas as pd

    frame = pd.DataFrame(
        {
            "sample_id": ["x.1", "x.2"],
            "prompt": ["['Say hi']", "['One', 'Two']"],
            "eval_name": ["x", "x"],
            "a": [1.0, 0.25],
            "b/c": [0.0, None],
            "a|model_response": ["['hi']", "['1']"],
            "b/c|model_response": ["['no']", "['2']"],
            "a|total_cost": [0.1, 0.2],
            "b/c|total_cost": [0.01, 0.02],
            "oracle_model_to_route_to": ["a", "a"],
        }
    )
    texts = [name for name in frame if frame[name].dtype != float]
    frame = frame.astype(dict.fromkeys(texts, object))  # as pandas was when RouterBench was published
    frame.columns = pd.Index(list(frame.columns), dtype=object)
    (tmp_path / "rb.pkl").write_bytes(pickle.dumps(frame))
    main(["convert", "rb.pkl", "rb.parquet"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "read rb.pkl as table"
    assert "2 prompts, 2 models, 1 benchmarks" in printed
    assert "cells without quality: 1 of 4" in printed
    assert printed[-1] == "next: python train.py data=table data.path=rb.parquet"
    table = read("rb.parquet")
    assert table.digest() == parse("rb.pkl").digest()
    assert table.prompts.tolist() == ["Say hi", "One\n\nTwo"]
    assert table.responses.tolist() == [["['hi']", "['no']"], ["['1']", "['2']"]]


def test_columns_are_named(tmp_path):
    sources.write_csv(tmp_path / "t.csv", ["question", "a", "b"], ["p", 1, 0], ["q", 0, 1])
    assert "no column 'prompt'" in refusal("t.csv", "t.parquet")
    main(["convert", "t.csv", "t.parquet", "--column", "prompt=question"])
    assert read("t.parquet").prompts.tolist() == ["p", "q"]


def test_the_split_of_the_source_is_kept(tmp_path, capsys):
    sources.write_embedllm(tmp_path / "e")
    main(["convert", "e", "e.parquet", "--from", "embedllm"])
    printed = capsys.readouterr().out
    assert "split of the source: train 1, val 1, test 1" in printed
    assert "no costs: only quality can be evaluated\n" in printed
    assert sorted(read("e.parquet").split) == ["test", "train", "val"]


def test_prices_make_costs_of_tokens(tmp_path, capsys):
    sources.write_sprout(tmp_path / "s")
    main(["convert", "s", "s.parquet"])
    assert "; --prices makes them of the token counts" in capsys.readouterr().out
    prices = {name: {"input_usd_per_1m": 1, "output_usd_per_1m": 2} for name in ("m1", "m2")}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    main(["convert", "s", "s.parquet", "--prices", "prices.json"])
    table = read("s.parquet")
    np.testing.assert_allclose(table.cost[table.prompts == "p2"], [[11e-6, 9e-6]])  # 7 + 2 * 2 and 7 + 2 * 1
    assert "cells without cost: 0 of 8" in capsys.readouterr().out


def test_what_the_table_lacks_is_said(tmp_path, capsys):
    header = ["prompt", "a", "b", "c", "a|total_cost", "b|total_cost"]
    sources.write_csv(tmp_path / "t.csv", header, ["p", 1, 0, 1, 0.5, 0], ["P ", 1, 0, 1, 0.5, 0])
    main(["convert", "t.csv", "t.parquet"])
    printed = capsys.readouterr().out.splitlines()
    assert "copies of an earlier prompt: 1" in printed
    assert "cells without cost: 2 of 6" in printed
    assert "models without any cost: c; they are left out of training" in printed
    assert printed[-1] == "next: python train.py data=table data.path=t.parquet data.drop_unpriced_models=true"
    assert "models whose cost is always 0: b" in printed


def test_of_battles_the_most_compared_models_are_named(tmp_path, capsys):
    sources.write_battles(tmp_path / "b.jsonl")
    main(["convert", "b.jsonl", "b.parquet"])
    printed = capsys.readouterr().out
    assert "read b.jsonl as battles" in printed
    assert "2 outcomes are of a prompt and model seen before: means are taken" in printed
    assert "of two models a and b share most prompts, 1\n" in printed
    assert printed.endswith("""next: python train.py data=table data.path=b.parquet 'data.models=[a,b]'\n""")


def test_what_comes_next_is_what_the_shell_and_hydra_read(tmp_path, capsys):
    sources.write_csv(tmp_path / "t.csv", ["prompt", "a", "b"], ["p", 1, 0])
    (tmp_path / "mine $x").mkdir()
    main(["convert", "t.csv", "mine $x/it's.parquet"])
    words = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert words[:4] == ["next:", "python", "train.py", "data=table"]
    path = OverridesParser.create().parse_override(words[4])
    assert (path.key_or_group, path.value()) == ("data.path", "mine $x/it's.parquet")


def test_models_are_named(tmp_path):
    sources.write_csv(tmp_path / "t.csv", ["prompt", "a", "b", "length", "c"], ["p", 1, 0, 9, ""], ["q", 1, 0, 8, ""])
    assert refusal("t.csv", "t.parquet").endswith(
        "if 'length' is not about quality, name the models with --model NAME for each"
    )
    main(["convert", "t.csv", "t.parquet", "--model", "b", "--model", "a"])
    assert read("t.parquet").models == ("b", "a")
    entries = [{"question": "q", "scores": {"x": 1, "y": 0, "z": None}}]
    sources.write_json(tmp_path / "arc.json", entries)
    assert refusal("arc.json", "o.parquet").endswith(
        "model 'z' has no quality in any row; name the models to keep with --model NAME for each"
    )
    main(["convert", "arc.json", "o.parquet", "--model", "x", "--model", "y"])
    assert read("o.parquet").models == ("x", "y")
    assert "no model 'w'; the table has x, y, z" in refusal("arc.json", "o.parquet", "--model", "w")


def test_advice_is_about_our_options(tmp_path):
    sources.write_csv(tmp_path / "t.csv", ["question", "a", "b"], ["p", 1, 0])
    assert refusal("t.csv", "o.parquet").endswith("say which one it is with --column prompt=NAME")
    sources.write_csv(tmp_path / "t.csv", ["prompt", "answer"], ["p", "x"])
    assert refusal("t.csv", "o.parquet").endswith("with --column model=NAME --column quality=NAME")
    sources.write_csv(tmp_path / "t.csv", ["prompt", "a", "b"], ["p", 1, 7])
    for words in (["--column", "eval_name=nosuch"], ["--model", "nosuch"], ["--column", "x=a"], []):
        assert "data." not in refusal("t.csv", "o.parquet", *words)


def test_a_list_that_breaks_off_is_json(tmp_path):
    (tmp_path / "t.json").write_text('[{"question": "p"')
    assert "t.json: JSON that breaks off (" in refusal("t.json", "o.parquet")


def test_mistakes(tmp_path):
    sources.write_csv(tmp_path / "t.csv", ["prompt", "a", "b"], ["p", 1, 0])
    assert "--from csv: unknown format; it is auto or one of table, battles" in refusal(
        "t.csv", "o.parquet", "--from", "csv"
    )
    assert "its name must end in .parquet" in refusal("t.csv", "o.csv")
    assert "no such file or folder" in refusal("missing.csv", "o.parquet")
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.csv").read_bytes())
    assert "is the source itself" in refusal("t.parquet", "t.parquet")
    assert "no token counts" in refusal("t.csv", "o.parquet", "--prices", "p.json")
    assert not (tmp_path / "o.parquet").exists()
