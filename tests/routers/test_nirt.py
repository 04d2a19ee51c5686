import numpy as np
import pytest
import torch

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.nirt import SHARPNESS, NIRTRouter
from tests.conftest import make_examples
from tests.routers.networks import randomised, sigmoid, weights
from tests.training.test_gradient import training


def nirt(**options):
    return NIRTRouter(8, 3, **({"dim": 4, "hidden": 6, "dropout": 0.5, "seed": 0} | options))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_agrees_with_the_formula_cell_by_cell(train):
    router = randomised(nirt())
    router.prepare(train)
    w = weights(router)
    z = (train.embeddings - train.embeddings.mean(axis=0)) / train.embeddings.std(axis=0)
    mean = train.table.quality.mean(axis=0)
    quality = router.predict(train.embeddings[:5]).quality
    for x, row in zip(z[:5], quality, strict=True):
        similarity = w["centroids"] @ unit(x)
        relevance = np.exp(SHARPNESS * similarity) / np.exp(SHARPNESS * similarity).sum()
        discrimination = 9 * sigmoid(w["discrimination.weight"] @ x)
        demand = sigmoid(w["demand.weight"] @ x)
        for m in range(3):
            inputs = discrimination * (sigmoid(w["abilities"][m]) - demand) * relevance
            hidden = np.tanh(abs(w["first.weight"]) @ inputs + w["first.bias"])
            logit = (abs(w["last.weight"]) @ hidden + w["last.bias"]).item()
            assert row[m] == pytest.approx(sigmoid(logit + np.log(mean[m] / (1 - mean[m]))), rel=1e-4)


def test_more_ability_is_never_worse(train):
    router = randomised(nirt())
    router.prepare(train)
    before = router.predict(train.embeddings[:50]).quality
    for ability in range(4):
        with torch.no_grad():
            router.abilities[1, ability] += 1
        after = router.predict(train.embeddings[:50]).quality
        assert (after[:, 1] >= before[:, 1]).all()
        assert (after[:, 1] > before[:, 1]).any()
        np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
        before = after


def test_relevance_tells_the_groups_of_prompts_apart():
    rng = np.random.default_rng(0)
    group = rng.integers(4, size=200)
    embeddings = (10 * np.eye(8)[group] + rng.normal(size=(200, 8))).astype(np.float32)
    router = nirt()
    router.prepare(Examples(make_examples(200, seed=0)[0].table, embeddings))
    inputs = (torch.from_numpy(embeddings) - router.mean) / router.std
    relevance = router.relevance(inputs).numpy()
    np.testing.assert_allclose(relevance.sum(axis=1), 1, rtol=1e-6)
    cluster = relevance.argmax(axis=1)
    assert all(len(set(cluster[group == g])) == 1 for g in range(4))
    assert len(set(cluster)) == 4
    assert relevance.max(axis=1).mean() > 0.9


def test_fewer_prompts_than_clusters(val):
    few = make_examples(3, seed=0)[0]
    router = nirt(dim=8)
    router.prepare(few)
    assert np.isfinite(router.predict(val.embeddings).quality).all()


def test_learns_the_quality_of_a_known_world(tmp_path, train, val):
    torch.manual_seed(0)
    router = nirt(hidden=16, dropout=0.2)
    training(tmp_path, epochs=20).fit(router, train, val)
    test, quality, _ = make_examples(1000, seed=2)
    error = abs(router.predict(test.embeddings).quality - quality).mean()
    assert error < 0.6 * abs(train.table.quality.mean(axis=0) - quality).mean()


@pytest.mark.parametrize("options", [{"dim": 0}, {"hidden": 0}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.dim and router\.hidden must be at least 1"):
        nirt(**options)
