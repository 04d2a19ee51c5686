"""What every router of the package must do; found by globbing ``conf/router``."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.knn import KNNRouter
from routerbench.routers.linear import LinearRouter
from routerbench.routers.mlp import MLPRouter


def fitted(router, train, val):
    if hasattr(router, "fit"):
        router.fit(train, val, lambda prediction, table: 0.0)
    else:
        router.prepare(train)
    return router


ROUTERS = {
    "constant": lambda: ConstantRouter(8, 3),
    "knn": lambda: KNNRouter(8, 3, [5], ["uniform"]),
    "linear": lambda: LinearRouter(8, 3, [1, 100]),
    "mlp": lambda: MLPRouter(8, 3, hidden=[16], dropout=0.1),
}


@pytest.mark.parametrize("name", ROUTERS)
def test_arrays_restore_the_predictions(name, train, val):
    router = fitted(ROUTERS[name](), train, val)
    twin = ROUTERS[name]()
    twin.load_arrays(router.arrays())
    for ours, theirs in zip(router.predict(val.embeddings)[:2], twin.predict(val.embeddings)[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ROUTERS)
def test_predicts_any_number_of_prompts(name, train, val):
    router = fitted(ROUTERS[name](), train, val)
    whole = router.predict(val.embeddings)
    assert whole.quality.shape == whole.cost.shape == (len(val.table), 3)
    assert ((whole.quality >= 0) & (whole.quality <= 1)).all()
    assert (whole.cost >= 0).all()
    np.testing.assert_allclose(router.predict(val.embeddings[:1]).quality[0], whole.quality[0], atol=1e-6)
    assert router.predict(val.embeddings[:0]).quality.shape == (0, 3)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_table_without_cost_gives_quality_and_no_cost(name, train, val):
    def without_cost(examples):
        return Examples(replace(examples.table, cost=np.full_like(examples.table.cost, np.nan)), examples.embeddings)

    prediction = fitted(ROUTERS[name](), without_cost(train), without_cost(val)).predict(val.embeddings)
    assert np.isfinite(prediction.quality).all()
    assert np.isnan(prediction.cost).all()


def test_constant_predicts_the_means_of_what_was_observed(train, val):
    quality = train.table.quality.copy()
    quality[::2, 1] = np.nan
    router = ConstantRouter(8, 3)
    router.fit(Examples(replace(train.table, quality=quality), train.embeddings), val, lambda prediction, table: 0.0)
    expected = [quality[:, 0].mean(), quality[1::2, 1].mean(), quality[:, 2].mean()]
    np.testing.assert_allclose(router.predict(val.embeddings).quality, np.tile(expected, (len(val.table), 1)))


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_a_column_that_is_constant_on_train_cannot_drown_the_others(name, train, val):
    dead = train.embeddings.copy()
    dead[:, 3] = 0
    router = fitted(ROUTERS[name](), Examples(train.table, dead), val)
    prediction = router.predict(val.embeddings)
    assert np.isfinite(prediction.cost).all()
    assert (prediction.cost < 100 * train.table.cost.max(axis=0)).all()
