from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.policy import strong_share_threshold
from routerbench.routers.similarity_ranking import (
    SimilarityRankingRouter,
    bradley_terry,
    similarity_weights,
    wins,
)
from tests.conftest import make_examples, make_table


def with_gaps(examples, share=0.4):
    quality = examples.table.quality.copy()
    quality[np.random.default_rng(0).random(quality.shape) < share] = np.nan
    return Examples(replace(examples.table, quality=quality), examples.embeddings)


def reference(examples, query, gamma):
    """Strengths and level of one query by a general optimiser, from a list of battles."""
    cosine = examples.embeddings @ query / np.linalg.norm(examples.embeddings, axis=1) / np.linalg.norm(query)
    weight = gamma ** np.maximum(cosine / cosine.max(), -1) / gamma
    quality, num_models = examples.table.quality, examples.table.num_models
    battles = []  # winner, loser, weight
    for i, j in combinations(range(num_models), 2):
        battles += [(i, j, 0.5), (j, i, 0.5)]  # the draw
        for row, w in zip(quality, weight, strict=True):
            if np.isfinite(row[i]) and np.isfinite(row[j]):
                share = 1.0 if row[i] > row[j] else 0.5 if row[i] == row[j] else 0.0
                battles += [(i, j, w * share), (j, i, w * (1 - share))]
    winner, loser, w = (np.array(column) for column in zip(*battles, strict=True))

    def loss(free):
        s = np.append(0, free)
        return (w * np.logaddexp(0, s[loser] - s[winner])).sum()

    s = np.append(0, minimize(loss, np.zeros(num_models - 1), options={"gtol": 1e-7}).x)
    means = np.nanmean(quality, axis=0)
    surprise = [np.mean((row - means)[np.isfinite(row)]) if np.isfinite(row).any() else 0 for row in quality]
    level = means.mean() + np.average(surprise, weights=weight)
    return s - s.mean() + np.log(level / (1 - level))


@pytest.mark.parametrize("gamma", [10, 1000])
@pytest.mark.parametrize("gaps", [False, True])
def test_agrees_with_a_general_optimiser(train, val, gamma, gaps):
    few = Examples(train.table.take(np.arange(80)), 3 * train.embeddings[:80])  # scale must not matter
    few = with_gaps(few) if gaps else few
    router = SimilarityRankingRouter(8, 3, gamma)
    router.fit(few, val, validation_aiq)
    queries = val.embeddings[:10]
    expected = [reference(few, query, gamma) for query in queries]
    np.testing.assert_allclose(router.predict(queries).quality, expected, atol=1e-4)


def test_two_models_have_the_closed_form():
    won, weight = np.array([1.0, 0, 1, 1, 0]), np.array([10.0, 3, 25, 50, 100])
    p = (won * weight).sum() / weight.sum()
    battles = np.array([[[0, 188.0], [188.0, 0]]])
    strengths = bradley_terry(np.array([[85.0, 103.0]]), battles)
    assert expit(strengths[0, 0] - strengths[0, 1]) == pytest.approx(p, abs=1e-12)
    assert p == pytest.approx(0.452127659574, abs=1e-12)


def test_the_solution_is_where_expected_wins_are_the_wins():
    rng = np.random.default_rng(0)
    upper = np.triu(rng.gamma(0.2, 1, size=(20, 6, 6)), 1) + np.triu(np.full((6, 6), 1e-3), 1)
    battles = upper + upper.transpose(0, 2, 1)
    share = rng.beta(0.3, 0.3, size=battles.shape).clip(1e-4, 1 - 1e-4)
    won = (np.triu(share * upper) + np.triu((1 - share) * upper).transpose(0, 2, 1)).sum(axis=2)
    strengths = bradley_terry(won, battles)
    expected = (battles * expit(strengths[:, :, None] - strengths[:, None, :])).sum(axis=2)
    np.testing.assert_allclose(expected, won, atol=1e-8)
    np.testing.assert_allclose(strengths.sum(axis=1), 0, atol=1e-9)


def test_weights_are_those_of_the_paper_but_for_a_factor():
    similarity = np.random.default_rng(0).uniform(-0.5, 0.9, size=(4, 30))
    paper = 10 ** (1 + similarity / similarity.max(axis=1, keepdims=True))  # no ratio is below -1
    np.testing.assert_allclose(similarity_weights(similarity, 10) * 100, paper)
    np.testing.assert_allclose(similarity_weights(np.array([[0.0, 0.0]]), 10), 0.1)
    np.testing.assert_allclose(similarity_weights(np.array([[-0.2, -0.9]]), 10), 0.01)


def test_wins_count_ties_half_and_skip_what_was_not_observed():
    quality = np.array([[0.2, 0.2, 0.9, np.nan], [1.0, np.nan, np.nan, np.nan]])
    assert wins(quality).tolist() == [[0.5, 0.5, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def test_a_model_that_never_loses_stays_finite(train, val):
    quality = train.table.quality.copy()
    quality[:, 2], quality[:, 0] = 1, 0
    router = SimilarityRankingRouter(8, 3, 10)
    router.fit(Examples(replace(train.table, quality=quality), train.embeddings), val, validation_aiq)
    strengths = router.predict(val.embeddings).quality
    assert (np.diff(strengths, axis=1) > 0).all()
    assert np.ptp(strengths, axis=1).max() < 20


def test_win_rates_find_who_is_better_and_their_threshold_calls_the_wanted_share():
    train, val = (make_examples(n, seed, num_models=2)[0] for n, seed in ((1500, 0), (400, 1)))
    router = SimilarityRankingRouter(8, 2, [10, 1000])
    router.fit(train, val, validation_aiq)
    rate = router.win_rate(val.embeddings, strong=1, weak=0)
    np.testing.assert_allclose(rate, 1 - router.win_rate(val.embeddings, strong=0, weak=1))
    is_strong = rate >= strong_share_threshold(rate, 0.3)
    assert is_strong.mean() == pytest.approx(0.3, abs=0.01)
    gain = val.table.quality[:, 1] - val.table.quality[:, 0]
    assert gain[is_strong].mean() > gain[~is_strong].mean() + 0.3


def test_two_prompts_and_two_models_by_hand():
    """Two prompts at right angles; the query is like the first: weights 1 and 1/10, and one draw."""
    table = make_table([[1, 0], [0, 1]], [[1, 1], [1, 1]])
    router = SimilarityRankingRouter(2, 2, 10)
    router.fit(Examples(table, np.eye(2, dtype=np.float32)), Examples(table, np.eye(2, dtype=np.float32)), lambda *_: 0)
    rate = router.win_rate(np.array([[3.0, 0.0]], np.float32), strong=0, weak=1)
    np.testing.assert_allclose(rate, (1 + 0.5) / (1 + 0.1 + 1), rtol=1e-6)


def test_chooses_gamma_by_the_score(train, val):
    def score(gammas):
        router = SimilarityRankingRouter(8, 3, gammas)
        router.fit(train, val, validation_aiq)
        return validation_aiq(router.predict(val.embeddings), val.table)

    alone = [score(gamma) for gamma in (10, 1000, 1e6)]
    assert score([10, 1000, 1e6]) == max(alone)
    assert len(set(alone)) == 3


@pytest.mark.parametrize("gamma", [[], 1, [10, 0.5], [np.inf], [np.nan]])
def test_refuses_wrong_options(gamma):
    with pytest.raises(InputError, match=r"router\.gamma must"):
        SimilarityRankingRouter(8, 3, gamma)
