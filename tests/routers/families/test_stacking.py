import numpy as np
import pytest

from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.families.stacking import ensemble_selection, folds, joined, routing_weights
from tests.conftest import make_examples, make_table


def test_every_prompt_is_in_one_fold_and_copies_are_together():
    prompts = np.array(["a", "b", "A ", "c", "d", "e", "b", "f"], dtype=object)
    table = make_table(np.ones((8, 2)), np.ones((8, 2)), prompts=prompts)
    for seed in range(5):
        masks = np.array(list(folds(table, 3, np.random.default_rng(seed))))
        assert (masks.sum(axis=0) == 1).all()
        assert (masks[:, 0] == masks[:, 2]).all()
        assert (masks[:, 1] == masks[:, 6]).all()


def test_more_folds_than_prompts_are_as_many_as_prompts():
    table = make_table(np.ones((2, 2)), np.ones((2, 2)))
    assert len(list(folds(table, 5, np.random.default_rng(0)))) == 2


def test_joins_tables_and_embeddings(train, val):
    both = joined(train, val)
    assert len(both.table) == len(both.embeddings) == len(train.table) + len(val.table)
    np.testing.assert_array_equal(both.table.quality[len(train.table) :], val.table.quality)
    np.testing.assert_array_equal(both.embeddings[: len(train.table)], train.embeddings)


def test_selection_finds_the_mean_that_scores_best():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 2))
    noise = rng.normal(size=(3, 400, 2)) * np.array([1.0, 1.0, 5.0])[:, None, None]

    def score(mean, rows):
        return -float(((mean - truth[rows]) ** 2).mean())

    weights = ensemble_selection(truth + noise, score, rng)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0], atol=0.12)  # of errors alike and apart the mean is best


def test_a_single_member_gets_all():
    assert ensemble_selection(np.zeros((1, 5, 2)), lambda mean, rows: 0.0, np.random.default_rng(0)).tolist() == [1.0]


def test_weights_are_learned_on_prompts_whose_outcomes_are_known():
    examples, quality, cost = make_examples(600, seed=4)
    blurred = np.random.default_rng(0).random(quality.shape)
    table = examples.table
    table.quality[::2, 0] = np.nan
    weights = routing_weights(np.stack([blurred, quality]), cost, table, validation_aiq, np.random.default_rng(0))
    assert weights[1] > 0.8
    nothing = make_table(np.full((4, 2), np.nan), np.ones((4, 2)))
    blank = np.zeros((2, 4, 2))
    assert routing_weights(blank, blank[0], nothing, validation_aiq, np.random.default_rng(0)).tolist() == [0.5, 0.5]
