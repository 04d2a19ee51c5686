"""``logger=wandb`` of both programs, read back from what an offline run leaves on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import evaluate
import routerbench
import train
from routerbench.tracking import _artifact, tracked
from tests.conftest import write_bert
from tests.offline_runs import OfflineRun
from tests.test_entry_points import QUICK, ROOT, make_world, run


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for place in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{place}_DIR", str(tmp_path / "wandb-home"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.fixture
def mode(monkeypatch):
    """Sets ``WANDB_MODE``, which wandb reads once in a process, or removes it."""
    import wandb

    def set_to(value):
        wandb.teardown()
        monkeypatch.delenv("WANDB_MODE")
        if value is not None:
            monkeypatch.setenv("WANDB_MODE", value)

    yield set_to
    wandb.teardown()


def table_of(folder, key):
    """The rows of a table that a run logged, as dicts."""
    (file,) = folder.rglob(f"media/table/{key}_*.table.json")
    table = json.loads(file.read_text())
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def routers_of(logged):
    return [artifact[1:] for artifact in logged.artifacts if artifact[0] == "router"]


@pytest.fixture
def knn(tmp_path):
    aiq = run(train, "train", tmp_path / "knn", *QUICK, "router=knn", "logger=wandb")
    return tmp_path / "knn", aiq


def test_a_router_fitted_in_closed_form_tells_what_a_network_tells(knn):
    folder, aiq = knn
    logged = OfflineRun(folder)
    assert logged.values("val/aiq") == [logged.summary["val/aiq"]] == [aiq], "a sweep needs it in the history, too"
    assert logged.config["router"]["num_neighbors"] == [5, 10, 20, 40, 80, 160, 320]
    assert logged.config["data"]["num_prompts"] == 300
    assert logged.exit_code == 0
    card = json.loads((folder / "router" / "router.json").read_text())
    assert routers_of(logged) == [("router-knn", {"README.md", "router.json", "weights.safetensors"}, card)]
    assert list(folder.rglob("media/images/val/frontier_*.png"))
    rows = {row["router"]: row for row in table_of(folder, "val/results")}
    assert rows["router"]["AIQ"] == f"{aiq:.3f}".removeprefix("0")
    assert {"oracle", "zero_router"} <= rows.keys()
    points = [row for row in table_of(folder, "val/frontier_points") if row["router"] == "router"]
    assert all(np.diff([row[column] for row in points]).min() >= 0 for column in list(points[0])[1:])


def test_a_network_logs_every_epoch_and_ends_with_the_saved_router(tmp_path):
    aiq = run(train, "train", tmp_path, *QUICK, "router=mlp", "logger=wandb", "trainer.max_epochs=4")
    logged = OfflineRun(tmp_path)
    epochs = [row["epoch"] for row in logged.history if "val/loss" in row]
    assert epochs == [0, 1, 2, 3]
    assert len(logged.values("train/loss")) == 4
    *each_epoch, saved = logged.values("val/aiq")
    assert len(each_epoch) == 4
    assert saved == aiq == logged.summary["val/aiq"]
    assert len(routers_of(logged)) == 1


def test_the_frozen_stage_of_finetune_logs_apart(tmp_path):
    write_bert(tmp_path / "bert", make_world(300, seed=0).table.prompts)
    encoder = ["encoder=huggingface", f"encoder.name={tmp_path / 'bert'}", "encoder.device=cpu"]
    tuning = ["finetune=full", "finetune.max_epochs=2", "trainer.max_epochs=3", "logger=wandb"]
    aiq = run(train, "train", tmp_path / "run", QUICK[0], *QUICK[4:], *encoder, *tuning)
    logged = OfflineRun(tmp_path / "run")
    assert len(logged.values("frozen/val/aiq")) == 3
    *each_epoch, saved = logged.values("val/aiq")
    assert len(each_epoch) == 3, "of the frozen router, and of two epochs"
    assert saved == aiq
    assert "encoder/model.safetensors" in routers_of(logged)[0][1]


def test_fits_of_an_experiment_share_one_run_and_overwrite_nothing(tmp_path):
    routers = ["experiment.routers=[constant,mlp]", "experiment.seeds=[0,1]", "experiment.resamples=20"]
    run(train, "train", tmp_path, *QUICK, "experiment=leaderboard", *routers, "logger=wandb")
    logged = OfflineRun(tmp_path)
    losses = {key: logged.values(key) for row in logged.history for key in row if key.endswith("train/loss")}
    assert len(losses) == 2, "one per seed of the mlp"
    assert all(key.startswith("fits/") and len(values) == 1 for key, values in losses.items())
    assert "val/aiq" not in logged.summary
    assert "mlp" in logged.summary["verdict"]
    assert list(tmp_path.rglob("media/images/leaderboard_*.png"))
    assert list(tmp_path.rglob("media/html/report_*.html"))


def test_an_evaluation_tells_figures_verdict_report_and_call_shares(knn, tmp_path):
    folder = tmp_path / "evaluation"
    run(evaluate, "evaluate", folder, f"routers=[{knn[0] / 'router'}]", "resamples=20", "logger=wandb")
    logged, metrics = OfflineRun(folder), json.loads((folder / "metrics.json").read_text())
    for group in ("routers", "references"):
        for name, figures in metrics[group].items():
            assert logged.summary[f"test/aiq/{name}"] == figures["aiq"]["value"]
    assert logged.summary["verdict"].startswith("knn keeps ")
    assert [(name, card["name"]) for name, _, card in routers_of(logged)] == [("router-knn", "knn")]
    assert list(folder.rglob("media/images/test/frontier_*.png"))
    assert list(folder.rglob("media/html/report_*.html"))
    shares = table_of(folder, "test/call_shares")
    models = list(shares[0])[2:]
    assert [sum(row[model] for model in models) for row in shares] == pytest.approx([1.0] * len(shares))
    assert (shares[0]["lambda"], shares[-1]["lambda"]) == ("0", "inf")
    predicted = pq.read_table(folder / "predictions" / "knn.parquet")
    cost = np.stack([predicted[f"{model}|total_cost"].to_numpy() for model in models], axis=1)
    cheapest = np.bincount(cost.argmin(axis=1), minlength=len(models)) / len(cost)
    assert [shares[0][model] for model in models] == pytest.approx(cheapest.tolist())
    quality = np.stack([predicted[model].to_numpy() for model in models], axis=1)
    best = np.where(quality == quality.max(axis=1, keepdims=True), cost, np.inf).argmin(axis=1)
    assert [shares[-1][model] for model in models] == pytest.approx(
        (np.bincount(best, minlength=len(models)) / len(cost)).tolist()
    )


def test_a_table_without_cost_tells_what_it_can(tmp_path):
    import pyarrow as pa

    table = make_world(200, seed=5).table
    columns = {"prompt": list(table.prompts)} | dict(zip(table.models, table.quality.T, strict=True))
    pq.write_table(pa.table(columns), tmp_path / "free.parquet")
    data = ("data=table", f"data.path={tmp_path / 'free.parquet'}")
    aiq = run(train, "train", tmp_path / "run", *data, *QUICK[1:], "router=knn", "logger=wandb")
    assert OfflineRun(tmp_path / "run").summary["val/aiq"] == aiq
    assert not list((tmp_path / "run").rglob("call_shares*"))


def test_a_mistake_makes_a_failed_run(tmp_path):
    with pytest.raises(SystemExit, match=r"nowhere\.csv"):
        run(train, "train", tmp_path, *QUICK[1:], "data=table", "data.path=nowhere.csv", "logger=wandb")
    assert OfflineRun(tmp_path).exit_code == 1


def test_runs_of_one_process_follow_each_other(tmp_path):
    """As with ``-m``."""
    for seed in (0, 1):
        run(train, "train", tmp_path / str(seed), *QUICK, "router=knn", "logger=wandb", f"seed={seed}")
    assert [OfflineRun(tmp_path / str(seed)).config["seed"] for seed in (0, 1)] == [0, 1]


def test_disabled_leaves_no_trace(tmp_path, mode):
    mode("disabled")
    assert run(train, "train", tmp_path, *QUICK, "router=mlp", "logger=wandb") > 0
    assert not list(tmp_path.rglob("run-*.wandb"))


@pytest.mark.parametrize(
    ("option", "message"),
    [("seed=0", "No API key configured.*logger.offline=true"), ("+logger.tag=x", "'tag'")],
)
def test_no_key_or_a_wrong_option_is_one_line(option, message, tmp_path, monkeypatch, mode):
    mode("online")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit, match=message) as stop:
        run(train, "train", tmp_path / "run", *QUICK, "router=knn", "logger=wandb", option)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "run" / "router").exists()


def test_offline_is_an_option_of_the_command_line(tmp_path, mode):
    mode(None)
    run(train, "train", tmp_path, *QUICK, "router=knn", "logger=wandb", "logger.offline=true")
    assert OfflineRun(tmp_path).exit_code == 0


DISTRIBUTED = {"finetune": {"max_epochs": 1}, "trainer": {"strategy": "ddp", "devices": 2}}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Of a program that tells W&B, in an environment without ranks."""
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "")  # what the program changes is undone after the test, too
        monkeypatch.delenv(name)
    logger = {"_target_": "routerbench.tracking.fit_logger", "save_dir": str(tmp_path), "project": "p"}
    return {"logger": logger, "output_dir": str(tmp_path)}


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_only_the_first_process_of_a_training_opens_a_run(rank, config, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv(rank, "1")
    with tracked(config | DISTRIBUTED, "train") as tracker:
        assert tracker.run is None
    assert not list(tmp_path.iterdir())
    assert caplog.messages == ["logger=wandb: this is process 1 of a training; only process 0 tells W&B of it"]


def test_tasks_of_slurm_that_do_not_train_together_have_a_run_each(tmp_path):
    """As of ``srun -n4 wandb agent ...``; in a new process, as Lightning reads the rank when it is imported."""
    words = (*QUICK, "router=mlp", "logger=wandb", "trainer.max_epochs=2", f"hydra.run.dir={tmp_path}")
    command = [sys.executable, "train.py", *words, f"cache_dir={tmp_path / 'cache'}"]
    environment = os.environ | {"SLURM_PROCID": "1", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    logged = OfflineRun(tmp_path)
    assert [row["epoch"] for row in logged.history if "val/loss" in row] == [0, 1], "Lightning's logger tells, too"
    assert len(routers_of(logged)) == 1


def test_the_card_of_an_artifact_names_no_place_of_this_machine(knn):
    folder, _ = knn
    artifact = _artifact(routerbench.load(folder / "router"))
    text = Path(artifact.manifest.entries["README.md"].local_path).read_text()
    assert 'routerbench.load("DIR")' in text
    assert str(folder) not in text


def test_wandb_stays_out_of_other_runs(tmp_path):
    """A network with logger=csv, and an evaluation without a logger."""
    script = (
        "import pathlib, sys, train, evaluate; from tests.test_entry_points import run, QUICK\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "run(train, 'train', folder, *QUICK, 'router=mlp')\n"
        "run(evaluate, 'evaluate', folder, f'routers=[{folder}/router]', 'resamples=0', 'baselines=[]')\n"
        "print('lightning' in sys.modules, 'wandb' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["True", "False"]
