"""The table that an artefact's card names: what is read again, and that nothing else happens."""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerbench.data import demo, recorded, table
from routerbench.errors import InputError

DEMO = {"_target_": "routerbench.data.demo.load", "num_prompts": 200, "holdout_benchmarks": [], "seed": 0}


def read_recorded(data, card):
    return recorded.read_recorded(data, card, "name it: data=...")


def entry(config, of):
    return {"config": config, "digest": of.digest(), "split_digest": of.split_digest()}


@pytest.fixture(scope="module")
def world():
    return demo.load(num_prompts=200)


@pytest.fixture
def file(world, tmp_path):
    columns = {"prompt": list(world.prompts)} | dict(zip(world.models, world.quality.T, strict=True))
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_the_demo_and_a_file_are_read_again(world, file):
    assert read_recorded(entry(DEMO, world), "card").digest() == world.digest()
    held = demo.load(num_prompts=200, holdout_benchmarks="coding")
    assert (
        read_recorded(entry(DEMO | {"holdout_benchmarks": "coding"}, held), "card").split_digest()
        == held.split_digest()
    )
    config = {"_target_": "routerbench.data.table.load", "path": str(file), "columns": {"split": None}, "seed": 3}
    assert read_recorded(entry(config, table.load(file, seed=3)), "card").source == str(file)


@pytest.mark.parametrize(
    "path",
    [
        "nowhere.parquet",
        "http://127.0.0.1:1/t.parquet",
        "https://huggingface.co/x",
        "hf://x/y",
        "/dev/zero",
        ".",
        "x" * 5000,
        "~nobody/t",
        "a\0b",
    ],
)
@pytest.mark.parametrize("name", ["path", "prices"])
def test_only_regular_files_of_this_machine_are_opened(world, file, name, path):
    config = {"_target_": "routerbench.data.table.load", "path": str(file), "prices": None, name: path}
    with pytest.raises(InputError, match="no such file, seen from"):
        read_recorded(entry(config, world), "card")


def test_a_pipe_is_not_waited_for(world, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    config = {"_target_": "routerbench.data.table.load", "path": str(tmp_path / "pipe")}
    with pytest.raises(InputError, match="no such file, seen from"):
        read_recorded(entry(config, world), "card")


def test_the_dataset_is_not_downloaded_because_a_card_says_so(world, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    config = {"_target_": "routerbench.data.routerbench.load", "shots": 0}
    with pytest.raises(InputError, match="not in the cache"):
        read_recorded(entry(config, world), "card")


def test_a_changed_file_is_refused(world, file):
    config = {"_target_": "routerbench.data.table.load", "path": str(file)}
    recorded = entry(config, table.load(file))
    other = pq.read_table(file).to_pydict()
    other[world.models[0]] = list(1 - np.array(other[world.models[0]]))
    pq.write_table(pa.table(other), file)
    with pytest.raises(InputError, match="changed since the router was trained on it \\(card\\)"):
        read_recorded(recorded, "card")


# A call that would leave a trace: the file that {trace} stands for.
CALLS = [
    {"_target_": "os.system", "command": "touch {trace}"},
    {"_target_": "pathlib.Path.write_text", "self": {"_target_": "pathlib.Path", "_args_": ["{trace}"]}, "data": "x"},
    {"_target_": "builtins.open", "file": "{trace}", "mode": "w"},
    {"_target_": "numpy.load", "file": "{trace}", "allow_pickle": True},
    {"_target_": "torch.load", "f": "{trace}", "weights_only": False},
    {"_target_": "joblib.load", "filename": "{trace}"},
    {"_target_": "pandas.read_pickle", "filepath_or_buffer": "{trace}"},
    {"_target_": "routerbench.data.table.load.__globals__", "path": "{trace}"},
    {"_target_": "routerbench.data.writer.write_table", "file": "{trace}"},
    {"_target_": "routerbench.data.demo.os.system", "command": "touch {trace}"},
]
VALUES = [
    "${oc.env:HOME}",
    "${now:%Y}",
    {"_target_": "os.getcwd"},
    1.5,
    -1,
    10**15,
    True,
    [1],
    None,
    "auto",
    ["x", None],
]


def filled(value, trace):
    if isinstance(value, dict):
        return {key: filled(each, trace) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, trace) for each in value]
    return value.replace("{trace}", str(trace)) if isinstance(value, str) else value


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["_target_"])
@pytest.mark.parametrize("place", ["whole", "path", "models", "columns", "seed", "num_prompts", "_args_", "more"])
def test_no_card_calls_anything(world, file, tmp_path, call, place):
    trace = tmp_path / "trace"
    call = filled(call, trace)
    readers = {"path": "table", "models": "table", "columns": "table"}
    config = {"_target_": f"routerbench.data.{readers.get(place, 'demo')}.load"}
    config |= {"path": str(file)} if place in readers else {}
    config = call if place == "whole" else config | {place: call}
    before = set(sys.modules)
    with pytest.raises(InputError):
        read_recorded(entry(config, world), "card")
    assert not trace.exists()
    assert not {"joblib", "pandas"} & (set(sys.modules) - before)


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("option", ["num_prompts", "seed", "holdout_benchmarks", "unknown", "_partial_", "_convert_"])
def test_a_value_of_another_type_is_one_error(world, option, value):
    """A value is the recorded one or ends in an error; none is interpolated, and none makes a table of 10^15 rows."""
    with pytest.raises(InputError) as caught:
        read_recorded(entry(DEMO | {option: value}, world), "card")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [{}, {"config": None}, {"config": []}, {"config": {}}, {"config": "demo"}, [], None, "demo"]
)
def test_a_card_without_data_is_one_error(data):
    with pytest.raises(InputError, match=r"does not say which table .* data=\.\.\."):
        read_recorded(data, "card")


def test_what_a_training_may_be_given_is_read_again(world, tmp_path, monkeypatch):
    """A home folder, models that are called by numbers, benchmarks that are years, and 1 for true."""
    monkeypatch.setenv("HOME", str(tmp_path))
    columns = {"prompt": list(world.prompts), "eval_name": ["2021", "2022"] * 100, "1": [0.5] * 200, "2": [1.0] * 200}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    options = {"models": [1, 2], "benchmarks": [2021], "drop_unpriced_models": 1}
    for option, value in options.items():
        config = {"path": "~/t.parquet", option: value}
        read = table.load(**config)
        again = read_recorded(entry({"_target_": "routerbench.data.table.load", **config}, read), "card")
        assert again.digest() == read.digest()


def test_a_file_that_is_not_named_is_one_error(world):
    with pytest.raises(InputError, match="does not say which file"):
        read_recorded(entry({"_target_": "routerbench.data.table.load"}, world), "card")
