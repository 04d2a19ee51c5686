"""A sweep by each of Hydra's launchers: every job in a process of its own, one of them with a mistake."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from routerbench.data.demo import make_world

ROOT = Path(__file__).parents[1]
NUM_PROMPTS = 200
QUICK = (f"data.num_prompts={NUM_PROMPTS}", "encoder=hashing", "encoder.dim=32")
LAUNCHERS = {
    "basic": [],
    "joblib": ["hydra.launcher.n_jobs=2"],
    "submitit_local": [],
    "ray": ["+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false"],
}


@pytest.fixture(params=LAUNCHERS)
def launcher(request):
    if request.param == "ray" and find_spec("ray") is None:
        pytest.skip("Ray is not installed; `make test-ray` tries it in an environment of its own")
    return request.param


def sweep(folder, launcher, *words):
    command = [sys.executable, str(ROOT / "train.py"), "-m", f"hydra/launcher={launcher}", *LAUNCHERS[launcher], *words]
    command += [*QUICK, f"hydra.sweep.dir={folder / 'sweep'}", f"cache_dir={folder / 'cache'}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if launcher == "ray":  # it keeps a key in the home folder, and reports its use
        environment |= {"HOME": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_mistake_of_one_job_is_one_line_and_the_others_go_on(launcher, tmp_path):
    done = sweep(tmp_path, launcher, "router=knn,linear", "seed=-1,0")
    jobs = [tmp_path / "sweep" / str(number) for number in range(4)]

    # The sweep ends with the first mistake, and says of which job it is.
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: seed must be from 0 to {2**63 - 1}, got -1"]
    assert "['router=knn', 'seed=-1'," in done.stderr

    # Each job's own log, in its own folder, says what became of it.
    for job in (jobs[0], jobs[2]):
        assert [line for line in (job / "train.log").read_text().splitlines() if "error" in line] == errors
        assert not (job / "router").exists()
    for job, word in ((jobs[1], "knn"), (jobs[3], "linear")):
        assert json.loads((job / "router" / "router.json").read_text())["name"] == word
        assert "router saved in" in (job / "train.log").read_text()
    assert {path.name for path in (tmp_path / "sweep").iterdir()} <= {"0", "1", "2", "3", "multirun.yaml", ".submitit"}

    # Jobs that filled one store at once have encoded nothing twice.
    stored = sum(len(np.load(file)) for file in (tmp_path / "cache").rglob("*.vectors.npy"))
    assert stored == len(set(make_world(NUM_PROMPTS, seed=0).table.prompts))


def test_networks_train_beside_each_other_and_write_into_their_own_folders(tmp_path):
    quick = ("router.hidden=[8]", "trainer.max_epochs=2", "trainer.accelerator=cpu")
    done = sweep(tmp_path, "joblib", "router=mlp", "seed=0,1", *quick)
    assert done.returncode == 0, done.stderr
    jobs = [tmp_path / "sweep" / number for number in "01"]
    assert all((job / "csv" / "metrics.csv").is_file() for job in jobs)
    first, second = ((job / "router" / "weights.safetensors").read_bytes() for job in jobs)
    assert first != second


def test_a_sweep_that_cannot_make_its_folder_says_so_in_one_line(tmp_path):
    (tmp_path / "sweep").write_text("a file")
    done = sweep(tmp_path, "basic", "router=knn", "seed=0,1")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'sweep'}: cannot be made (File exists); choose another hydra.run.dir=..."
    ]
