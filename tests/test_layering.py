"""What decides, scores and reports is NumPy only, so that a service or a notebook loads it at once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"torch", "lightning", "pytorch_lightning", "hydra", "omegaconf", "transformers", "sklearn", "pandas"}
LIGHT = ["routerbench.policy", "routerbench.data.outcomes"] + [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ("evaluation", "report")
    for path in sorted((ROOT / "routerbench" / room).rglob("*.py"))
]


def test_the_rooms_were_found():
    assert {"routerbench.evaluation.sweep", "routerbench.report"} <= set(LIGHT)


@pytest.mark.parametrize("module", LIGHT)
def test_imports_nothing_heavy(module):
    script = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not FORBIDDEN & set(done.stdout.split())
