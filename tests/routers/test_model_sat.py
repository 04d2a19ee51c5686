import copy

import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.families.clusters import Clusters
from routerbench.routers.model_sat import SHARPNESS, ModelSATRouter
from tests.conftest import make_examples
from tests.training.test_gradient import training

OPTIONS = {"num_clusters": 6, "hidden": 16, "dropout": 0.2, "seed": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, train, val):
    torch.manual_seed(0)
    router = ModelSATRouter(8, 3, **OPTIONS)
    training(tmp_path_factory.mktemp("sat"), epochs=15).fit(router, train, val)
    return router


def test_starts_from_what_the_capabilities_promise(train):
    router = ModelSATRouter(8, 3, **OPTIONS)
    router.prepare(train)
    clusters = Clusters.fit(train, 6, 0)
    cosine = clusters.similarity(train.embeddings[:5])
    member = np.exp(SHARPNESS * cosine) / np.exp(SHARPNESS * cosine).sum(axis=1, keepdims=True)
    prediction = router.predict(train.embeddings[:5])
    np.testing.assert_allclose(prediction.quality, member @ clusters.quality, rtol=1e-3)
    np.testing.assert_allclose(prediction.cost, member @ clusters.cost, rtol=1e-3)


def test_learns_more_than_the_promise(trained, train):
    test, quality, _ = make_examples(2000, seed=2)
    promise = ModelSATRouter(8, 3, **OPTIONS)
    promise.prepare(train)
    errors = [abs(router.predict(test.embeddings).quality - quality).mean() for router in (trained, promise)]
    assert errors[0] < errors[1] - 0.03


def test_nothing_belongs_to_one_model(trained):
    test = make_examples(50, seed=2)[0]
    before = trained.predict(test.embeddings)
    swapped = copy.deepcopy(trained)
    for name in ("capabilities", "costs", "mean_cost"):
        part = getattr(swapped, name)
        part[[0, 2]] = part[[2, 0]].clone()
    after = swapped.predict(test.embeddings)
    np.testing.assert_allclose(after.quality, before.quality[:, [2, 1, 0]], rtol=1e-5)


def test_a_model_joins_by_its_capabilities(trained, train):
    test = make_examples(500, seed=2)[0]
    before, grown = trained.predict(test.embeddings), copy.deepcopy(trained)
    grown.add_model(train.embeddings[:800], train.table.quality[:800, 1], train.table.cost[:800, 1])
    after = grown.predict(test.embeddings)
    np.testing.assert_allclose(after.quality[:, :3], before.quality, atol=1e-6)
    assert np.corrcoef(after.quality[:, 3], before.quality[:, 1])[0, 1] > 0.8
    twin = ModelSATRouter(8, 4, **OPTIONS)
    twin.load_arrays(grown.arrays())
    np.testing.assert_array_equal(twin.predict(test.embeddings).quality, after.quality)


@pytest.mark.parametrize("options", [{"num_clusters": 0}, {"hidden": 0}, {"dropout": 1.0}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.dropout in \[0, 1\)"):
        ModelSATRouter(8, 3, **(OPTIONS | options))
