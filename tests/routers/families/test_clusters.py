import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.routers.families.clusters import Clusters, one_hot, shrunken
from tests.conftest import make_examples, make_table


def blobs(num_prompts=300, seed=0):
    """Three directions; a model per direction is right there and wrong elsewhere."""
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=num_prompts)
    embeddings = (np.eye(3)[label] + 0.05 * rng.normal(size=(num_prompts, 3))).astype(np.float32)
    quality = np.eye(3)[label]
    cost = np.full((num_prompts, 3), 1e-3) * (1 + label[:, None])
    return Examples(make_table(quality, cost), embeddings), label


def test_finds_the_clusters_and_what_models_do_there():
    train, label = blobs()
    clusters = Clusters.fit(train, 3, seed=0)
    found = clusters.similarity(train.embeddings).argmax(axis=1)
    for direction in range(3):
        (cluster,) = np.unique(found[label == direction])
        count = (label == direction).sum()
        expected = (count * np.eye(3)[direction] + 20 * train.table.quality.mean(axis=0)) / (count + 20)
        np.testing.assert_allclose(clusters.quality[cluster], expected)
    np.testing.assert_allclose(np.linalg.norm(clusters.centroids, axis=1), 1, rtol=1e-5)


def test_the_same_seed_gives_the_same_clusters_and_few_prompts_as_many_as_there_are():
    train = make_examples(200, seed=0)[0]
    first, second = (Clusters.fit(train, 8, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.centroids, second.centroids)
    few = make_examples(3, seed=0)[0]
    assert len(Clusters.fit(few, 8, seed=0).centroids) == 3


def test_gaps_do_not_count():
    cells = np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 0.5]])
    member = one_hot(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    means = shrunken(member, cells, np.array([0.5, 0.5]))
    np.testing.assert_allclose(means, [[11 / 21, 0.5], [10 / 21, 10.5 / 21]])


@pytest.mark.parametrize("num_prompts", [5, 200])
def test_a_new_model_is_its_scores_where_it_has_many_and_what_is_usual_where_it_has_none(num_prompts):
    train, _ = blobs()
    clusters = Clusters.fit(train, 3, seed=0)
    easy = np.tile(np.float32([1, 0, 0]), (num_prompts, 1))
    grown = clusters.with_model(easy, np.ones(num_prompts), np.full(num_prompts, 5e-3))
    at = one_hot(clusters.similarity(np.eye(3, dtype=np.float32))) @ grown.quality
    np.testing.assert_array_equal(grown.quality[:, :3], clusters.quality)
    assert at[0, 3] > at[1, 3]
    assert at[0, 3] > (0.9 if num_prompts == 200 else 0.45)
    np.testing.assert_allclose(grown.cost[:, 3], 5e-3)
