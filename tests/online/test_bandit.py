"""Posteriors against direct inverses, choices, and saved states that continue learning."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench import artefact
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.online.bandit import Posterior, ridge_weights
from routerbench.online.features import Features
from tests.online.conftest import DIM, NUM_MODELS, make_bandit, make_parts

KINDS = ["linucb", "thompson", "pilot"]


def started(kind, **options):
    bandit = make_bandit(kind, **options)
    bandit.start(make_parts().train.embeddings)
    return bandit


def test_the_hand_worked_posterior():
    posterior = Posterior.prior(np.zeros((1, 1, 2, 1)), 1.0)
    for inputs, reward in (([1.0, 0.0], 1.0), ([0.6, 0.8], 0.0)):
        posterior.update(np.array([inputs]), np.array([0]), np.array([[reward]]))
    x = np.array([[0.8, 0.6]])
    np.testing.assert_allclose(posterior.theta[0, 0, :, 0], [0.450549, -0.131868], atol=1e-6)
    np.testing.assert_allclose(posterior.mean(x), [[[0.281319]]], atol=1e-6)
    np.testing.assert_allclose(posterior.width(x), [[0.628621]], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.9]), st.sampled_from([0.5, 7.0]))
def test_every_stream_is_the_direct_solution_of_its_own_calls(seed, decay, strength):
    rng = np.random.default_rng(seed)
    streams, arms, d = 3, 2, 4
    belief = rng.normal(size=(streams, arms, d, 2))
    posterior = Posterior.prior(belief, strength)
    a = np.tile(strength * np.eye(d), (streams, arms, 1, 1))
    b = strength * belief
    for _ in range(25):
        x, y, called = rng.normal(size=(streams, d)), rng.normal(size=(streams, 2)), rng.integers(arms, size=streams)
        posterior.update(x, called, y, decay)
        for s, arm in enumerate(called):
            a[s, arm] = decay * a[s, arm] + np.outer(x[s], x[s])
            b[s, arm] = decay * b[s, arm] + np.outer(x[s], y[s])
    np.testing.assert_allclose(posterior.inverse, np.linalg.inv(a), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(posterior.theta, np.linalg.solve(a, b), rtol=1e-7, atol=1e-9)
    x = rng.normal(size=(streams, d))
    for s in range(streams):
        for arm in range(arms):
            np.testing.assert_allclose(posterior.mean(x)[s, arm], x[s] @ posterior.theta[s, arm])
            np.testing.assert_allclose(posterior.width(x)[s, arm] ** 2, x[s] @ np.linalg.inv(a[s, arm]) @ x[s])


def test_calling_one_model_for_every_prompt_is_its_ridge_regression():
    train = make_parts().train
    bandit = started("linucb")
    calls = np.full(len(train.table), 2)
    bandit.update(train.embeddings, calls, train.table.quality[:, 2], train.table.cost[:, 2])
    targets = np.stack([train.table.quality, train.table.cost], axis=-1)
    weights = ridge_weights(bandit.features(train.embeddings), targets, bandit.ridge)
    np.testing.assert_allclose(bandit.posterior.theta[0, 2], weights[2], atol=1e-9)
    assert not bandit.posterior.theta[0, [0, 1, 3]].any()
    quality, cost = bandit.predict(train.embeddings[:5])[:2]
    raw = bandit.features(train.embeddings[:5]) @ weights[2]
    np.testing.assert_allclose(np.stack([quality[:, 2], cost[:, 2]], axis=1), raw.clip(0, 1), atol=1e-9)


def test_features_keep_distances_of_all_directions_and_have_the_wanted_spread():
    embeddings = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32) * [3, 1, 1, 1, 1, 0.1] + 7
    whole = Features.of(embeddings, dim=99, spread=0.3)(embeddings)
    assert whole.shape == (200, 7)
    np.testing.assert_array_equal(whole[:, -1], 1)
    np.testing.assert_allclose((whole[:, :-1] ** 2).sum(axis=1).mean(), 0.3)
    distances = [np.linalg.norm(points[:50, None] - points[None, :50], axis=2) for points in (whole, embeddings)]
    np.testing.assert_allclose(distances[0] / distances[0].max(), distances[1] / distances[1].max(), atol=1e-6)
    first = Features.of(embeddings, dim=1, spread=1.0)(embeddings)[:, 0]
    assert abs(np.corrcoef(first, embeddings[:, 0])[0, 1]) > 0.99
    assert np.isfinite(Features.of(np.ones((3, 2), np.float32), dim=2, spread=1.0)(np.ones((1, 2)))).all()


def test_linucb_takes_the_largest_bound_at_its_lambda():
    bandit, train = started("linucb", alpha=0.7), make_parts().train
    rng = np.random.default_rng(0)
    called = rng.integers(NUM_MODELS, size=60)
    rows = np.arange(60)
    bandit.update(train.embeddings[:60], called, train.table.quality[rows, called], train.table.cost[rows, called])
    x = bandit.features(train.embeddings[60:90])
    for willingness_to_pay in (1e-4, 1e-2, np.inf):
        expected = []
        for row in x:
            bounds = [
                row @ theta[:, 0] - row @ theta[:, 1] / willingness_to_pay + 0.7 * np.sqrt(row @ inverse @ row)
                for theta, inverse in zip(bandit.posterior.theta[0], bandit.posterior.inverse[0], strict=True)
            ]
            expected.append(int(np.argmax(bounds)))
        assert bandit.select(train.embeddings[60:90], willingness_to_pay, rng).tolist() == expected
        assert len(set(expected)) > 1 or willingness_to_pay == 1e-4


def test_ties_go_to_the_model_that_is_predicted_to_be_cheaper():
    bandit, x = started("linucb", alpha=0.0), make_parts().train.embeddings[:1]
    quality, cost = np.array([[0.5], [0.75], [1.0], [0.0]]), np.array([[0.0], [0.25], [0.5], [0.5]])
    bandit.posterior.theta[0, :, -1] = np.concatenate([quality, cost], axis=1)  # rewards .5, .5, .5, -.5 at 1 USD
    assert bandit.select(x, 1.0, np.random.default_rng(0)).tolist() == [0]
    bandit.posterior.theta[0, :3] = bandit.posterior.theta[0, [2, 1, 0]].copy()
    assert bandit.select(x, 1.0, np.random.default_rng(0)).tolist() == [2]


def test_thompson_draws_from_the_posterior_of_the_weights():
    bandit, train = started("thompson", v=0.5), make_parts().train
    called = np.arange(40) % NUM_MODELS
    rows = np.arange(40)
    bandit.update(train.embeddings[:40], called, train.table.quality[rows, called], train.table.cost[rows, called])
    rng, count = np.random.default_rng(0), 20000
    x = bandit.features(train.embeddings[50:51])[0]
    rewards = np.stack(
        [
            rng.multivariate_normal(theta[:, 0] - theta[:, 1] / 0.01, 0.25 * inverse, size=count) @ x
            for theta, inverse in zip(bandit.posterior.theta[0], bandit.posterior.inverse[0], strict=True)
        ]
    )
    expected = np.bincount(rewards.argmax(axis=0), minlength=NUM_MODELS) / count
    chosen = bandit.select(np.repeat(train.embeddings[50:51], count, axis=0), 0.01, rng)
    assert expected.max() < 0.95
    np.testing.assert_allclose(np.bincount(chosen, minlength=NUM_MODELS) / count, expected, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay", [1.0, 0.99])
def test_a_state_saved_in_mid_stream_goes_on_as_if_nothing_had_happened(kind, decay, tmp_path):
    parts = make_parts()
    table, embeddings = parts.train.table, parts.train.embeddings
    bandit, rng = started(kind, decay=decay), np.random.default_rng(5)

    def serve(router, rows):
        chosen = []
        for row in rows:
            (model,) = router.select(embeddings[[row]], 0.01, rng)
            router.update(embeddings[[row]], np.array([model]), table.quality[[row], model], table.cost[[row], model])
            chosen.append(int(model))
        return chosen

    serve(bandit, range(100))
    artefact.save(tmp_path / "router", bandit, HashingEncoder(DIM), table, {}, {}, np.zeros(1, np.uint64))
    loaded = artefact.load(tmp_path / "router").router
    assert type(loaded) is type(bandit)
    state = copy.deepcopy(rng.bit_generator.state)
    uninterrupted = serve(bandit, range(100, 250))
    rng.bit_generator.state = state
    assert serve(loaded, range(100, 250)) == uninterrupted
    assert len(set(uninterrupted)) > 1
    for name, array in bandit.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array, err_msg=name)


def test_a_stream_taken_out_shares_nothing_with_the_others():
    bandit, train = make_bandit("linucb"), make_parts().train
    bandit.start(train.embeddings)
    bandit.begin(np.empty((3, 0, DIM + 1)), np.empty((3, 0, NUM_MODELS, 2)))
    bandit.posterior.theta[:] = np.arange(3)[:, None, None, None]
    second = bandit.stream(1)
    second.update(train.embeddings[:1], np.array([0]), np.array([0.5]), np.array([0.1]))
    assert (bandit.posterior.theta[1] == 1).all()
    assert (second.posterior.theta[0, 1:] == 1).all()
    assert (second.posterior.theta[0, 0] != 1).any()


@pytest.mark.parametrize("lambda_", [0.0, -1.0, np.nan])
def test_nothing_is_learned_at_a_lambda_that_is_not_above_0(lambda_):
    bandit = started("linucb")
    with pytest.raises(ValueError, match="above 0"):
        bandit.select(np.zeros((1, DIM), np.float32), lambda_, np.random.default_rng(0))


@pytest.mark.parametrize(("model", "quality"), [(NUM_MODELS, 0.5), (-1, 0.5), (0, np.nan)])
def test_calls_that_cannot_be_are_refused(model, quality):
    with pytest.raises(ValueError, match="from 0 to 3"):
        started("linucb").update(
            np.zeros((1, DIM), np.float32), np.array([model]), np.array([quality]), np.array([0.1])
        )


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("linucb", option) for option in ({"dim": 0}, {"dim": 257}, {"ridge": 0.0}, {"decay": 1.1}, {"alpha": -1.0})),
        *(("linucb", option) for option in ({"spread": 0.0}, {"decay": 0.0}, {"ridge": np.inf})),
        ("thompson", {"v": -0.1}),
        *(("pilot", option) for option in ({"offline_share": 0.0}, {"offline_share": 1.0}, {"strength": 0.0})),
    ],
)
def test_wrong_options_are_named(kind, options):
    with pytest.raises(InputError, match=rf"online\.bandit\.{next(iter(options))} must be"):
        make_bandit(kind, **options)
