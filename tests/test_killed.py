"""Several ``train.py`` on one machine with one cache, of which one is killed: the others, and a new one, complete."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = [
    *("router=linear", "data.num_prompts=5000", "encoder=hashing", "encoder.dim=32"),
    "encoder._target_=tests.slow_encoder.SlowEncoder",
]


def start(folder, cache):
    command = [sys.executable, str(ROOT / "train.py"), *WORDS, f"hydra.run.dir={folder}", f"cache_dir={cache}"]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder.parent, env=os.environ | {"PYTHONPATH": str(ROOT)}, **output)


def test_a_run_killed_while_it_encodes_leaves_nothing_broken(tmp_path):
    cache = tmp_path / "cache"
    doomed, other = start(tmp_path / "doomed", cache), start(tmp_path / "other", cache)
    deadline = time.monotonic() + 120
    while len(list(cache.glob("*/claims/*.keys"))) < 2:
        assert time.monotonic() < deadline
        assert doomed.poll() is None
        assert other.poll() is None
        time.sleep(0.01)
    doomed.kill()
    doomed.communicate()
    assert not (tmp_path / "doomed" / "router").exists()
    output, _ = other.communicate(timeout=120)
    assert other.returncode == 0, output
    assert not list(cache.glob("*/claims/*")), "the claim of the dead is cleared away"
    assert "5000 encoded" in output, "also what the other had begun with"
    again = start(tmp_path / "doomed", cache)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert "nothing to encode" in output
    weights = [(tmp_path / name / "router" / "weights.safetensors").read_bytes() for name in ("doomed", "other")]
    assert weights[0] == weights[1]
