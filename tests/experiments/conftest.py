"""A small world with a split and benchmarks, and routers that record their training data."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.experiments import scoring
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.knn import KNNRouter
from tests.conftest import make_examples


def make_world(num_prompts=400, num_models=4, benchmarks=("a", "b-1", "b-2", "c")):
    """A table with its split, 50/20/30, and embeddings whose first column is the number of the prompt."""
    examples = make_examples(num_prompts, seed=3, num_models=num_models)[0]
    split = np.resize(np.array(["train"] * 5 + ["val"] * 2 + ["test"] * 3, dtype=object), num_prompts)
    benchmark = np.random.default_rng(1).choice(np.array(benchmarks, dtype=object), num_prompts)
    embeddings = examples.embeddings.copy()
    embeddings[:, 0] = np.arange(num_prompts)
    return replace(examples.table, split=split, benchmark=benchmark), embeddings


class Recorder:
    """A fit that keeps what it was given."""

    def __init__(self, make):
        self.make = make
        self.lessons = []

    def __call__(self, train, val, label):
        self.lessons.append((train, val, label))
        router = self.make(train)
        router.fit(train, val, lambda prediction, table: 0.0)
        return router


def constant():
    return Recorder(lambda train: ConstantRouter(train.embeddings.shape[1], train.table.num_models))


def knn():
    return Recorder(lambda train: KNNRouter(train.embeddings.shape[1], train.table.num_models, [10], ["uniform"]))


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr(scoring, "NUM_RESAMPLES", 40)
