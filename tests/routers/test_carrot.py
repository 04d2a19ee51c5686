import json
from dataclasses import replace

import numpy as np
import pytest

import routerbench
from routerbench import artefact
from routerbench.data.outcomes import Examples
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.carrot import CarrotRouter
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.knn import KNNRouter
from tests.conftest import make_examples

NONE_SEEN = np.empty(0, np.uint64)
PRICES = np.array([[0.5, 1.5], [3.0, 15.0], [10.0, 30.0]])
NEIGHBORS = [2, 8, 32, 128]


def counted(examples, prices=PRICES):
    """The examples with token counts that the embedding explains, at prices."""
    x = examples.embeddings
    rng = np.random.default_rng(len(x))
    inputs = np.repeat(np.exp(4 + 0.3 * x[:, :1]), 3, axis=1)
    outputs = np.exp(5 + 0.4 * x[:, 1:4]) * rng.gamma(4.0, 1 / 4.0, size=(len(x), 3))
    tokens = np.stack([inputs, outputs], axis=2)
    cost = (tokens * PRICES).sum(axis=2) / 1e6
    return Examples(replace(examples.table, cost=cost, tokens=tokens, prices=prices), x)


def fitted(train, val, **options):
    router = CarrotRouter(8, 3, NEIGHBORS, **options)
    router.fit(train, val, validation_aiq)
    return router


def test_costs_are_expected_tokens_times_prices(train, val):
    router = fitted(counted(train), counted(val))
    test = counted(make_examples(2000, seed=2)[0])
    x = test.embeddings
    expected = np.exp(4 + 0.3 * x[:, :1]) * PRICES[:, 0] + np.exp(5 + 0.4 * x[:, 1:4]) * PRICES[:, 1]
    assert abs(np.log(router.predict(x).cost / (expected / 1e6))).mean() < 0.05
    np.testing.assert_allclose(router.predict(x).cost.mean(axis=0), test.table.cost.mean(axis=0), rtol=0.05)


def test_prices_edited_on_disk_change_costs_and_choices_without_retraining(tmp_path, train, val):
    router = fitted(counted(train), counted(val))
    artefact.save(tmp_path, router, HashingEncoder(dim=8), counted(train).table, {}, {}, NONE_SEEN)
    before = routerbench.load(tmp_path)
    card = json.loads((tmp_path / "router.json").read_text())
    assert card["router"]["arguments"]["prices"] == PRICES.tolist()
    card["router"]["arguments"]["prices"] = [[0.0, 0.0], [3.0, 15.0], [20.0, 60.0]]
    (tmp_path / "router.json").write_text(json.dumps(card))
    after = routerbench.load(tmp_path)
    ours, theirs = before.predict(val.embeddings), after.predict(val.embeddings)
    np.testing.assert_array_equal(ours.quality, theirs.quality)
    np.testing.assert_allclose(theirs.cost, ours.cost * [0, 1, 2], rtol=1e-12)
    chosen = [[decision.model for decision in loaded.route(val.embeddings, 0.03)] for loaded in (before, after)]
    assert chosen[0].count("model-2") > chosen[1].count("model-2")
    assert chosen[0].count("model-0") < chosen[1].count("model-0")


@pytest.mark.parametrize(
    "prices", [[[1, 2]], [[1, 2], [3, 4], [5]], [[1, 2], [3, 4], [5, -6]], [[1, float("nan")]] * 3]
)
def test_refuses_wrong_prices(prices):
    with pytest.raises(InputError, match=r"router\.prices must be 3 pairs"):
        CarrotRouter(8, 3, NEIGHBORS, prices)


def test_prices_of_ones_own_come_before_those_of_the_table(train, val):
    own = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    router = fitted(counted(train), counted(val), prices=own)
    table = fitted(counted(train, prices=np.array(own)), counted(val))
    assert router.prices == own
    np.testing.assert_array_equal(router.predict(val.embeddings).cost, table.predict(val.embeddings).cost)


def test_without_tokens_or_prices_the_cost_itself_is_regressed(train, val):
    expected = RidgeCost.fit(train).predict(val.embeddings)
    np.testing.assert_array_equal(fitted(train, val).predict(val.embeddings).cost, expected)
    no_prices = counted(train, prices=None)
    regressed = RidgeCost.fit(no_prices).predict(val.embeddings)
    np.testing.assert_array_equal(fitted(no_prices, val).predict(val.embeddings).cost, regressed)
    one_missing = counted(train)
    one_missing.table.tokens[:, 2, 1] = np.nan
    router = fitted(one_missing, val)
    assert router.prices is None
    assert np.isfinite(router.predict(val.embeddings).cost).all()
    with pytest.raises(InputError, match=r"router\.prices needs .* token counts of every model"):
        fitted(train, val, prices=PRICES.tolist())


def test_missing_token_counts_are_left_out(train, val):
    sparse = counted(train)
    sparse.table.tokens[np.random.default_rng(0).random(sparse.table.tokens.shape) < 0.3] = np.nan
    whole, part = (fitted(given, val).predict(val.embeddings).cost for given in (counted(train), sparse))
    assert 0 < abs(np.log(part / whole)).mean() < 0.05


def test_the_number_of_neighbours_is_the_one_that_routes_best_at_the_predicted_costs(train, val):
    train, val = counted(train), counted(val)
    router, scores = fitted(train, val), {}
    for k in NEIGHBORS:
        neighbors = KNNRouter(8, 3, k, "uniform")
        neighbors.fit(train, val, validation_aiq)
        prediction = neighbors.predict(val.embeddings)
        assert not np.allclose(prediction.cost, router.predict(val.embeddings).cost, rtol=0.1)
        scores[k] = validation_aiq(prediction._replace(cost=router.predict(val.embeddings).cost), val.table)
    assert scores[router.quality.chosen_neighbors] == max(scores.values()) > min(scores.values())


@pytest.mark.parametrize("with_tokens", [False, True])
def test_arrays_restore_the_predictions(train, val, with_tokens):
    router = fitted(counted(train) if with_tokens else train, val)
    twin = CarrotRouter(8, 3, NEIGHBORS, router.prices)
    twin.load_arrays(router.arrays())
    for ours, theirs in zip(router.predict(val.embeddings)[:2], twin.predict(val.embeddings)[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
