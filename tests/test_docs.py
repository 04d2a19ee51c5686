"""The README's commands and snippets, executed in order."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from routerbench.data.demo import make_world
from tests.conftest import write_bert

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line.startswith("python")]
QUICK = {
    "data": ["data.num_prompts=400"],
    "encoder": ["encoder=hashing", "encoder.dim=64"],
    "trainer.max_epochs": ["trainer.max_epochs=2"],
}
TINY = ["encoder=huggingface", "encoder.name=bert"]  # where the encoder is trained, too


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that looks like a clone, without outputs, with a user's table in the README's layout."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("train.py", "evaluate.py", "conf"):
        (folder / name).symlink_to(ROOT / name)
    table = make_world(300, seed=1).table
    models = {"gpt-4": 0, "mistral-7b": 10}
    (header,) = [text.splitlines()[0] for kind, text in BLOCKS if kind == "csv"]
    assert header.split(",") == [
        "prompt",
        "eval_name",
        *(n for model in models for n in (model, f"{model}|total_cost")),
    ]
    rows = [
        ",".join([f'"{prompt}"', name, *(str(v) for m in models.values() for v in (quality[m], cost[m]))])
        for prompt, name, quality, cost in zip(table.prompts, table.benchmark, table.quality, table.cost, strict=True)
    ]
    write_bert(folder / "bert", table.prompts)
    (folder / "prompts.txt").write_text("What is 7 + 5?\nProve that the square root of 2 is irrational.\n")
    (folder / "outcomes.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def run(folder, *command):
    environment = os.environ | {"ROUTERBENCH_CACHE": str(folder / "cache"), "WANDB_MODE": "offline"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_command_runs_in_order_and_so_does_the_snippet(folder):
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        _, *words = shlex.split(command)
        named = {word.split("=")[0] for word in words}
        if named & {"finetune"}:
            words += TINY
            named |= {"encoder"}
        if words[0] == "train.py":  # the same words on a smaller world, so that the suite stays quick
            words += [word for option, small in QUICK.items() if option not in named for word in small]
        if words[0] == "evaluate.py":
            words.append("resamples=50")
        done = run(folder, *words)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (folder / "outputs" / "demo" / "report.html").is_file()
    assert len((folder / "decisions.jsonl").read_text().splitlines()) == 2
    (snippet,) = [text for kind, text in BLOCKS if kind == "python"]
    done = run(folder, "-c", snippet)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r"\S+: expected quality [01]\.\d\d for 0\.\d{5} USD", line) for line in lines)


def test_make_demo_is_what_the_readme_says():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = [line.replace("$(RUN)", "python").strip() for line in makefile.split("demo:")[1].splitlines()[1:4]]
    assert demo == COMMANDS[:3]


def test_the_options_table_is_complete():
    for group in ("data", "encoder", "finetune", "trainer", "logger"):
        (row,) = [line for line in README.splitlines() if line.startswith(f"| `{group}=`")]
        assert set(re.findall(r"`(\w+)`", row)) == {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}


@pytest.mark.parametrize(("heading", "group"), [("Routers", "router"), ("Protocols", "experiment")])
def test_the_table_of_a_section_is_complete(heading, group):
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0].split("\n\n")
    (table,) = [part for part in section if part.startswith(("| word |", "| `experiment=` |"))]
    words = [word for line in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(words) == sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def test_the_table_of_policies_is_complete():
    section = README.split("## Cascades and budgets\n")[1].split("\n## ")[0]
    named = {tuple(pair) for pair in re.findall(r"^\| `(\w+)=(\w+)`", section, re.MULTILINE)}
    groups = ("cascade", "budget")
    assert named == {(group, path.stem) for group in groups for path in (ROOT / "conf" / group).glob("*.yaml")}


def test_every_file_and_folder_of_the_map_exists():
    house = README.split("## The house")[1].split("```")[1]
    named = [word for line in house.splitlines()[3:] for word in re.findall(r"^[\w./]+|(?<=  )\w+\.py", line)]
    assert len(named) > 8
    assert all((ROOT / name).exists() for name in named)
    packages = {path.parent.name for path in (ROOT / "routerbench").glob("*/__init__.py")}
    assert packages <= {Path(name).name for name in named}
