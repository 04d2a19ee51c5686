from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.families.neighbors import Memory
from routerbench.routers.knn import KNNRouter
from tests.conftest import make_examples


def brute_force(train, queries, k, weighting):
    """Mean outcomes of the k most similar prompts, one query and one model at a time."""
    unit = train.embeddings / np.linalg.norm(train.embeddings, axis=1, keepdims=True)
    out = np.empty((2, len(queries), train.table.num_models))
    for i, query in enumerate(queries / np.linalg.norm(queries, axis=1, keepdims=True)):
        similarity = unit @ query
        nearest = np.argsort(-similarity, kind="stable")[:k]
        weight = np.ones(len(nearest)) if weighting == "uniform" else np.maximum(similarity[nearest], 1e-6)
        for j, cells in enumerate((train.table.quality, train.table.cost)):
            for m in range(train.table.num_models):
                known = np.isfinite(cells[nearest, m])
                if known.any():
                    out[j, i, m] = np.average(cells[nearest, m][known], weights=weight[known])
                else:
                    out[j, i, m] = np.nanmean(cells[:, m])
    return out


@pytest.mark.parametrize("weighting", ["uniform", "cosine"])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_agrees_with_brute_force_with_missing_cells(train, val, k, weighting):
    small = Examples(train.table.take(np.arange(60)), 5 * train.embeddings[:60])  # scale must not matter
    quality, cost = small.table.quality.copy(), small.table.cost.copy()
    rng = np.random.default_rng(0)
    quality[rng.random(quality.shape) < 0.5] = np.nan
    cost[rng.random(cost.shape) < 0.5] = np.nan
    small = Examples(replace(small.table, quality=quality, cost=cost), small.embeddings)
    router = KNNRouter(8, 3, [k], [weighting])
    router.fit(small, val, validation_aiq)
    prediction = router.predict(val.embeddings[:50])
    expected = brute_force(small, val.embeddings[:50], k, weighting)
    np.testing.assert_allclose([prediction.quality, prediction.cost], expected, rtol=1e-5)


def test_one_search_serves_all_candidates(train, val, monkeypatch):
    searches = []
    search = Memory.search
    monkeypatch.setattr(Memory, "search", lambda self, *args: searches.append(args[1]) or search(self, *args))
    KNNRouter(8, 3, [5, 50, 20], ["uniform", "cosine"]).fit(train, val, validation_aiq)
    assert searches == [50]


def test_chooses_by_the_score_on_validation(train, val):
    scores = {}
    for weighting in ("uniform", "cosine"):
        for k in (1, 10, 100):
            router = KNNRouter(8, 3, [k], [weighting])
            router.fit(train, val, validation_aiq)
            scores[weighting, k] = validation_aiq(router.predict(val.embeddings), val.table)
    router = KNNRouter(8, 3, [1, 10, 100], ["uniform", "cosine"])
    router.fit(train, val, validation_aiq)
    assert scores[router.chosen_weighting, router.chosen_neighbors] == max(scores.values())
    assert len(set(scores.values())) > 1


def test_more_neighbors_than_prompts_means_all_of_them(val):
    few = make_examples(12, seed=5)[0]
    router = KNNRouter(8, 3, [1000], ["uniform"])
    router.fit(few, val, validation_aiq)
    prediction = router.predict(val.embeddings)
    np.testing.assert_allclose(prediction.quality, np.tile(few.table.quality.mean(axis=0), (len(val.table), 1)))


@pytest.mark.parametrize(("k", "weighting"), [([], ["uniform"]), ([0], ["uniform"]), ([5], ["distance"]), ([5], [])])
def test_refuses_wrong_options(k, weighting):
    with pytest.raises(InputError, match=r"router\.(num_neighbors|weighting) must"):
        KNNRouter(8, 3, k, weighting)
