"""Folders import only to their left and not in a circle; policy, evaluation and reports need only NumPy."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "routerbench"

# A room may import the rooms in the lines above its own. README's line of the house shows the same order.
ORDER = (
    "errors files hub command_line ranks onnx_runtime",
    "data",
    "encoders routers",
    "policy calibration",
    "evaluation",
    "adjustment report",
    "artefact audit self_knowledge tuning",
    "sequences training export serving tracking",
    "experiments",
    "online",
    "programs",
    "config",
    "commands",
    "__main__",
)
LINE = {room: number for number, line in enumerate(ORDER) for room in line.split()}
# These rooms may import each other; test_nothing_imports_in_a_circle keeps their modules in order.
GROUND = ORDER[0].split()

FORBIDDEN = {"torch", "lightning", "pytorch_lightning", "hydra", "omegaconf", "transformers", "sklearn", "pandas"}
LIGHT_ROOMS = ("evaluation", "report", "audit", "self_knowledge")
LIGHT_MODULES = (
    "policy",
    "data.outcomes",
    "experiments.study",
    "experiments.standings",
    "experiments.report",
    "experiments.picture",
    "experiments.leaderboard_report",
    "experiments.leaderboard_picture",
    "online.served",
    "online.report",
    "online.picture",
)


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
LIGHT = [f"routerbench.{module}" for module in LIGHT_MODULES] + [
    name for name in MODULES if name.split(".")[1:2] and name.split(".")[1] in LIGHT_ROOMS
]


def imports_of(path):
    """What a module imports of the package, wherever it does: at the top, in a function, or for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "routerbench")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "routerbench":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


@cache
def graph():
    """Each module's imports; ``routerbench/__init__`` is exempt, as it hands on names when they are asked for."""
    return {name: set(imports_of(path)) - {name} for name, path in MODULES.items() if name != "routerbench"}


def room_of(module):
    return module.split(".")[1]


def test_everything_imported_exists():
    """The type checker cannot tell: it takes a module that it does not find for one without types."""
    assert not {f"{module} imports {other}" for module, others in graph().items() for other in others - MODULES.keys()}


def test_every_room_has_its_place():
    rooms = {room_of(module) for module in graph()}
    assert rooms == LINE.keys()


def test_rooms_import_only_to_their_left():
    wrong = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if room_of(module) != room_of(other)
        and LINE[room_of(other)] >= LINE[room_of(module)]
        and not (room_of(module) in GROUND and room_of(other) in GROUND)
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_nothing_imports_in_a_circle():
    """Modules without an import of what is left are taken away again and again; what stays is in a circle."""
    left = dict(graph())
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert not left, f"in a circle, or behind one: {sorted(left)}"


def test_the_readme_shows_the_order():
    (block,) = [block for block in (ROOT / "README.md").read_text().split("```") if block.startswith("\ndata -> ")]
    shown = [[room.strip() for room in rooms.split(",")] for rooms in block.split("->")]
    assert shown == [rooms.split() for rooms in ORDER[1:-1] if rooms != "config"]


def test_the_light_modules_were_found():
    assert {"routerbench.evaluation.sweep", "routerbench.report", "routerbench.audit.page"} <= set(LIGHT)
    assert set(LIGHT) <= MODULES.keys()


@pytest.mark.parametrize("module", LIGHT)
def test_imports_nothing_heavy(module):
    script = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not FORBIDDEN & set(done.stdout.split())


def test_no_two_classes_have_the_same_name():
    """Private ones included: a reader who searches for a name finds one thing."""
    homes = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module)
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}


def test_only_config_knows_hydra():
    found = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.split(".")[0] in ("hydra", "omegaconf")
    }
    assert {room_of(module) for module in found} == {"config"}


# Why a file is longer than 300 lines.
LONG: dict[str, str] = {}


def test_files_have_at_most_300_lines():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 300}.keys() == LONG.keys()


def test_functions_have_at_most_60_lines():
    """Docstrings are not counted: a signature's meaning may need more room than its code."""
    long = []
    for path in [*MODULES.values(), ROOT / "train.py", ROOT / "evaluate.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node, clean=False)
                length = node.end_lineno - node.lineno + 1 - (len(docstring.splitlines()) if docstring else 0)
                long += [f"{path.relative_to(ROOT)}: {node.name} has {length} lines"] if length > 60 else []
    assert not long, "\n".join(long)


@pytest.mark.parametrize("door", ["train.py", "evaluate.py"])
def test_the_entry_points_are_doors(door):
    assert len((ROOT / door).read_text(encoding="utf-8").splitlines()) <= 50
