"""Adding a model to a fitted router from k scored prompts."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.families.onboarding import shrunk_mean
from routerbench.routers.knn import PRIOR_NEIGHBORS, KNNRouter
from tests.conftest import make_examples


def scored(num_prompts, seed=11):
    """Prompts with the outcomes of a new model that is good where the first coordinate is positive."""
    examples = make_examples(num_prompts, seed)[0]
    quality = (examples.embeddings[:, 0] > 0).astype(float)
    return examples.embeddings, quality, np.linspace(1e-3, 2e-3, num_prompts)


def fitted(make, train, val):
    router = make()
    router.fit(train, val, lambda prediction, table: 0.0)
    return router


MAKERS = {
    "constant": lambda: ConstantRouter(8, 3),
    "knn": lambda: KNNRouter(8, 3, [25], ["uniform"]),
    "knn by cosine": lambda: KNNRouter(8, 3, [25], ["cosine"]),
}


def test_a_shrunk_mean_by_hand():
    # within: mean of .24 and .24; between: variance of .4 and .6 about .5, divided by 1, .02; 8 scores.
    trust = 0.02 / (0.02 + 0.24 / 8)
    assert shrunk_mean(np.array([1.0] * 6 + [0.0] * 2), np.array([0.4, 0.6])) == pytest.approx(
        trust * 0.75 + (1 - trust) * 0.5
    )
    assert shrunk_mean(np.ones(10), np.array([0.5, 0.5])) == 0.5  # models do not differ
    assert shrunk_mean(np.array([0.0, 0.5]), np.array([1.0, 1.0])) == 0.25  # nothing is known of chance


def test_a_shrunk_mean_errs_less_than_a_plain_one_where_scores_are_few():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(400):
        *known, truth = rng.beta(6, 4, size=9)
        scores = (rng.random(10) < truth).astype(float)
        errors.append([shrunk_mean(scores, np.array(known)) - truth, scores.mean() - truth])
    shrunk, plain = (np.array(errors) ** 2).mean(axis=0)
    assert shrunk < 0.75 * plain


@pytest.mark.parametrize("name", MAKERS)
def test_the_new_model_is_the_last_and_the_others_stay_as_they_were(name, train, val):
    router = fitted(MAKERS[name], train, val)
    before = router.predict(val.embeddings)
    router.add_model(*scored(40))
    router.add_model(*scored(15, seed=12))
    after = router.predict(val.embeddings)
    assert router.num_models == 5
    assert after.quality.shape == after.cost.shape == (len(val.table), 5)
    np.testing.assert_array_equal(after.quality[:, :3], before.quality)
    np.testing.assert_array_equal(after.cost[:, :3], before.cost)
    assert ((after.quality[:, 3:] >= 0) & (after.quality[:, 3:] <= 1)).all()
    assert ((after.cost[:, 3:] >= 1e-3) & (after.cost[:, 3:] <= 2e-3)).all()


@pytest.mark.parametrize("name", MAKERS)
def test_arrays_restore_a_grown_router(name, train, val):
    router = fitted(MAKERS[name], train, val)
    router.add_model(*scored(40))
    twin = MAKERS[name]()
    twin.num_models = router.num_models
    twin.load_arrays(router.arrays())
    for ours, theirs in zip(router.predict(val.embeddings)[:2], twin.predict(val.embeddings)[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_constant_expects_the_shrunk_mean(train, val):
    router = fitted(MAKERS["constant"], train, val)
    embeddings, quality, cost = scored(12)
    router.add_model(embeddings, quality, cost)
    prediction = router.predict(val.embeddings[:1])
    assert prediction.quality[0, 3] == shrunk_mean(quality, train.table.quality.mean(axis=0))
    assert prediction.cost[0, 3] == pytest.approx(cost.mean())


@pytest.mark.parametrize("weighting", ["uniform", "cosine"])
def test_knn_agrees_with_brute_force(weighting, train, val):
    """The scored prompts inside the ball of the 25 nearest train prompts, with 20 neighbours of the overall mean."""
    router = fitted(lambda: KNNRouter(8, 3, [25], [weighting]), train, val)
    models = [scored(60), scored(400, seed=12)]
    means = list(train.table.quality.mean(axis=0))
    for model in models:
        router.add_model(*model)
        means.append(shrunk_mean(model[1], np.array(means)))
    prediction = router.predict(val.embeddings[:40])
    unit = train.embeddings / np.linalg.norm(train.embeddings, axis=1, keepdims=True)
    num_inside = 0
    for i, query in enumerate(val.embeddings[:40]):
        query = query / np.linalg.norm(query)
        radius = np.sort(unit @ query)[-25]
        for m, (embeddings, quality, cost) in enumerate(models):
            similarity = embeddings @ query / np.linalg.norm(embeddings, axis=1)
            inside = [j for j in range(len(quality)) if similarity[j] >= radius]
            weights = [1.0 if weighting == "uniform" else max(similarity[j], 1e-6) for j in inside] + [PRIOR_NEIGHBORS]
            expected = np.average([*quality[inside], means[3 + m]], weights=weights)
            assert prediction.quality[i, 3 + m] == pytest.approx(expected, rel=1e-5)
            assert prediction.cost[i, 3 + m] == pytest.approx(np.average([*cost[inside], cost.mean()], weights=weights))
            num_inside += len(inside)
    assert num_inside > 100


def test_knn_learns_where_the_new_model_is_good(train, val):
    router = fitted(MAKERS["knn"], train, val)
    router.add_model(*scored(1000))
    quality = router.predict(val.embeddings).quality[:, 3]
    is_good = val.embeddings[:, 0] > 0
    assert quality[is_good].mean() > 0.1 + quality[~is_good].mean()


def test_a_router_without_cost_takes_a_model_without_cost(train, val):
    blind = Examples(replace(train.table, cost=np.full_like(train.table.cost, np.nan)), train.embeddings)
    for make in MAKERS.values():
        router = fitted(make, blind, val)
        embeddings, quality, cost = scored(10)
        router.add_model(embeddings, quality, np.full_like(cost, np.nan))
        assert np.isnan(router.predict(val.embeddings).cost).all()
        assert np.isfinite(router.predict(val.embeddings).quality).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, q, c: (e[:0], q[:0], c[:0]), "from k > 0 prompts"),
        (lambda e, q, c: (e, q[:4], c), "5 embeddings, 4 qualities and 5 costs"),
        (lambda e, q, c: (e, q + 1, c), r"in \[0, 1\]"),
        (lambda e, q, c: (e, np.where(q == q, np.nan, q), c), "must be known"),
        (lambda e, q, c: (e, q, -c), "cost of an added model"),
        (lambda e, q, c: (e, q, np.append(c[:4], np.nan)), "all known or all NaN"),
    ],
)
def test_refuses_what_it_cannot_learn_from_and_stays_as_it_was(change, message, train, val):
    router = fitted(MAKERS["knn"], train, val)
    with pytest.raises(ValueError, match=message):
        router.add_model(*change(*scored(5)))
    assert router.num_models == router.predict(val.embeddings[:2]).quality.shape[1] == 3
