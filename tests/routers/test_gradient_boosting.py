from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.gradient_boosting import EVERY, GradientBoostingRouter
from tests.conftest import make_examples

OPTIONS = {
    "num_trees": 80,
    "learning_rate": 0.1,
    "max_leaves": 8,
    "subsample": 1.0,
    "max_features": 1.0,
    "patience": 80,
    "seed": 0,
}


def fitted(train, val, score=validation_aiq, **options):
    router = GradientBoostingRouter(8, 3, **(OPTIONS | options))
    router.fit(train, val, score)
    return router


def test_for_one_target_it_is_scikit_learns_boosting(train, val):
    quality = np.repeat(train.table.quality[:, :1], 3, axis=1)
    same = Examples(replace(train.table, quality=quality), train.embeddings)
    scores = iter(range(100))
    ours = fitted(same, val, lambda prediction, table: next(scores)).predict(val.embeddings).quality
    model = GradientBoostingRegressor(n_estimators=80, max_leaf_nodes=8, min_samples_leaf=20, max_depth=None)
    expected = model.fit(train.embeddings, quality[:, 0]).predict(val.embeddings).clip(0, 1)
    np.testing.assert_allclose(ours, np.repeat(expected[:, None], 3, axis=1), atol=0.03)


def test_learns_the_quality_of_a_known_world(train, val):
    test, quality, _ = make_examples(2000, seed=2)
    assert abs(fitted(train, val, subsample=0.5).predict(test.embeddings).quality - quality).mean() < 0.15


def test_keeps_the_trees_up_to_the_best_on_validation(train, val):
    values = iter([0.0, 1.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    seen = []
    router = fitted(train, val, lambda prediction, table: seen.append(prediction) or next(values), patience=2 * EVERY)
    assert len(router.trees.root) == 2 * EVERY
    assert len(seen) == 6  # the start, and until more than 20 trees brought nothing
    np.testing.assert_allclose(router.predict(val.embeddings).quality, seen[2].quality, atol=1e-5)


def test_validation_may_prefer_no_tree_at_all(train, val):
    values = iter(range(0, -100, -1))
    router = fitted(train, val, lambda prediction, table: next(values), patience=0)
    np.testing.assert_allclose(
        router.predict(val.embeddings).quality, np.tile(train.table.quality.mean(axis=0), (len(val.table), 1))
    )


@pytest.mark.parametrize("options", [{"num_trees": 0}, {"max_leaves": 1}, {"subsample": 0.0}, {"learning_rate": 2.0}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.\w+ must"):
        GradientBoostingRouter(8, 3, **(OPTIONS | options))
