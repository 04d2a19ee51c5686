"""Printed command lines are parsed by the shell and by Hydra to the original values."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from routerbench.command_line import command_line

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1) | st.text(
    "\\\"'$ {}a1.,/[]~=", min_size=1
)


def read_back(line):
    """The values that Hydra and OmegaConf make of the words of a line, by name."""
    python, script, *words = shlex.split(line)
    assert (python, script) == ("python", "train.py")
    found = {}
    for override in map(OverridesParser.create().parse_override, words):
        found[override.key_or_group] = OmegaConf.create({"value": override.value()})
    return {name: OmegaConf.to_container(node, resolve=True)["value"] for name, node in found.items()}


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
@example("my out.parquet", ["null", "1", "1e5", "True", ".5", "nan", "007", "1_0"])
@example('it\'s "quoted"\\', ["a\\", 'a\\"', "\\\\", "\\${x}", "${oc.env:HOME}"])
@example("~/a=b,c", ["[x]", "{a:1}", "a: b", " a ", "é", "2026-01-01/12-00-00/router"])
def test_what_is_printed_comes_back(path, models):
    line = command_line("train.py", {"data": "table", "data.path": path, "data.models": models})
    assert read_back(line) == {"data": "table", "data.path": path, "data.models": models}


@pytest.mark.parametrize("path", ["t.parquet", "outputs/a-b_1/router", "/x/y.z", "./5", "../a"])
def test_usual_paths_stand_as_they_are(path):
    assert command_line("train.py", {"data.path": path}) == f"python train.py data.path={path}"
