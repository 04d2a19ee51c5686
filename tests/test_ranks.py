"""The rank of a process, from the environment variables of torchrun, Lightning and Slurm."""

import os

import pytest

from routerbench.ranks import correct_ranks, rank

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
SEVERAL = {"strategy": "ddp", "devices": 2}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*RANKS, "SLURM_NTASKS"):
        monkeypatch.setenv(name, "")  # what the program changes is undone after the test, too
        monkeypatch.delenv(name)
    return monkeypatch


def number(config):
    correct_ranks(config)
    return rank()


def test_a_rank_that_is_empty_is_none(environment):
    for name in RANKS:
        environment.setenv(name, "")
    assert number({}) == 0
    assert not set(RANKS) & set(os.environ)


@pytest.mark.parametrize("rank", RANKS)
def test_of_processes_that_train_together_each_has_its_number(rank, environment):
    environment.setenv(rank, "3")
    assert number({"finetune": {"max_epochs": 1}, "trainer": SEVERAL}) == 3


@pytest.mark.parametrize(
    "config",
    [{}, {"trainer": SEVERAL}, {"finetune": {"max_epochs": 1}, "trainer": {"devices": 1, "num_nodes": 1}}],
)
def test_tasks_of_slurm_that_train_alone_are_each_the_first(config, environment):
    environment.setenv("SLURM_PROCID", "3")
    environment.setenv("SLURM_NTASKS", "4")
    assert number(config) == 0
    assert (os.environ["SLURM_PROCID"], os.environ["SLURM_NTASKS"]) == ("0", "1")
