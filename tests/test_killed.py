"""Two runs of ``train.py`` share a cache and one is killed: the other and a new one complete."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = [
    *("router=linear", "data.num_prompts=3000", "encoder=hashing", "encoder.dim=32"),
    "encoder._target_=tests.slow_encoder.SlowEncoder",
]


def start(folder, cache, seconds):
    command = [sys.executable, str(ROOT / "train.py"), *WORDS, f"hydra.run.dir={folder}", f"cache_dir={cache}"]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = os.environ | {"PYTHONPATH": str(ROOT), "SECONDS": str(seconds)}
    return subprocess.Popen(command, cwd=folder.parent, env=env, **output)


def until(condition, *alive):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in alive)
        time.sleep(0.01)


def test_a_run_killed_while_it_encodes_leaves_nothing_broken(tmp_path):
    cache = tmp_path / "cache"
    doomed = start(tmp_path / "doomed", cache, 600)
    until(lambda: list(cache.glob("*/claims/*.keys")), doomed)
    other = start(tmp_path / "other", cache, 0)
    until(lambda: list(cache.glob("*/*.keys.npy")), doomed, other)
    assert not (tmp_path / "other" / "router").exists(), "it needs the block that the first one is at"
    doomed.kill()
    doomed.communicate()
    assert not (tmp_path / "doomed" / "router").exists()
    output, _ = other.communicate(timeout=120)
    assert other.returncode == 0, output
    assert "3000 encoded" in output, "what the first one had begun with, too"
    assert not list(cache.glob("*/claims/*")), "the claim of the dead is cleared away"
    again = start(tmp_path / "doomed", cache, 600)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert "nothing to encode" in output
    weights = [(tmp_path / name / "router" / "weights.safetensors").read_bytes() for name in ("doomed", "other")]
    assert weights[0] == weights[1]
