import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.avengers import AvengersRouter, nearest_shares
from routerbench.routers.constant import ConstantRouter
from tests.conftest import make_examples

OPTIONS = {"num_clusters": 8, "num_nearest": 2, "beta": 6.0, "score": "mean", "seed": 0}


def fitted(train, val, **options):
    router = AvengersRouter(8, 3, **(OPTIONS | options))
    router.fit(train, val, validation_aiq)
    return router


def test_the_published_shares():
    np.testing.assert_allclose(nearest_shares(np.array([[0.1, 0.2]]), 2, 6.0), [[0.645656, 0.354344]], atol=1e-6)
    assert nearest_shares(np.array([[0.3, 0.1, 0.2]]), 1, 6.0).tolist() == [[0, 1, 0]]


def test_predictions_are_mixtures_of_the_nearest_clusters(train, val):
    router = fitted(train, val)
    clusters, embedding = router.clusters, val.embeddings[0]
    distance = 1 - clusters.centroids @ embedding / np.linalg.norm(embedding)
    near = np.argsort(distance)[:2]
    weight = np.exp(-6.0 * distance[near])
    expected = weight / weight.sum() @ clusters.quality[near]
    np.testing.assert_allclose(router.predict(val.embeddings[:1]).quality[0], expected, rtol=1e-5)


def test_ranks_add_up_as_the_paper_has_it(train, val):
    prediction = fitted(train, val, score="rank", num_nearest=1).predict(val.embeddings)
    assert prediction.scale == "ranking"
    np.testing.assert_allclose(
        np.sort(prediction.quality, axis=1), np.tile([1 / 3.1, 1 / 2.1, 1 / 1.1], (len(val.table), 1))
    )
    means = fitted(train, val, num_nearest=1).predict(val.embeddings)
    np.testing.assert_array_equal(prediction.quality.argmax(axis=1), means.quality.argmax(axis=1))


def test_a_model_joins_from_scored_prompts(train, val):
    router = fitted(train, val)
    before = router.predict(val.embeddings)
    router.add_model(train.embeddings[:200], train.table.quality[:200, 0], train.table.cost[:200, 0])
    after = router.predict(val.embeddings)
    np.testing.assert_array_equal(after.quality[:, :3], before.quality)
    assert np.corrcoef(after.quality[:, 3], before.quality[:, 0])[0, 1] > 0.5


def test_routes_better_than_the_means(train, val):
    test = make_examples(1000, seed=3)[0]
    constant = ConstantRouter(8, 3)
    constant.fit(train, val, validation_aiq)
    better, means = (validation_aiq(r.predict(test.embeddings), test.table) for r in (fitted(train, val), constant))
    assert better > means + 0.03


@pytest.mark.parametrize("options", [{"num_clusters": []}, {"num_nearest": 0}, {"beta": -1.0}, {"score": "best"}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.(num_clusters|score)"):
        AvengersRouter(8, 3, **(OPTIONS | options))
