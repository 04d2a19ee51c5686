from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.base import Prediction
from routerbench.routers.families.ridge import ridge
from routerbench.routers.linear import LinearRouter
from tests.conftest import make_examples


def fitted(alpha, train, val, score=validation_aiq):
    router = LinearRouter(8, 3, alpha)
    router.fit(train, val, score)
    return router


def test_one_decomposition_each_serves_quality_and_cost_of_a_complete_table(train, val, monkeypatch):
    calls = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: calls.append(1) or eigh(matrix))
    fitted([1, 10, 100], train, val)
    assert len(calls) == 2


def test_learns_the_quality_and_the_mean_cost_of_a_known_world(train, val):
    router = fitted([1, 10, 100, 1000], train, val)
    test, quality, cost = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert abs(prediction.quality - quality).mean() < 0.1  # a line through a logistic curve
    assert abs(np.log(prediction.cost / cost)).mean() < 0.1
    np.testing.assert_allclose(prediction.cost.mean(axis=0), test.table.cost.mean(axis=0), rtol=0.15)


def test_costs_have_the_right_mean_on_train_where_logarithms_alone_are_too_low():
    rng = np.random.default_rng(3)
    train, val = make_examples(3000, seed=0)[0], make_examples(100, seed=1)[0]
    noisy = replace(train.table, cost=train.table.cost * rng.lognormal(0, 1.5, size=train.table.cost.shape))
    prediction = fitted([1.0], Examples(noisy, train.embeddings), val).predict(train.embeddings)
    np.testing.assert_allclose(prediction.cost.mean(axis=0), noisy.cost.mean(axis=0), rtol=0.02)
    assert (noisy.cost.mean(axis=0) > 2 * np.exp(np.log(noisy.cost).mean(axis=0))).all()


def test_an_infinite_penalty_leaves_every_models_means(train, val):
    prediction = fitted(1e15, train, val).predict(val.embeddings)
    np.testing.assert_allclose(prediction.quality, np.tile(train.table.quality.mean(0), (len(val.table), 1)), atol=1e-6)
    np.testing.assert_allclose(prediction.cost, np.tile(train.table.cost.mean(0), (len(val.table), 1)), rtol=1e-6)


def test_the_encoders_units_do_not_matter(train, val):
    scale, shift = np.array([1, 10, 100, 1, 1, 1, 0.1, 0.01], np.float32), np.float32(0.5)
    first = fitted([10, 1000], train, val).predict(val.embeddings)
    moved = [Examples(part.table, part.embeddings * scale + shift) for part in (train, val)]
    second = fitted([10, 1000], *moved).predict(moved[1].embeddings)
    np.testing.assert_allclose(first.quality, second.quality, atol=1e-4)
    np.testing.assert_allclose(first.cost, second.cost, rtol=1e-4)


def test_the_penalty_of_quality_is_chosen_by_the_score_of_held_out_predictions(train, val):
    seen = []

    def score(prediction, table):
        seen.append((prediction, table))
        return -abs(len(seen) - 2)  # the second candidate is the best

    router = fitted([1, 10, 100], train, val, score)
    assert router.chosen_alpha[0] == 10
    assert all(table is train.table for _, table in seen)
    own = (train.embeddings - train.embeddings.mean(0)) / train.embeddings.std(0)
    expected = ridge(own.astype(float), train.table.quality, np.array([10.0])).held_out[0].clip(0, 1)
    np.testing.assert_allclose(seen[1][0].quality, expected, atol=1e-4)


def test_equal_scores_go_to_the_larger_penalty(train, val):
    assert fitted([10, 1000, 1], train, val, lambda prediction, table: 0.5).chosen_alpha[0] == 1000


def test_the_penalty_of_cost_is_that_of_the_best_held_out_likelihood(train, val):
    few = Examples(train.table.take(np.arange(16)), train.embeddings[:16])
    router = fitted([0.01, 1, 1e4], few, val)
    losses = {}
    for alpha in (0.01, 1, 1e4):
        held_out = np.empty_like(few.table.cost)
        for row in range(16):
            others = np.delete(np.arange(16), row)
            z = (few.embeddings - few.embeddings.mean(0)) / few.embeddings.std(0)
            model = Ridge(alpha=alpha).fit(z[others], np.log(few.table.cost[others]))
            held_out[row] = np.exp(model.predict(z[[row]]))
        held_out *= few.table.cost.mean(0) / held_out.mean(0)
        losses[alpha] = (few.table.cost / held_out + np.log(held_out)).mean()
    assert router.cost.chosen_alpha.item() == min(losses, key=losses.get) == 1


def test_validation_chooses_where_train_has_no_complete_prompt(train, val):
    rng = np.random.default_rng(0)
    quality = np.where(rng.random(train.table.quality.shape) < 0.5, np.nan, train.table.quality)
    quality[np.arange(len(quality)), rng.integers(3, size=len(quality))] = np.nan
    sparse = Examples(replace(train.table, quality=quality), train.embeddings)
    tables = []
    router = fitted([1, 1e6], sparse, val, lambda prediction, table: tables.append(table) or len(tables))
    assert all(table is val.table for table in tables)
    expected = make_examples(400, seed=1)[1]
    assert abs(router.predict(val.embeddings).quality - expected).mean() < 0.1


def test_a_model_without_a_price_is_free_and_a_single_free_answer_is_cheap(train, val):
    cost = train.table.cost.copy()
    cost[:, 0], cost[::2, 1] = 0, 0
    router = fitted([10, 100], Examples(replace(train.table, cost=cost), train.embeddings), val)
    prediction = router.predict(val.embeddings)
    assert (prediction.cost[:, 0] == 0).all()
    assert (prediction.cost[:, 1:] > 0).all()
    assert np.isfinite(prediction.cost).all()


def test_routes_better_than_the_means(train, val):
    test = make_examples(1000, seed=3)[0]
    means = Prediction(np.tile(train.table.quality.mean(0), (1000, 1)), np.tile(train.table.cost.mean(0), (1000, 1)))
    gain = validation_aiq(fitted([10], train, val).predict(test.embeddings), test.table)
    assert gain > validation_aiq(means, test.table) + 0.05


@pytest.mark.parametrize("alpha", [[], 0, [10, -1], [float("nan")]])
def test_refuses_wrong_options(alpha):
    with pytest.raises(InputError, match=r"router\.alpha must"):
        LinearRouter(8, 3, alpha)


def test_a_column_that_is_constant_on_train_cannot_drown_the_others(train, val):
    dead = train.embeddings.copy()
    dead[:, 3] = 0
    prediction = fitted([1, 100], Examples(train.table, dead), val).predict(val.embeddings)
    assert np.isfinite(prediction.cost).all()
    assert (prediction.cost < 100 * train.table.cost.max(axis=0)).all()
