"""Every file of ``conf/sweep``: W&B accepts it, and Hydra accepts what W&B's agent makes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from routerbench.config.building import instantiate, router_of, to_dict
from tests.offline_runs import OfflineRun

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "conf" / "sweep").glob("*.yaml"))
# docs.wandb.ai/guides/sweeps/sweep-config-keys
TOP = {"program", "method", "metric", "parameters", "command"}
OPTIONAL = {"early_terminate", "run_cap"}
DISTRIBUTIONS = {"uniform", "int_uniform", "log_uniform_values"}
MACROS = {"${env}", "${interpreter}", "${program}", "${args_no_hyphens}"}


def read(file):
    return yaml.safe_load(file.read_text())


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_file_says_what_wandb_documents(file):
    sweep = read(file)
    assert sweep.keys() >= TOP
    assert sweep.keys() <= TOP | OPTIONAL
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep["metric"] == {"name": "val/aiq", "goal": "maximize"}
    assert (ROOT / sweep["program"]).is_file()
    for name, parameter in sweep["parameters"].items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name)
        if "values" in parameter:
            assert parameter.keys() == {"values"}
            assert parameter["values"]
            assert None not in parameter["values"], "the agent would write 'None', a word to Hydra"
        else:
            assert sweep["method"] != "grid"
            assert parameter.keys() == {"distribution", "min", "max"}
            assert parameter["distribution"] in DISTRIBUTIONS
            assert is_number(parameter["min"]), "YAML reads 1e-4 as text"
            assert is_number(parameter["max"])
            assert parameter["min"] < parameter["max"]
            assert parameter["distribution"] != "log_uniform_values" or parameter["min"] > 0
    if "early_terminate" in sweep:
        band = sweep["early_terminate"]
        assert band.keys() == {"type", "min_iter", "eta"}
        assert band["type"] == "hyperband"
        assert band["min_iter"] >= 1
        assert band["eta"] > 1
    assert [word for word in sweep["command"] if word in MACROS] == list(
        ("${env}", "${interpreter}", "${program}", "${args_no_hyphens}")
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_hyperband_stops_what_logs_epochs_and_nothing_else(file):
    is_by_epochs = any(word in read(file)["command"] for word in ("router=mlp", "router=encoder"))
    assert ("early_terminate" in read(file)) == is_by_epochs


def draw(sweep, rng):
    """One point of a sweep, as the server sends it."""

    def value(parameter):
        if "values" in parameter:
            return parameter["values"][rng.integers(len(parameter["values"]))]
        low, high = parameter["min"], parameter["max"]
        if parameter["distribution"] == "int_uniform":
            return int(rng.integers(low, high + 1))
        if parameter["distribution"] == "uniform":
            return float(rng.uniform(low, high))
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return {name: {"value": value(parameter)} for name, parameter in sweep["parameters"].items()}


@pytest.fixture
def agent(monkeypatch, tmp_path):
    """What W&B's own agent would start, given a sweep, the run's id and its point: command line and environment."""
    from wandb import wandb_agent

    started = []
    monkeypatch.setattr(wandb_agent, "AgentProcess", lambda **options: started.append(options) or Started())
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "agent"))
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep5")
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):  # the agent sets them in its own environment
        monkeypatch.setenv(name, "")

    def start(sweep, run_id, point):
        runner = wandb_agent.Agent(api=None, queue=None, sweep_id="sweep5")
        runner._sweep_command = list(sweep["command"])
        runner._command_run({"run_id": run_id, "program": sweep["program"], "args": point})
        return started[-1]["command"], started[-1]["env"]

    return start


class Started:
    """Stands for the process that was not started."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_an_agent_would_run_composes(file, agent, tmp_path):
    sweep, rng, folders = read(file), np.random.default_rng(0), set()
    for run_id in ("run1", "run2"):
        point = draw(sweep, rng)
        (env, python, program, *words), _ = agent(sweep, run_id, point)
        assert (env, python, program) == ("/usr/bin/env", "python", "train.py")
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", words, return_hydra_config=True)
            folders.add(cfg.hydra.run.dir)
            choices = cfg.hydra.runtime.choices
            for name, parameter in point.items():
                found = choices[name] if name in choices else OmegaConf.select(cfg, name)
                assert (list(found) if OmegaConf.is_list(found) else found) == parameter["value"], name
            cfg = compose("train", [*words, f"output_dir={tmp_path}"])
        assert to_dict(cfg.logger)["_target_"] == "routerbench.tracking.fit_logger"
        router_of(cfg, 8, 3, tmp_path)  # refuses wrong options
        if cfg.finetune:
            instantiate(cfg.finetune)
    assert folders == {"outputs/sweep5/run1", "outputs/sweep5/run2"}


def test_two_agents_start_in_one_second_and_wandb_gets_every_epoch(agent, tmp_path):
    """Two points of the sweep over MLPs, small and offline, at once and with one cache."""
    sweep = read(ROOT / "conf" / "sweep" / "mlp.yaml")
    small = [
        "data.num_prompts=300",
        "encoder=hashing",
        "encoder.dim=32",
        "trainer.max_epochs=3",
        "trainer.accelerator=cpu",
    ]
    sweep["command"] += [*small, f"cache_dir={tmp_path / 'cache'}"]
    sweep["program"] = str(ROOT / "train.py")
    rng = np.random.default_rng(1)
    points = {run_id: draw(sweep, rng) for run_id in ("run1", "run2")}
    processes = []
    for run_id, point in points.items():
        command, env = agent(sweep, run_id, point)
        path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
        env |= {"WANDB_MODE": "offline", "PATH": path, "PYTHONPATH": str(ROOT)}
        places = {f"WANDB_{place}_DIR": str(tmp_path / "home") for place in ("DATA", "CACHE", "CONFIG")}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(command, cwd=tmp_path, env=env | places, **options))
    for process, (run_id, point) in zip(processes, points.items(), strict=True):
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        folder = tmp_path / "outputs" / "sweep5" / run_id
        logged = OfflineRun(folder)
        epochs = [row["epoch"] for row in logged.history if "val/aiq" in row and "epoch" in row]
        assert epochs == [0, 1, 2], "what hyperband counts"
        card = json.loads((folder / "router" / "router.json").read_text())
        assert logged.summary["val/aiq"] == card["validation"]["val/aiq"]
        assert card["router"]["arguments"]["hidden"] == point["router.hidden"]["value"]
        assert logged.config["training"]["optimizer"]["lr"] == point["training.optimizer.lr"]["value"]
        assert logged.config["training.optimizer.lr"] == point["training.optimizer.lr"]["value"], "the sweep's own word"
