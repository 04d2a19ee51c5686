import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.random_forest import RandomForestRouter
from tests.conftest import make_examples

OPTIONS = {"num_trees": 20, "max_depth": 8, "min_leaf": 5, "max_features": 0.5, "seed": 0}


def fitted(train, val, score=validation_aiq, **options):
    router = RandomForestRouter(8, 3, **(OPTIONS | options))
    router.fit(train, val, score)
    return router


def test_is_the_forest_of_scikit_learn(train, val):
    model = RandomForestRegressor(20, max_depth=8, min_samples_leaf=5, max_features=0.5, random_state=0)
    expected = model.fit(train.embeddings, train.table.quality).predict(val.embeddings)
    np.testing.assert_allclose(fitted(train, val).predict(val.embeddings).quality, expected, atol=1e-5)


def test_learns_the_quality_of_a_known_world(train, val):
    test, quality, _ = make_examples(2000, seed=2)
    assert abs(fitted(train, val).predict(test.embeddings).quality - quality).mean() < 0.17
    assert abs(train.table.quality.mean(axis=0) - quality).mean() > 0.25


def test_the_size_of_leaves_is_chosen_by_the_score(train, val):
    seen = []
    router = fitted(train, val, lambda prediction, table: seen.append(prediction) or -len(seen), min_leaf=[50, 1])
    np.testing.assert_array_equal(router.predict(val.embeddings).quality, seen[0].quality)


@pytest.mark.parametrize("options", [{"num_trees": 0}, {"max_depth": 0}, {"min_leaf": []}, {"max_features": 1.5}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.num_trees"):
        RandomForestRouter(8, 3, **(OPTIONS | options))
