from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.eagle import EagleRouter, circle, replay
from tests.conftest import make_table

OPTIONS = {"num_neighbors": [5, 20], "global_share": [0.0, 0.5, 1.0], "num_shuffles": 3, "seed": 0}


def battle(a, b, score):
    """Both new ratings by the textbook's formula."""
    expected = 1 / (1 + 10 ** ((b - a) / 400))
    return a + 32 * (score - expected), b - 32 * (score - expected)


def one_by_one(ratings, quality, rounds, places):
    """Every battle in sequence, for one replay."""
    ratings, after = list(ratings), []
    for turn in range(len(quality)):
        for pairs, starts in zip(rounds, places, strict=True):
            for (i, j), start in zip(pairs, starts, strict=True):
                x, y = quality[(int(start * len(quality)) + turn) % len(quality)][[i, j]]
                if np.isfinite(x) and np.isfinite(y):
                    score = 1.0 if x > y else 0.5 if x == y else 0.0
                    ratings[i], ratings[j] = battle(ratings[i], ratings[j], score)
        after.append(list(ratings))
    return np.array(after)


@pytest.mark.parametrize("num_models", [2, 3, 4, 5, 11])
def test_in_a_circle_every_two_models_meet_once_and_none_is_in_two_places(num_models):
    rounds = circle(num_models)
    met = [tuple(sorted(pair)) for pairs in rounds.tolist() for pair in pairs]
    assert sorted(met) == list(combinations(range(num_models), 2))
    assert all(len(set(pairs.ravel())) == pairs.size for pairs in rounds)


@pytest.mark.parametrize("num_models", [2, 5, 6])
def test_rounds_at_once_are_battles_in_sequence(num_models):
    rng = np.random.default_rng(0)
    quality = rng.integers(0, 3, size=(7, num_models, 4)) / 2
    quality[rng.random(quality.shape) < 0.3] = np.nan
    rounds = circle(num_models)
    places, start = rng.random(rounds.shape[:2]), rng.normal(1000, 100, size=(num_models, 4))
    history = replay(start, quality, rounds, places)
    for b in range(4):
        np.testing.assert_allclose(history[:, :, b], one_by_one(start[:, b], quality[:, :, b], rounds, places))


def test_every_pair_meets_on_every_prompt_whatever_its_place():
    """At ratings so far apart that nothing is gained by winning, only the upset of one prompt counts, once a pair."""
    quality = np.tile(np.array([2.0, 1.0, 0.0])[:, None], (5, 1, 1))
    quality[3] = quality[3][::-1]
    start = np.array([[1e5], [0.0], [-1e5]])
    rounds = circle(3)
    places = np.random.default_rng(0).random(rounds.shape[:2])
    gains = replay(start, quality, rounds, places)[-1] - start
    np.testing.assert_allclose(gains, [[-64], [0], [64]], atol=1e-6)


def test_a_draw_moves_the_stronger_down():
    history = replay(np.array([[1200.0], [1000.0]]), np.full((1, 2, 1), 0.7), circle(2), np.zeros((1, 1)))
    np.testing.assert_allclose(history[0, :, 0], battle(1200, 1000, 0.5))
    assert history[0, 0, 0] < 1200


def test_ratings_are_global_and_local_in_one_unit(train, val):
    """The router's scores, from battles one by one over the neighbours that a sort finds."""
    few = Examples(train.table.take(np.arange(40)), train.embeddings[:40])
    router = EagleRouter(8, 3, **OPTIONS | {"num_neighbors": 6, "global_share": 0.25})
    router.fit(few, val, validation_aiq)
    unit = few.embeddings / np.linalg.norm(few.embeddings, axis=1, keepdims=True)
    query = val.embeddings[0]
    nearest = np.argsort(-unit @ query)[:6]
    quality = few.table.quality
    local = one_by_one(router.rating, quality[nearest], router.rounds, router.places).mean(axis=0)
    level = quality.mean() + (quality - quality.mean(axis=0))[nearest].mean()
    expected = 0.25 * router.rating + 0.75 * local + 400 * np.log10(level / (1 - level))
    np.testing.assert_allclose(router.predict(val.embeddings[:1]).quality[0], expected, rtol=1e-6)
    assert np.ptp(local) > 20  # a mean quality in [0, 1] in place of a rating would be far less


def test_global_ratings_are_near_the_ratings_that_explain_all_battles():
    """Of two models, of which one wins 3 of 4 battles: 400 log10 3 = 191 points."""
    quality = np.zeros((4000, 2))
    quality[:3000, 0], quality[3000:, 1] = 1, 1
    examples = Examples(make_table(quality, np.ones((4000, 2))), np.ones((4000, 1), np.float32))
    router = EagleRouter(1, 2, **OPTIONS | {"num_neighbors": 1})
    router.fit(examples, examples, lambda *_: 0.0)
    assert router.rating[0] - router.rating[1] == pytest.approx(191, abs=15)
    assert router.rating.mean() == pytest.approx(1000)


def test_the_seats_follow_the_models(train, val):
    order = [2, 0, 1]

    def permuted(examples):
        models = [examples.table.models[i] for i in order]
        return Examples(examples.table.select_models(models), examples.embeddings)

    router, other = EagleRouter(8, 3, **OPTIONS), EagleRouter(8, 3, **OPTIONS)
    router.fit(train, val, validation_aiq)
    other.fit(permuted(train), permuted(val), validation_aiq)
    ours, theirs = router.predict(val.embeddings).quality, other.predict(val.embeddings).quality
    np.testing.assert_allclose(ours[:, order], theirs, rtol=1e-9)


def test_another_seed_is_another_order(train, val):
    first, second = (EagleRouter(8, 3, **OPTIONS | {"seed": seed}) for seed in (0, 1))
    first.fit(train, val, validation_aiq)
    second.fit(train, val, validation_aiq)
    assert 0 < np.abs(first.rating - second.rating).max() < 10


def test_chooses_neighbours_and_share_by_the_score(train, val):
    def fitted(**options):
        router = EagleRouter(8, 3, **OPTIONS | options)
        router.fit(train, val, validation_aiq)
        return router, validation_aiq(router.predict(val.embeddings), val.table)

    alone = {(k, share): fitted(num_neighbors=k, global_share=share)[1] for k in (5, 20) for share in (0.0, 0.5, 1.0)}
    router, best = fitted()
    assert best == alone[router.chosen_neighbors, router.chosen_share] == max(alone.values())
    assert len(set(alone.values())) > 3


def test_more_neighbours_than_prompts_means_all_of_them(train, val):
    few = Examples(train.table.take(np.arange(10)), train.embeddings[:10])
    router = EagleRouter(8, 3, **OPTIONS | {"num_neighbors": 1000})
    router.fit(few, val, validation_aiq)
    assert np.isfinite(router.predict(val.embeddings[:2]).quality).all()


def test_a_model_that_was_never_observed_nearby_keeps_its_global_rating(train, val):
    quality = train.table.quality.copy()
    quality[1:, 2] = np.nan
    gappy = Examples(replace(train.table, quality=quality), train.embeddings)
    router = EagleRouter(8, 3, **OPTIONS | {"num_neighbors": 5, "global_share": 0.0})
    router.fit(gappy, val, validation_aiq)
    far = -train.embeddings[:1]  # the only prompt with all models is the last of its neighbours
    prediction = router.predict(far).quality[0]
    neighbors = router.memory.search(far, 5)[1][0]
    assert 0 not in neighbors
    level = router._levels[neighbors].mean()
    assert prediction[2] == pytest.approx(router.rating[2] + 400 * np.log10(level / (1 - level)))


@pytest.mark.parametrize(
    "wrong",
    [{"num_neighbors": 0}, {"num_neighbors": []}, {"global_share": 1.5}, {"global_share": []}, {"num_shuffles": 0}],
)
def test_refuses_wrong_options(wrong):
    with pytest.raises(InputError, match=rf"router\.{next(iter(wrong))} must"):
        EagleRouter(8, 3, **OPTIONS | wrong)
