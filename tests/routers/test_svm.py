import numpy as np
import pytest
from scipy.optimize import minimize

from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.svm import SVMRouter
from tests.conftest import make_examples

OPTIONS = {"kernel": "linear", "penalty": 0.01, "epsilon": 0.1, "num_features": 256, "seed": 0}


def fitted(train, val, **options):
    router = SVMRouter(8, 3, **(OPTIONS | options))
    router.fit(train, val, validation_aiq)
    return router


def test_minimises_the_squared_epsilon_insensitive_loss():
    train, val = make_examples(150, seed=0)[0], make_examples(50, seed=1)[0]
    router = fitted(train, val)
    z = (train.embeddings - train.embeddings.mean(0)) / train.embeddings.std(0)

    def loss(parameters, target):
        errors = np.maximum(abs(z @ parameters[:8] + 10 * parameters[8] - target) - 0.1, 0)
        return 0.5 * (parameters**2).sum() + 0.01 * (errors**2).sum()

    for model in range(3):
        best = minimize(loss, np.zeros(9), args=(train.table.quality[:, model],), tol=1e-12).x
        np.testing.assert_allclose(router.weights[:, model], best[:8], atol=2e-3)
        assert router.bias[model] == pytest.approx(10 * best[8], abs=5e-3)


def test_random_features_approximate_the_gaussian_kernel(train, val):
    router = fitted(train, val, kernel="rbf", num_features=4000)
    features, z = router._features(val.embeddings[:20]), (val.embeddings[:20] - router.mean) / router.std
    kernel = np.exp(-((z[:, None] - z[None]) ** 2).sum(axis=2) / (2 * 8))
    np.testing.assert_allclose(features @ features.T, kernel, atol=0.08)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_learns_the_quality_of_a_known_world(train, val, kernel):
    test, quality, _ = make_examples(2000, seed=2)
    prediction = fitted(train, val, kernel=kernel, penalty=[0.001, 0.1]).predict(test.embeddings)
    assert abs(prediction.quality - quality).mean() < 0.13


def test_c_is_chosen_by_the_score(train, val):
    seen = []
    router = SVMRouter(8, 3, **(OPTIONS | {"penalty": [1e-6, 1.0]}))
    router.fit(train, val, lambda prediction, table: seen.append(prediction) or -len(seen))
    np.testing.assert_array_equal(router.predict(val.embeddings).quality, seen[0].quality)


@pytest.mark.parametrize("options", [{"kernel": "poly"}, {"penalty": [0.0]}, {"epsilon": -1.0}, {"num_features": 0}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.(kernel|penalty) must"):
        SVMRouter(8, 3, **(OPTIONS | options))
