"""The commands and snippets of the README, of CONTRIBUTING and of the pages in docs, executed in order."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from routerbench.data.demo import make_world
from routerbench.data.importers import FORMATS
from tests.conftest import write_bert

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/**/*.md"))}


def blocks(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    return [line for block in blocks(text, "bash") for line in block.splitlines() if line.startswith("python")]


def table(text, first_cell):
    """Lines of the table whose head begins so."""
    (found,) = [part for part in text.split("\n\n") if part.startswith(f"| {first_cell} |")]
    return found.splitlines()[2:]


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
    world = make_world(300, seed=1).table
    models = {"gpt-4": 0, "mistral-7b": 10}
    (header,) = [text.splitlines()[0] for text in blocks(README, "csv")]
    assert header.split(",") == [
        "prompt",
        "eval_name",
        *(n for model in models for n in (model, f"{model}|total_cost")),
    ]
    rows = [
        ",".join([f'"{prompt}"', name, *(str(v) for m in models.values() for v in (quality[m], cost[m]))])
        for prompt, name, quality, cost in zip(world.prompts, world.benchmark, world.quality, world.cost, strict=True)
    ]
    write_bert(folder / "bert", world.prompts)
    (folder / "prompts.txt").write_text("What is 7 + 5?\nProve that the square root of 2 is irrational.\n")
    (folder / "outcomes.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    assert len(commands(README)) >= 8
    run_all(folder, README)
    return folder


def run(folder, *command):
    environment = os.environ | {"ROUTERBENCH_CACHE": str(folder / "cache"), "WANDB_MODE": "offline"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def run_all(folder, text):
    for command in commands(text):
        _, *words = shlex.split(command)
        named = {word.split("=")[0] for word in words}
        if named & {"finetune"}:
            words += TINY
            named |= {"encoder"}
        if words[0] == "train.py":  # the same words on a smaller world, so that the suite stays quick
            words += [word for option, small in QUICK.items() if option not in named for word in small]
        if "experiment=new_models" in words:
            words.append("experiment.num_prompts=[10,100]")
        if words[0] == "evaluate.py":
            words.append("resamples=50")
        done = run(folder, *words)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_readme_leaves_what_it_says(folder):
    assert (folder / "outputs" / "demo" / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(folder, page):
    run_all(folder, PAGES[page])
    if page == "docs/sharing.md":
        assert len((folder / "decisions.jsonl").read_text().splitlines()) == 2


def test_the_snippet_routes(folder):
    (snippet,) = blocks(README, "python")
    done = run(folder, "-c", snippet)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r"\S+: expected quality [01]\.\d\d for 0\.\d{5} USD", line) for line in lines)


def test_the_router_of_contributing_is_one_file_and_one_yaml(folder, tmp_path):
    (python,), (config,) = blocks(CONTRIBUTING, "py"), blocks(CONTRIBUTING, "yaml")
    for name in ("routerbench", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "train.py", tmp_path)
    for text in (python, config):
        (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    for command in commands(CONTRIBUTING):
        small = [word for words in QUICK.values() for word in words]
        done = run(tmp_path, *shlex.split(command)[1:], "hydra.run.dir=out", *small)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    routes = "import routerbench; print(routerbench.load('out/router').route(['What is 7 + 5?'], 0.01))"
    done = run(tmp_path, "-c", routes)
    assert done.stdout.startswith("[Decision(model="), done.stderr


def test_make_demo_is_what_the_readme_says():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = [line.replace("$(RUN)", "python").strip() for line in makefile.split("demo:")[1].splitlines()[1:4]]
    assert demo == commands(README)[:3]


def test_the_options_table_is_complete():
    for group in ("data", "encoder", "finetune", "trainer", "logger"):
        (row,) = [line for line in README.splitlines() if line.startswith(f"| `{group}=`")]
        assert set(re.findall(r"`(\w+)`", row)) == {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}


def test_the_table_of_routers_is_complete():
    words = [
        word
        for line in table(PAGES["docs/routers.md"], "`router=`")
        for word in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert sorted(words) == sorted(path.stem for path in (ROOT / "conf" / "router").glob("*.yaml"))


def test_every_protocol_has_its_page():
    pages = {Path(page).stem for page in PAGES if page.startswith("docs/protocols/")}
    assert pages == {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}


def test_the_tables_of_policies_are_complete():
    named = set(re.findall(r"`(\w+)=(\w+)`", "\n".join(table(PAGES["docs/policies.md"], "option"))))
    named |= {
        ("online", word)
        for line in table(PAGES["docs/policies.md"], "`online=`")
        for word in re.findall(r"^\| `(\w+)`", line)
    }
    groups = ("cascade", "budget", "online")
    assert named == {(group, path.stem) for group in groups for path in (ROOT / "conf" / group).glob("*.yaml")}


def test_the_table_of_importers_is_complete():
    words = [re.match(r"\| `(\w+)`", line)[1] for line in table(PAGES["docs/tables.md"], "`--from`")]
    assert sorted(words) == sorted(FORMATS)


def test_the_results_of_the_readme_are_rows_of_the_leaderboard():
    rows = table(README, "router              ")
    assert len(rows) > 10
    assert set(rows) <= set(PAGES["docs/routers.md"].splitlines())


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_readme_links_every_page():
    assert {page for page in PAGES if f"({page}" in README} == set(PAGES)


def test_every_path_of_contributing_exists():
    paths = re.findall(r"(?<![\w/])(?:routerbench|conf|tests|docs|\.github)/[\w./]*", CONTRIBUTING)
    named = {path.rstrip(".") for path in paths if "NAME" not in path and "nearest_benchmark" not in path}
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    tests = set(re.findall(r"`(test_\w+)`", CONTRIBUTING))
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in sorted(tests) if f"def {name}(" not in text] == []


def test_every_file_and_folder_of_the_map_exists():
    house = README.split("## The house")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in house.splitlines() if line.startswith("| `")]
    named = [path for row in rows for path in re.findall(r"`([\w./]+)`", row)]
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []
    packages = {path.parent.name for path in (ROOT / "routerbench").glob("*/__init__.py")}
    assert packages == {Path(path).name for path in named if path.startswith("routerbench/") and path.endswith("/")}
