from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.references import benchmark_oracle
from routerbench.routers.benchmark import BenchmarkRouter, group_means, softmax_regression
from tests.conftest import make_table


def world(num_prompts, seed, spread=0.1):
    """Three benchmarks far apart in the embedding, on each of which another model is good."""
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=num_prompts)
    embeddings = (np.eye(4)[label] + rng.normal(scale=spread, size=(num_prompts, 4))).astype(np.float32)
    quality = (rng.random((num_prompts, 3)) < np.where(np.eye(3)[label] > 0, 0.9, 0.2)).astype(float)
    cost = np.exp(rng.normal(size=(num_prompts, 3)) * 0.1) * (1 + label[:, None]) * [1e-4, 1.1e-4, 1.2e-4]
    names = np.array(["zebra", "apple", "mango"], dtype=object)[label]
    return Examples(make_table(quality, cost, benchmark=names), embeddings)


def fitted(train, val, penalty=0.1, power=1.0):
    router = BenchmarkRouter(4, 3, penalty, power)
    router.fit(train, val, validation_aiq)
    return router


def test_where_the_benchmark_can_be_told_it_routes_as_if_it_were_known():
    train, val, test = (world(n, seed) for seed, n in enumerate((600, 100, 600)))
    prediction, known = fitted(train, val, power=2).predict(test.embeddings), benchmark_oracle(train.table, test.table)
    np.testing.assert_allclose(prediction.quality, known.quality, atol=0.06)
    assert validation_aiq(prediction, test.table) == pytest.approx(validation_aiq(known, test.table), abs=0.01)


def test_a_table_of_one_benchmark_gives_the_means():
    train = world(300, 0)
    one = Examples(replace(train.table, benchmark=np.full(300, "all", dtype=object)), train.embeddings)
    prediction = fitted(one, one).predict(train.embeddings)
    np.testing.assert_allclose(prediction.quality, np.tile(train.table.quality.mean(0), (300, 1)))


def test_probabilities_sum_to_one_and_a_power_sharpens_them():
    train = world(300, 0, spread=1.0)
    router = fitted(train, train)
    shares = router.posterior(train.embeddings)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    means = group_means(train.table.quality, np.unique(train.table.benchmark.astype(str), return_inverse=True)[1], 3)
    np.testing.assert_allclose(router.predict(train.embeddings).quality, shares @ means)
    sharp = fitted(train, train, power=2).predict(train.embeddings).quality
    np.testing.assert_allclose(sharp, shares**2 / (shares**2).sum(axis=1, keepdims=True) @ means)


@pytest.mark.parametrize("num_labels", [2, 3])
def test_softmax_regression_minimises_the_penalised_log_loss(num_labels):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 2)).astype(np.float32) * 5 + 3
    label = np.append(np.arange(num_labels), rng.integers(num_labels, size=60 - num_labels))
    center = embeddings.mean(axis=0, dtype=float)
    scale = np.sqrt(((embeddings - center) ** 2).sum(axis=1).mean())
    z = (embeddings - center) / scale

    def loss(parameters):
        weights, bias = parameters[: 2 * num_labels].reshape(2, num_labels), parameters[2 * num_labels :]
        logits = z @ weights + bias
        log_share = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -2 * log_share[np.arange(60), label].sum() + 0.5 * (weights**2).sum()

    best = minimize(loss, np.zeros(3 * num_labels)).x
    weights, bias = softmax_regression(embeddings, label, 0.5)
    ours = embeddings @ weights + bias
    theirs = z @ best[: 2 * num_labels].reshape(2, num_labels) + best[2 * num_labels :]
    if num_labels == 2:  # one weight vector stands for both, at half the penalty of their difference
        assert np.corrcoef(ours[:, 1] - ours[:, 0], theirs[:, 1] - theirs[:, 0])[0, 1] > 0.999
    else:
        shares = [np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (ours, theirs)]
        np.testing.assert_allclose(*shares, atol=0.01)


def test_unobserved_cells_do_not_count():
    cells = np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, np.nan]])
    means = group_means(cells, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(means[:, 0], [(1 + 3 * 0.5) / 4, (0 + 3 * 0.5) / 4])
    assert np.isnan(means[:, 1]).all()


@pytest.mark.parametrize("options", [{"penalty": 0}, {"penalty": []}, {"power": [1, -1]}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=rf"router\.{next(iter(options))} must"):
        BenchmarkRouter(4, 3, **({"penalty": 1, "power": 1} | options))
