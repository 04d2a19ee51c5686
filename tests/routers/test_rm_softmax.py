from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from routerbench import artefact
from routerbench.data.outcomes import Examples
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.families import neural
from routerbench.routers.mlp import MLPRouter
from routerbench.routers.rm_softmax import RMSoftmaxRouter
from routerbench.training.objectives import Pointwise, Regret
from tests.conftest import make_examples
from tests.routers.networks import randomised, weights
from tests.training.test_gradient import training


def policy(hidden=(16,), num_lambdas=6, steps=3, num_models=3):
    torch.manual_seed(0)
    return RMSoftmaxRouter(8, num_models, list(hidden), 0.0, num_lambdas, steps)


def trained(folder, train, val, router=None, **options):
    router = router or policy()
    training(folder, objective=Regret(0.1), monitor="val/aiq", **({"epochs": 15} | options)).fit(router, train, val)
    return router


def lambda_of(worth, unit):
    return np.inf if worth == 1 else unit * worth / (1 - worth)


@pytest.mark.parametrize("hidden", [[5], [5, 4], []])
def test_agrees_with_the_formula_prompt_by_prompt_and_lambda_by_lambda(train, hidden):
    router = randomised(policy(hidden, num_lambdas=5, steps=2))
    router.prepare(train)
    w, mean_quality, mean_cost = weights(router), train.table.quality.mean(axis=0), train.table.cost.mean(axis=0)
    unit = mean_cost.mean()
    knots = [0.0, mean_cost.min(), np.sqrt(mean_cost.min() * mean_cost.max() * 100), mean_cost.max() * 100, np.inf]
    shares = [0.0, *(knot / (knot + unit) for knot in knots[1:4]), 1.0]
    middles = [(low + high) / 2 for low, high in pairwise(shares)]
    lambdas = sorted([*knots, *(lambda_of(share, unit) for share in middles)])
    choices = router.predict(train.embeddings[:20]).choices
    np.testing.assert_allclose(choices.lambdas, lambdas, rtol=1e-4)
    for i, x in enumerate(train.embeddings[:20]):
        z = (x - train.embeddings.mean(axis=0)) / train.embeddings.std(axis=0)
        for layer in range(len(hidden)):
            z = np.maximum(w[f"network.{3 * layer}.weight"] @ z + w[f"network.{3 * layer}.bias"], 0)
        scores = (w["policy.weight"] @ z + w["policy.bias"]).reshape(5, 3)
        for knot, share in enumerate(shares):
            scores[knot] += share * mean_quality - (1 - share) / unit * mean_cost
        between = [(scores[knot] + scores[knot + 1]) / 2 for knot in range(4)]
        order = np.argsort([*shares, *middles])
        expected = np.array([*scores, *between])[order].argmax(axis=1)
        assert choices.chosen[i].tolist() == expected.tolist()


def test_an_untrained_policy_knows_the_means_only(train):
    router = policy(steps=5)
    router.prepare(train)
    choices = router.predict(train.embeddings[:4]).choices
    quality, cost = train.table.quality.mean(axis=0), train.table.cost.mean(axis=0)
    assert len(choices.lambdas) == 26
    assert (choices.chosen == choices.chosen[0]).all()
    assert choices.chosen[0, 0] == cost.argmin()
    assert choices.chosen[0, -1] == quality.argmax()
    finite = choices.lambdas[:-1, None] * quality - cost
    np.testing.assert_array_equal(choices.chosen[0, :-1], finite.argmax(axis=1))


def test_one_step_decides_at_the_knots_alone(train):
    coarse, fine = (randomised(policy(steps=steps)) for steps in (1, 4))
    for router in (coarse, fine):
        router.prepare(train)
    few, many = (router.predict(train.embeddings).choices for router in (coarse, fine))
    assert (len(few.lambdas), len(many.lambdas)) == (6, 21)
    np.testing.assert_allclose(few.lambdas, many.lambdas[::4])
    np.testing.assert_array_equal(few.chosen, many.chosen[:, ::4])


def test_chunks_do_not_show(train, monkeypatch):
    router = randomised(policy())
    router.prepare(train)
    whole = router.predict(train.embeddings[:50])
    monkeypatch.setattr(neural, "CHUNK", 20)
    monkeypatch.setattr("routerbench.routers.rm_softmax.CHUNK", 7)
    parts = router.predict(train.embeddings[:50])
    np.testing.assert_array_equal(parts.choices.lambdas, whole.choices.lambdas)
    np.testing.assert_array_equal(parts.choices.chosen, whole.choices.chosen)
    np.testing.assert_allclose(parts.quality, whole.quality, atol=1e-6)
    assert router.predict(train.embeddings[:0]).choices.chosen.shape == (0, len(whole.choices.lambdas))


def test_learns_to_choose_at_every_lambda(tmp_path, train, val):
    router = trained(tmp_path, train, val)
    test, quality, cost = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    rows = np.arange(2000)
    means = train.table.quality.mean(axis=0), train.table.cost.mean(axis=0)
    for lambda_ in (0.003, 0.01, 0.03, 0.3, 30.0):
        utility = lambda_ * quality - cost  # of the truth, without the noise of single answers
        single = (lambda_ * means[0] - means[1]).argmax()
        reached = utility[rows, prediction.choices.at(lambda_)[:, 0]].mean()
        blind, most = utility[:, single].mean(), utility.max(axis=1).mean()
        assert reached > blind + 0.6 * (most - blind)
    assert abs(prediction.quality - quality).mean() < 0.1  # what to expect is learned beside


def test_the_choices_decide_in_validation_and_after_loading(tmp_path, train, val):
    router = trained(tmp_path, train, val, epochs=4)
    prediction = router.predict(val.embeddings)
    misled = prediction._replace(quality=1 - prediction.quality)
    assert validation_aiq(prediction, val.table) == validation_aiq(misled, val.table)
    assert validation_aiq(prediction, val.table) != validation_aiq(prediction._replace(choices=None), val.table)

    artefact.save(tmp_path / "router", router, HashingEncoder(dim=8), train.table, {}, {}, np.empty(0, np.uint64))
    loaded = artefact.load(tmp_path / "router", device="cpu")
    again = loaded.predict(val.embeddings)
    np.testing.assert_array_equal(again.choices.lambdas, prediction.choices.lambdas)
    np.testing.assert_array_equal(again.choices.chosen, prediction.choices.chosen)
    for lambda_ in (0.0, 0.004, 0.05, np.inf):
        models = prediction.choices.at(np.float64(lambda_))[:, 0]
        decisions = loaded.route(val.embeddings, lambda_)
        assert [decision.model for decision in decisions] == [loaded.models[model] for model in models]
        assert decisions[7].quality == pytest.approx(prediction.quality[7, models[7]])


def test_permuting_the_models_permutes_the_choices(tmp_path, train, val):
    order = [2, 0, 1]

    def permuted(examples):
        names = [examples.table.models[model] for model in order]
        return Examples(examples.table.select_models(names), examples.embeddings)

    plain = trained(tmp_path / "plain", train, val, epochs=2)
    other = trained(tmp_path / "other", permuted(train), permuted(val), epochs=2)
    expected, found = (router.predict(val.embeddings).choices for router in (plain, other))
    np.testing.assert_allclose(found.lambdas, expected.lambdas, rtol=1e-6)
    assert (np.array(order)[found.chosen] == expected.chosen).mean() > 0.99  # but for rounding


def test_gaps_and_unknown_costs_are_not_learned_from(tmp_path, train, val):
    def with_gaps(examples):
        is_gap = np.random.default_rng(0).random(examples.table.quality.shape) < 0.5
        quality, cost = (np.where(is_gap, np.nan, cells) for cells in (examples.table.quality, examples.table.cost))
        return Examples(replace(examples.table, quality=quality, cost=cost), examples.embeddings)

    router = trained(tmp_path, with_gaps(train), val, epochs=8)
    blind = policy()
    blind.prepare(train)
    scores = [validation_aiq(each.predict(val.embeddings), val.table) for each in (router, blind)]
    assert scores[0] > scores[1] + 0.02


def test_without_costs_one_decision_serves_every_lambda(tmp_path, train, val):
    free_train, free_val = (
        Examples(replace(each.table, cost=np.full_like(each.table.cost, np.nan)), each.embeddings)
        for each in (train, val)
    )
    prediction = trained(tmp_path, free_train, free_val, epochs=10).predict(val.embeddings)
    assert np.isnan(prediction.cost).all()
    assert prediction.choices.lambdas.tolist() == [np.inf]
    chosen = prediction.choices.chosen[:, 0]
    best_single = val.table.quality.mean(axis=0).max()
    assert val.table.quality[np.arange(len(chosen)), chosen].mean() > best_single + 0.1


def test_only_the_regret_trains_a_policy_and_a_policy_only(tmp_path, train, val):
    with pytest.raises(InputError, match="cannot train RMSoftmaxRouter; use training=regret"):
        training(tmp_path, objective=Pointwise()).fit(policy(), train, val)
    with pytest.raises(InputError, match="cannot train MLPRouter; use training=gradient"):
        training(tmp_path, objective=Regret(0.1)).fit(MLPRouter(8, 3, [4], 0.0), train, val)


@pytest.mark.parametrize(("num_lambdas", "steps"), [(1, 1), (4, 0)])
def test_refuses_wrong_options(num_lambdas, steps):
    with pytest.raises(InputError, match=r"router\.num_lambdas must be at least 2 and router\.steps at least 1"):
        policy(num_lambdas=num_lambdas, steps=steps)
