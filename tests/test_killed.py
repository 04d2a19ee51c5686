"""Runs of ``train.py`` that are killed: what others need is left whole, and what was learned is not lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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


LONG = [
    *("router=mlp", "data.num_prompts=3000", "encoder=hashing", "encoder.dim=32", "router.hidden=[64]"),
    *("trainer.max_epochs=250", "training.patience=1000"),
]


def train(folder, cache, *words):
    command = [sys.executable, str(ROOT / "train.py"), *LONG, f"hydra.run.dir={folder}", f"cache_dir={cache}", *words]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder.parent, preexec_fn=hear_interrupts, **output)


def hear_interrupts():
    """What a shell starts in the background, and all below it, is deaf to Ctrl-C otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = train(folder / "run", folder / "cache")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return (folder / "run" / "router" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "times"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1), (signal.SIGINT, 1)])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, uninterrupted, number, times):
    """Killed at a random moment after its first checkpoint, and once more while it goes on."""
    last, seed = tmp_path / "run" / "checkpoints" / "last.ckpt", int.from_bytes(os.urandom(4), "little")
    rng = np.random.default_rng(seed)
    words = []
    for _ in range(times):
        before = last.stat().st_mtime_ns if last.exists() else 0
        doomed = train(tmp_path / "run", tmp_path / "cache", *words)
        until(lambda: last.exists() and last.stat().st_mtime_ns != before, doomed)  # noqa: B023
        time.sleep(rng.random())
        assert doomed.poll() is None, "it ended before it could be killed"
        doomed.send_signal(number)
        output, _ = doomed.communicate(timeout=60)
        assert doomed.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 1}[number]
        assert (number == signal.SIGKILL) or "go on with training.resume=run/checkpoints/last.ckpt" in output, output
        assert not (tmp_path / "run" / "router").exists(), f"seed {seed}"
        words = [f"training.resume={last}"]
    again = train(tmp_path / "run", tmp_path / "cache", *words)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    assert (tmp_path / "run" / "router" / "weights.safetensors").read_bytes() == uninterrupted, f"seed {seed}"
