from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.constant import ConstantRouter
from routerbench.routers.ensemble import EnsembleRouter
from tests.conftest import make_examples

OPTIONS = {
    "guess": {"penalty": 0.2, "power": 1},
    "on_summary": {"knn": {"num_neighbors": 20, "weighting": "uniform"}, "linear": {"alpha": [1, 100]}, "constant": {}},
    "on_embedding": {"linear": {"alpha": [1, 100]}},
    "num_components": 4,
    "num_folds": 3,
    "seed": 0,
}


def fitted(train, val, **options):
    router = EnsembleRouter(8, 3, **(OPTIONS | options))
    router.fit(train, val, validation_aiq)
    return router


def predictions(router, embeddings):
    """Of the guess and all members."""
    views = {"summary": router._summary(embeddings, router.guesser), "embedding": embeddings}
    members = [part.predict(views[name.partition(".")[0]]) for name, part in router.routers.items()]
    return [router.guesser.predict(embeddings), *members]


def split_in_two(examples, column=0):
    """Call the prompts that lie on either side by two benchmarks."""
    names = np.where(examples.embeddings[:, column] > 0, "right", "left").astype(object)
    return Examples(replace(examples.table, benchmark=names), examples.embeddings)


def test_is_not_worse_than_its_members(train, val):
    train, val = split_in_two(train), split_in_two(val)
    test = make_examples(2000, seed=3)[0]
    router = fitted(train, val)
    parts = predictions(router, test.embeddings)
    costs = router.predict(test.embeddings).cost
    singles = [validation_aiq(part._replace(cost=costs), test.table) for part in parts]
    assert validation_aiq(router.predict(test.embeddings), test.table) > max(singles) - 0.005


def test_prediction_is_the_weighted_mean_of_the_parts(train, val):
    train, val = split_in_two(train), split_in_two(val)
    router = fitted(train, val)
    assert router.weights.sum() == pytest.approx(1)
    parts = predictions(router, val.embeddings)
    expected = np.tensordot(router.weights, [part.quality for part in parts], axes=1)
    np.testing.assert_allclose(router.predict(val.embeddings).quality, expected.clip(0, 1))


def test_where_prompts_tell_nothing_it_is_as_good_as_no_look_at_them(train, val):
    rng = np.random.default_rng(0)

    def mute(examples):
        return Examples(examples.table, rng.normal(size=examples.embeddings.shape).astype(np.float32))

    train, val, test = mute(train), mute(val), mute(make_examples(2000, seed=3)[0])
    constant = ConstantRouter(8, 3)
    constant.fit(train, val, validation_aiq)
    gap = [validation_aiq(router.predict(test.embeddings), test.table) for router in (fitted(train, val), constant)]
    assert gap[0] > gap[1] - 0.006


def test_summary_is_a_guess_and_the_principal_components(train, val):
    router = fitted(split_in_two(train), split_in_two(val), num_components=8)
    summary = router._summary(train.embeddings, router.guesser)
    np.testing.assert_allclose(summary[:, :2].sum(axis=1), 1, rtol=1e-5)
    assert np.corrcoef(summary[:, 1], train.embeddings[:, 0])[0, 1] > 0.7
    components = summary[:, 2:]
    covariance = np.cov(components.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=0.01)
    assert (np.diff(np.diag(covariance)) <= 0.01).all()


def test_a_fold_without_a_rare_benchmark_still_trains(train, val):
    names = np.full(len(train.table), "usual", dtype=object)
    names[:1] = "rare"
    router = fitted(Examples(replace(train.table, benchmark=names), train.embeddings), val)
    assert np.isfinite(router.predict(val.embeddings).quality).all()


@pytest.mark.parametrize("only", ["aardvark", "zebra"])  # before and after the others in the alphabet
def test_a_benchmark_that_only_val_has_still_trains(train, val, only):
    names = np.where(np.arange(len(val.table)) % 2, "left", only).astype(object)
    router = fitted(split_in_two(train), Examples(replace(val.table, benchmark=names), val.embeddings))
    assert router.guesser.names.tolist() == ["left", "right"]
    assert np.isfinite(router.predict(val.embeddings).quality).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_summary": {"knm": {}}}, "no router 'knm'"),
        ({"on_embedding": {"mlp": {}}}, "'mlp' is not fitted in closed form"),
        ({"num_folds": 1}, "num_folds at least 2"),
        ({"num_components": 0}, "num_components must be at least 1"),
        ({"guess": {"penalty": 0, "power": 1}}, "penalty must"),
    ],
)
def test_refuses_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        EnsembleRouter(8, 3, **(OPTIONS | options))
