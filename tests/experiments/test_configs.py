"""``conf/experiment`` builds the protocols, and the baselines have the options of ``conf/router``."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from routerbench.config.building import instantiate
from routerbench.data.outcomes import Parts
from routerbench.experiments import baselines
from routerbench.experiments.base import Experiment
from routerbench.experiments.leaderboard import Leaderboard
from routerbench.routers.knn import KNNRouter
from routerbench.routers.linear import LinearRouter
from tests.experiments.conftest import make_world

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_a_protocol_of_the_module_of_its_name(option):
    experiment = instantiate(OmegaConf.load(CONF / "experiment" / f"{option}.yaml"))
    assert isinstance(experiment, Leaderboard if option == "leaderboard" else Experiment)
    assert type(experiment).__module__ == f"routerbench.experiments.{option}"


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("option", sorted({*OPTIONS} - {"leaderboard"}))
def test_every_option_runs_with_the_baselines(option):
    config = OmegaConf.load(CONF / "experiment" / f"{option}.yaml")
    if option == "new_models":
        config.num_prompts = [10, 30]
    fits = baselines.with_baselines("linear", baselines.with_baselines("-", None)["linear"])
    study = instantiate(config).run(fits, Parts.of(*make_world(num_models=3)), np.random.default_rng(0))
    assert study.routers == ("linear", "knn")
    assert all(scored.aiq.value is not None for scored in study.evaluation.routers.values())


def test_the_baselines_are_those_of_the_command_line():
    train, val = (examples_of(split) for split in ("train", "val"))
    for name, kind in (("knn", KNNRouter), ("linear", LinearRouter)):
        router = baselines.with_baselines("mlp", None)[name](train, val, "")
        config = OmegaConf.to_container(OmegaConf.load(CONF / "router" / f"{name}.yaml"))
        assert config.pop("_target_").endswith(kind.__name__)
        config.pop("defaults")
        assert {option: getattr(router, option) for option in config} == config


def test_a_chosen_router_takes_the_place_of_the_baseline_of_its_name():
    def mine(train, val, label):
        raise AssertionError

    assert list(baselines.with_baselines("mlp", mine)) == ["mlp", "knn", "linear"]
    assert baselines.with_baselines("knn", mine)["knn"] is mine
    assert list(baselines.with_baselines("knn", mine)) == ["knn", "linear"]


def examples_of(split):
    return getattr(Parts.of(*make_world(num_models=3)), split)
