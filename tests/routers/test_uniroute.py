import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.uniroute import UniRouteRouter
from tests.conftest import make_examples


def fitted(train, val, num_clusters=8, features="kmeans"):
    router = UniRouteRouter(8, 3, num_clusters, features, seed=0)
    router.fit(train, val, validation_aiq)
    return router


def log_loss(router, examples):
    predicted, quality = router.predict(examples.embeddings).quality, examples.table.quality
    return -(quality * np.log(predicted) + (1 - quality) * np.log(1 - predicted)).mean()


def test_one_cluster_is_the_zero_router(train, val):
    constant = ConstantRouter(8, 3)
    constant.fit(train, val, validation_aiq)
    found, expected = (router.predict(val.embeddings) for router in (fitted(train, val, 1), constant))
    np.testing.assert_allclose(found.quality, expected.quality)
    np.testing.assert_allclose(found.cost, expected.cost)


def test_a_prompt_has_the_means_of_its_nearest_cluster(train, val):
    router = fitted(train, val)
    unit = val.embeddings / np.linalg.norm(val.embeddings, axis=1, keepdims=True)
    nearest = ((unit[:, None] - router.clusters.centroids) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_allclose(router.predict(val.embeddings).quality, router.clusters.quality[nearest])


def test_a_learned_map_predicts_better_than_the_clusters_it_starts_from(train, val):
    test = make_examples(2000, seed=3)[0]
    learned, hard = fitted(train, val, features="learned"), fitted(train, val)
    np.testing.assert_allclose(learned.membership(val.embeddings).sum(axis=1), 1, rtol=1e-5)
    assert log_loss(learned, test) < log_loss(hard, test) - 0.01


def test_how_many_clusters_is_chosen_by_the_score(train, val):
    counts = []
    router = UniRouteRouter(8, 3, [2, 4, 8], "kmeans", seed=0)
    router.fit(train, val, lambda prediction, table: -abs(len(counts.append(0) or counts) - 2))
    assert len(router.clusters.centroids) == 4


@pytest.mark.parametrize("features", ["kmeans", "learned"])
def test_a_model_joins_from_scored_prompts(train, val, features):
    router = fitted(train, val, features=features)
    before = router.predict(val.embeddings)
    router.add_model(train.embeddings[:300], train.table.quality[:300, 1], train.table.cost[:300, 1])
    after = router.predict(val.embeddings)
    np.testing.assert_array_equal(after.quality[:, :3], before.quality)
    assert np.corrcoef(after.quality[:, 3], before.quality[:, 1])[0, 1] > 0.5


@pytest.mark.parametrize(("num_clusters", "features"), [([], "kmeans"), (0, "kmeans"), (8, "soft")])
def test_refuses_wrong_options(num_clusters, features):
    with pytest.raises(InputError, match=r"router\.(num_clusters|features) must"):
        UniRouteRouter(8, 3, num_clusters, features, 0)
