from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from routerbench.data.demo import load
from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.smoothie import SmoothieRouter, error_variances
from tests.conftest import make_table


def fitted(router, train):
    router.fit(train, train, validation_aiq)
    return router


def by_triplets(vectors, answered):
    """Error variances of one prompt, over all pairs of other models, from their vectors."""
    out = np.full(len(vectors), np.nan)
    for i in np.flatnonzero(answered):
        others = [j for j in np.flatnonzero(answered) if j != i]
        terms = [
            np.sum((vectors[i] - vectors[j]) ** 2)
            + np.sum((vectors[i] - vectors[k]) ** 2)
            - np.sum((vectors[j] - vectors[k]) ** 2)
            for j, k in combinations(others, 2)
        ]
        out[i] = np.mean(terms) / 2 if terms else np.nan
    return out


def bag_of_words(texts):
    """Unit vectors of counts of words and of pairs of words, without hashing."""
    terms = []
    for text in texts:
        words = text.replace(".", " .").split()
        terms.append(words + [f"{a} {b}" for a, b in pairwise(words)])
    vocabulary = sorted({term for bag in terms for term in bag})
    counts = np.array([[bag.count(term) for term in vocabulary] for bag in terms], float)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def world(num_prompts, accuracy, seed=0):
    """Embeddings are one group or another; who is right says what the others who are right say."""
    rng = np.random.default_rng(seed)
    group = rng.integers(2, size=num_prompts)
    quality = (rng.random((num_prompts, len(accuracy[0]))) < np.array(accuracy)[group]).astype(float)
    right, wrong = rng.integers(10**6, size=(num_prompts, 1)), rng.integers(10**6, size=quality.shape)
    texts = np.where(quality == 1, right, wrong).astype(str).astype(object)
    embeddings = np.eye(2)[group] + rng.normal(0, 0.1, size=(num_prompts, 2))
    return Examples(make_table(quality, np.ones_like(quality), responses=texts), embeddings.astype(np.float32))


def test_finds_the_variances_of_known_errors():
    rng = np.random.default_rng(0)
    sigma = np.array([0.5, 1.0, 2.0])
    vectors = rng.normal(size=(4000, 1, 50)) + sigma[:, None] * rng.normal(size=(4000, 3, 50))
    distances = ((vectors[:, :, None] - vectors[:, None]) ** 2).sum(axis=(2, 3))
    found = error_variances(distances).mean(axis=0)
    np.testing.assert_allclose(found, 50 * sigma**2, rtol=0.01, atol=0.5)
    np.testing.assert_allclose(50 / (2 * found), [2, 0.5, 0.125], rtol=0.1)


@pytest.mark.parametrize("num_models", [3, 4, 7])
def test_sums_of_distances_say_as_much_as_all_triplets(num_models):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, num_models, 5))
    answered = rng.random((20, num_models)) < 0.7
    squared = ((vectors[:, :, None] - vectors[:, None]) ** 2).sum(axis=3)
    distances = np.where(answered, (squared * answered[:, None]).sum(axis=2), np.nan)
    expected = [by_triplets(*row) for row in zip(vectors, answered, strict=True)]
    np.testing.assert_allclose(error_variances(distances), expected, atol=1e-12)


def test_answers_are_compared_by_their_words():
    texts = [
        ["The answer is 7.", "The answer is 7.", "I do not know."],
        ["A", "B", "A"],
        ["yes it is", "it is yes", "yes it is not"],
    ]
    table = make_table(np.ones((3, 3)), np.ones((3, 3)), responses=np.array(texts, dtype=object))
    router = fitted(SmoothieRouter(3, 3, 1), Examples(table, np.eye(3, dtype=np.float32)))
    everything = np.ones(3, bool)
    expected = [by_triplets(bag_of_words(row), everything) for row in texts]
    np.testing.assert_allclose(-router.predict(np.eye(3, dtype=np.float32)).quality, expected, atol=1e-9)


def test_trusts_whoever_agrees_in_the_neighbourhood():
    train = world(1000, [[0.9, 0.6, 0.3, 0.5], [0.3, 0.6, 0.9, 0.5]])
    local = fitted(SmoothieRouter(2, 4, 300), train).predict(np.eye(2, dtype=np.float32)).quality
    assert np.argsort(-local[0]).tolist() == [0, 1, 3, 2]
    assert np.argsort(-local[1]).tolist() == [2, 1, 3, 0]
    overall = fitted(SmoothieRouter(2, 4, None), train).predict(np.eye(2, dtype=np.float32)).quality
    np.testing.assert_array_equal(overall[0], overall[1])
    assert overall[0].argmax() != 3


def test_no_label_is_looked_at():
    train = world(300, [[0.9, 0.6, 0.3], [0.3, 0.6, 0.9]])
    shuffled = np.random.default_rng(1).permuted(train.table.quality, axis=0)
    assert (shuffled != train.table.quality).any()
    other = Examples(replace(train.table, quality=shuffled), train.embeddings)
    ours, theirs = (fitted(SmoothieRouter(2, 3, 10), examples) for examples in (train, other))
    np.testing.assert_array_equal(ours.predict(train.embeddings).quality, theirs.predict(train.embeddings).quality)


def test_a_prompt_is_worth_the_mean_of_its_neighbours_that_were_answered():
    rng = np.random.default_rng(0)
    train = world(60, [[0.9, 0.6, 0.3, 0.5], [0.3, 0.6, 0.9, 0.5]])
    responses = train.table.responses.copy()
    responses[rng.random(responses.shape) < 0.4] = None
    train = Examples(replace(train.table, responses=responses), train.embeddings)
    router = fitted(SmoothieRouter(2, 4, 3), train)
    queries = rng.normal(size=(20, 2)).astype(np.float32)
    unit = train.embeddings / np.linalg.norm(train.embeddings, axis=1, keepdims=True)
    for query, found in zip(queries, router.predict(queries).quality, strict=True):
        nearest = router.variances[np.argsort(-unit @ query)[:3]]
        for m in range(4):
            known = nearest[:, m][np.isfinite(nearest[:, m])]
            expected = known.mean() if len(known) else np.nanmean(router.variances[:, m])
            assert found[m] == pytest.approx(-expected)


def test_a_model_without_any_answer_is_trusted_least():
    train = world(100, [[0.9, 0.6, 0.3, 0.5], [0.3, 0.6, 0.9, 0.5]])
    responses = train.table.responses.copy()
    responses[:, 0] = None
    router = fitted(SmoothieRouter(2, 4, None), Examples(replace(train.table, responses=responses), train.embeddings))
    quality = router.predict(train.embeddings[:1]).quality[0]
    assert quality[0] == quality.min()


def test_a_table_without_enough_responses_is_told_what_to_add():
    train = world(50, [[0.9, 0.6, 0.3], [0.3, 0.6, 0.9]])
    few = train.table.responses.copy()
    few[:, 0] = None
    for responses in (None, few):
        with pytest.raises(InputError, match=r"test table: .*'<model>\|model_response'"):
            fitted(SmoothieRouter(2, 3, 5), Examples(replace(train.table, responses=responses), train.embeddings))


def test_the_demo_world_has_responses_that_agree_where_they_are_right():
    table = load(num_prompts=300)
    for said, quality in zip(table.responses, table.quality, strict=True):
        assert len(set(said[quality == 1])) <= 1
        assert len(set(said[quality == 0])) >= (quality == 0).sum() - 1
    part = table.part("val").select_models(table.models[2:5])
    rows = np.flatnonzero(table.split == "val")
    np.testing.assert_array_equal(part.responses, table.responses[rows, 2:5])


@pytest.mark.parametrize(("num_models", "num_neighbors", "match"), [(3, 0, "num_neighbors must"), (2, 5, "at least 3")])
def test_refuses_wrong_options(num_models, num_neighbors, match):
    with pytest.raises(InputError, match=match):
        SmoothieRouter(8, num_models, num_neighbors)
