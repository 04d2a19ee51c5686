"""What pyproject.toml, Makefile, pre-commit, CI and the project's own pages say of each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import routerbench

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = [
    name.rsplit(" ", 1)[1] for name in PROJECT["classifiers"] if name.startswith("Programming Language :: Python :: 3.")
]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
STEPS = [step for job in CI["jobs"].values() for step in job["steps"]]


def test_the_oldest_python_is_the_same_everywhere():
    oldest = PYTHONS[0]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_ci_tests_each_python_that_we_claim_with_the_newest_packages():
    matrix = CI["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert [entry["python"] for entry in matrix if entry["packages"] == "newest"] == PYTHONS
    # What is oldest by pyproject.toml is tried with the oldest Python, which those packages were made for.
    assert [entry["python"] for entry in matrix if entry["packages"] == "oldest"] == PYTHONS[:1]
    assert {entry["versions"] for entry in matrix if entry["packages"] == "oldest"} == {"--resolution lowest-direct"}
    set_up = [step["with"]["python-version"] for step in STEPS if "setup-python" in step.get("uses", "")]
    assert set(set_up) <= {"${{ matrix.python }}", *PYTHONS}


def test_ci_calls_targets_that_make_knows():
    calls = [step["run"] for step in STEPS if step.get("run", "").startswith("make ")]
    targets = {call.split()[1] for call in calls}
    assert {"lint", "install", "test", "test-ray"} == targets
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("versions", ["-c constraints.txt", "--upgrade", "--resolution lowest-direct"])
def test_make_installs_the_versions_that_ci_asks_for(versions):
    command = ["make", "--dry-run", "--always-make", "install", f"VERSIONS={versions}"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert f"pip install --quiet --python .venv/bin/python {versions} -e '.[dev]'" in printed


def test_make_help_lists_every_target():
    # Below another make, as in CI, it would also say where it is.
    command = ["make", "--no-print-directory"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    listed = {line.split()[0] for line in printed.splitlines()}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == set(phony.split())


def test_pre_commit_runs_what_make_lint_runs():
    clientlib = pytest.importorskip("pre_commit.clientlib")
    (repo,) = clientlib.load_config(str(ROOT / ".pre-commit-config.yaml"))["repos"]
    commands = {" ".join(hook["entry"].split()[:2]) for hook in repo["hooks"]}
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0].splitlines()[1:]
    assert commands == {" ".join(line.split()[:2]) for line in lint}
    # The versions are those of the environment, and so of one place.
    assert {hook["language"] for hook in repo["hooks"]} <= {"system", "unsupported"}
    needed = {Path(command.split()[0]).name for command in commands}
    assert needed <= {re.split(r"[><=\[]", package)[0] for package in EXTRAS["dev"]}


def test_every_extra_that_a_message_names_exists():
    named = {
        extra
        for file in (ROOT / "routerbench").rglob("*.py")
        for extras in re.findall(r"routerbench\[([\w,]+)\]", file.read_text())
        for extra in extras.split(",")
    }
    assert named
    assert named <= EXTRAS.keys()


def test_constraints_pin_what_the_project_asks_for_within_its_bounds():
    from packaging.requirements import Requirement

    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    assert lines == sorted(lines)
    pinned = dict(line.split("==") for line in lines)
    asked = [Requirement(text) for text in [*PROJECT["dependencies"], *(p for extra in EXTRAS.values() for p in extra)]]
    for requirement in asked:
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_the_version_is_that_of_pyproject():
    assert routerbench.__version__ == PROJECT["version"], "run make install"
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = routerbench.nosuch


def test_the_changelog_has_the_version_below_what_is_unreleased():
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert [name for name, _ in headings[:2]] == ["Unreleased", PROJECT["version"]]
    assert all(re.fullmatch(r"( - \d{4}-\d\d-\d\d)?", date) for _, date in headings)


def test_the_citation_is_complete_and_repeats_no_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "type", "title", "abstract", "authors", "license"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == PROJECT["license"]
    assert citation.get("version", PROJECT["version"]) == PROJECT["version"]
    for work in (citation, *citation["references"]):
        assert work["title"]
        assert all("name" in author or {"family-names", "given-names"} <= author.keys() for author in work["authors"])


def test_issues_and_pull_requests_have_templates():
    folder = ROOT / ".github"
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("ISSUE_TEMPLATE/*.yml")}
    assert set(forms) == {"bug_report", "feature_request"}
    for form in forms.values():
        assert {"name", "description", "body"} <= form.keys()
        assert all(field["attributes"]["label"] for field in form["body"])
    assert {"command", "version", "data", "output"} == {field["id"] for field in forms["bug_report"]["body"]}
    assert (folder / "PULL_REQUEST_TEMPLATE.md").is_file()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_make_has_the_targets_that_the_pages_name(page):
    text = (ROOT / page).read_text()
    code = [*re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]
    calls = [call for part in code for call in re.findall(r"^make((?: [a-z-]+)+)", part, re.MULTILINE)]
    assert calls
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {target for call in calls for target in call.split()} <= set(phony.split())


def test_the_glossary_has_every_letter_that_stands_for_a_dimension():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| letter | dimension |")[1]
    listed = set(re.findall(r"\b[A-Z]\b", " ".join(re.findall(r"^\| ([A-Za-z, ]+) \|", table, re.MULTILINE))))
    used = {
        letter
        for file in (ROOT / "routerbench").rglob("*.py")
        for shape in re.findall(r"``\(([A-Za-z0-9_ ,.*+-]+)\)``", file.read_text(encoding="utf-8"))
        if re.fullmatch(r"[A-Za-z0-9_]+( - 1| \+ 1)?,?( ?[A-Za-z0-9_.]+( - 1| \+ 1)?,?)*", shape)
        for letter in re.findall(r"\b[A-Z]\b", shape)
    }
    assert used - listed == set()
    assert len(used) > 10
