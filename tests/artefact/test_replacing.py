"""Saving over an artefact while others load it, and while the writer is killed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import routerbench
from routerbench import artefact, files
from routerbench.encoders.hashing import HashingEncoder
from routerbench.routers.linear import LinearRouter
from tests.conftest import make_examples

ROOT = Path(__file__).parents[2]
# Two versions of a router with other weights, other models and other cards.
WRITER = """
import os, random, signal, sys, time
import numpy as np
from routerbench import artefact
from routerbench.artefact.reading import read
from tests.artefact.test_replacing import save, version_of
folder, kills = sys.argv[1], int(sys.argv[2])
save(folder, 0)
reader = os.fork()
if not reader:  # loads as fast as it can, until it is stopped; a failure ends it with its traceback
    while True:
        version_of(folder)
for number in (1, 0):
    started = time.monotonic()
    save(folder, number)
needed = time.monotonic() - started  # whatever the machine and its load
rng, seen = random.Random(int(sys.argv[3])), set()
for number in range(kills):
    writer = os.fork()
    if not writer:
        while True:
            number += 1
            save(folder, number)
    time.sleep(rng.random() * 3 * needed)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    seen.add(version_of(folder))
    assert os.waitpid(reader, os.WNOHANG) == (0, 0), "the reader failed"
os.kill(reader, signal.SIGTERM)
print(sorted(seen))
"""


def save(folder, version):
    """Version 0 has 2 models, version 1 has 3."""
    num_models = 2 + version % 2
    train, val = (make_examples(60, seed=seed, num_models=num_models)[0] for seed in (0, 1))
    router = LinearRouter(8, num_models, [1.0 + version % 2])
    router.fit(train, val, lambda prediction, table: 0.0)
    artefact.save(folder, router, HashingEncoder(dim=8), train.table, {}, {}, np.empty(0, np.uint64))


def version_of(folder):
    """Load and use it: weights, models and card must belong together."""
    router = routerbench.load(folder)
    assert router.predict(np.zeros((1, 8), np.float32)).quality.shape == (1, len(router.models))
    assert router.card["router"]["arguments"]["alpha"] == [float(len(router.models) - 1)]
    return len(router.models) - 2


def test_a_kill_leaves_the_old_or_the_new_and_a_reader_sees_no_mixture(tmp_path):
    seed = int.from_bytes(os.urandom(4), "little")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "router"), "200", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert done.stdout == "[0, 1]\n"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_other_files_stay_and_nothing_is_left_behind(tmp_path, monkeypatch, can_exchange):
    """Also where a folder takes the place of another in two steps."""
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda *paths: False)
    save(tmp_path / "router", 0)
    (tmp_path / "router" / "notes").mkdir()
    (tmp_path / "router" / "notes" / "router.json").write_text("mine")
    save(tmp_path / "router", 1)
    assert version_of(tmp_path / "router") == 1
    assert (tmp_path / "router" / "notes" / "router.json").read_text() == "mine"
    assert os.listdir(tmp_path) == ["router"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    save(tmp_path / "there", 0)
    (tmp_path / "here").symlink_to(tmp_path / "there")
    save(tmp_path / "here", 1)
    assert (tmp_path / "here").is_symlink()
    assert version_of(tmp_path / "there") == 1


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_YOUNG", 0.0)
    dead, mine = tmp_path / ".router-dead.part", tmp_path / ".router-backup"
    for folder in (dead, mine):
        folder.mkdir()
        (folder / "weights").touch()
    with files.atomic_folder(tmp_path / "router") as alive:
        assert not dead.exists()
        assert (mine / "weights").exists()
        save(tmp_path / "router", 0)
        assert alive.is_dir()
