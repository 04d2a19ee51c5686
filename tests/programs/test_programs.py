"""The programs behind the entry points, called from Python with objects only: no config, no Hydra, no tracker."""

import subprocess
import sys
from dataclasses import replace

import pytest

import routerbench
from routerbench.adjustment import Adjustment
from routerbench.artefact.card import Configuration
from routerbench.data.demo import load
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.experiments.base import Recipe, Recipes
from routerbench.experiments.baselines import BASELINES
from routerbench.experiments.leaderboard import Leaderboard
from routerbench.experiments.train_size import TrainSize
from routerbench.online.linucb import LinUCB
from routerbench.online.replay import Replay
from routerbench.programs.evaluate import Protocol, evaluate_routers, table_of
from routerbench.programs.experiment import run_experiment
from routerbench.programs.online import run_online
from routerbench.programs.train import train
from routerbench.routers.linear import LinearRouter
from routerbench.tracking import Tracker
from routerbench.training.closed_form import ClosedForm

ENCODER = HashingEncoder(dim=16)
RECORDED = Configuration({"_target_": "routerbench.data.demo.load", "num_prompts": 300}, {"note": "none"})


@pytest.fixture(scope="module")
def table():
    return load(num_prompts=300)


@pytest.fixture
def common(tmp_path):
    return {"store": EmbeddingStore(tmp_path / "cache"), "folder": tmp_path, "tracker": Tracker(None)}


def trained(table, common):
    router = LinearRouter(16, table.num_models, [10.0])
    parts = router, ClosedForm(), Adjustment("auto", 0.0)
    return train(table, ENCODER, *parts, configuration=RECORDED, **common)


def test_a_router_is_trained_saved_and_evaluated(table, common, tmp_path):
    val_aiq = trained(table, common)
    router = routerbench.load(tmp_path / "router")
    assert router.card["validation"] == {"val/aiq": val_aiq}
    assert router.card["data"] == {
        "config": RECORDED.data,
        "digest": table.digest(),
        "split_digest": table.split_digest(),
    }
    assert router.card["training"] == RECORDED.training
    assert table_of([router, router]).digest() == table.digest()
    learned = [*table.part("train").prompts, *table.part("val").prompts]
    assert set(router.seen.tolist()) == set(prompt_keys(learned).tolist())

    protocol = Protocol(baselines=["knn"], resamples=10)
    evaluation = evaluate_routers([router], table, protocol, policies={}, decliners={}, **common)
    assert list(evaluation.routers) == ["linear"]
    assert {"knn", "oracle"} <= evaluation.references.keys()
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.0}, "keep is a share"),
        ({"keep": 1.5}, "keep is a share"),
        ({"budget_usd_per_1k": 0}, "budget_usd_per_1k must be above 0"),
        ({"resamples": -1}, "resamples must be at least 0"),
    ],
)
def test_a_protocol_refuses_what_it_cannot_do(options, message):
    with pytest.raises(InputError, match=message):
        Protocol(**options)


def test_a_router_that_learned_from_all_test_prompts_is_refused(table, common, tmp_path):
    trained(table, common)
    router = replace(routerbench.load(tmp_path / "router"), seen=prompt_keys(table.prompts))
    with pytest.raises(InputError, match="a router learned from every test prompt"):
        evaluate_routers([router], table, Protocol(), policies={}, decliners={}, **common)


def recipes():
    def compose(name, options):
        return Recipe(lambda train, val, seed, label: BASELINES[name](train, val, label), draws=False)

    return Recipes("linear", BASELINES["linear"], [], ["linear", "knn"], compose)


@pytest.mark.parametrize(
    ("experiment", "name"),
    [(TrainSize([0.5, 1.0]), "experiment"), (Leaderboard(None, [0], 20, None), "leaderboard")],
    ids=["train_size", "leaderboard"],
)
def test_an_experiment_ends_in_a_page_and_a_picture(table, common, tmp_path, experiment, name):
    run_experiment(experiment, recipes(), table, ENCODER, seed=0, **common)
    assert (tmp_path / f"{name}.md").read_text().startswith("# ")
    assert (tmp_path / f"{name}.png").is_file()
    assert (tmp_path / "report.html").is_file()


def test_a_leaderboard_refuses_one_chosen_router(table, common):
    chosen = recipes()._replace(typed=["router=knn"])
    with pytest.raises(InputError, match="router=knn: a leaderboard takes"):
        run_experiment(Leaderboard(None, [0], 0, None), chosen, table, ENCODER, seed=0, **common)


def test_a_bandit_is_replayed_and_saved(table, common, tmp_path):
    bandit = LinUCB(16, table.num_models, dim=4, spread=0.05, ridge=1.0, decay=1.0, alpha=0.3)
    replay = Replay(bandit, num_orders=1, willingness_to_pay=None)
    val_aiq = run_online(replay, "linucb", table, ENCODER, seed=0, configuration=RECORDED, **common)
    router = routerbench.load(tmp_path / "router")
    assert router.card["validation"] == {"val/aiq": val_aiq}
    assert router.card["training"]["online"]["willingness_to_pay"] > 0
    assert (tmp_path / "online.md").is_file()


def test_no_hydra_below_the_entry_points():
    modules = ", ".join(f"routerbench.programs.{name}" for name in ("train", "experiment", "online", "evaluate"))
    script = f"import sys, {modules}; print({{'hydra', 'omegaconf', 'torch', 'lightning'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
