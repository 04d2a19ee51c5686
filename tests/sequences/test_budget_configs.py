"""Options of budgets and abstention have the defaults of their classes, and can be combined."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

import routerbench.config  # noqa: F401 - registers the schema

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = [("budget", "port"), ("budget", "capacity"), ("budget", "tolerance"), ("abstention", "decline")]


@pytest.fixture(autouse=True)
def folder():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_an_option_is_its_class_as_it_comes(group, option):
    made = instantiate(compose("evaluate", [f"{group}={option}"])[group][option])
    assert type(made).__module__ == f"routerbench.sequences.{option}"
    assert made == type(made)()


def test_options_are_chosen_together_and_changed_one_by_one():
    config = compose("evaluate", ["budget=[port,capacity]", "budget.port.num_draws=2", "budget.capacity.capacity=0.3"])
    assert instantiate(config.budget.port).num_draws == 2
    assert instantiate(config.budget.capacity).capacity == 0.3


def test_capacities_by_name_of_the_model():
    config = compose("evaluate", ["budget=capacity", "budget.capacity.capacity={vendor/large-1.0: 0.2, small: 0.5}"])
    assert instantiate(config.budget.capacity).capacity == {"vendor/large-1.0": 0.2, "small": 0.5}
