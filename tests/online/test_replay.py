"""The protocol on a linear world: what is revealed, what is lost, and what is learned."""

from dataclasses import replace

import numpy as np
import pytest
from omegaconf import OmegaConf

from routerbench.config.building import instantiate
from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.online import replay as module
from routerbench.online.bandit import LinearBandit, ridge_weights
from routerbench.online.replay import Replay
from routerbench.online.report import findings, served_table, write_served
from routerbench.online.served import StreamOutcomes, over_orders
from routerbench.policy import select
from tests.online.conftest import NUM_MODELS, make_bandit, make_parts
from tests.test_entry_points import OPTIONS, ROOT

KINDS = sorted(option for group, option in OPTIONS if group == "online")
LAMBDA = 0.01


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(module, "NUM_RESAMPLES", 40)


def replay(kind, parts=None, num_orders=4, willingness_to_pay=LAMBDA, seed=0, **options):
    rng = np.random.default_rng(seed)
    bandit = make_bandit(kind, **options)
    return Replay(bandit, num_orders, willingness_to_pay).run(kind, parts or make_parts(), rng)


@pytest.fixture(scope="module")
def served():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NUM_RESAMPLES", 40)
        return {kind: replay(kind)[0] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_a_bandit_of_the_module_of_its_name(kind):
    config = OmegaConf.load(ROOT / "conf" / "online" / f"{kind}.yaml")
    protocol = instantiate(config, bandit={"embedding_dim": 8, "num_models": 3})
    assert isinstance(protocol, Replay)
    assert isinstance(protocol.bandit, LinearBandit)
    assert type(protocol.bandit).__module__ == f"routerbench.online.{kind}"
    assert (protocol.bandit.embedding_dim, protocol.bandit.num_models) == (8, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_regret_falls_far_below_random_and_below_the_best_single_model_and_slows_down(served, kind):
    regret = {name: service.regret for name, service in served[kind].services.items()}
    total = {name: each.sum(axis=1).mean() for name, each in regret.items()}
    assert total[kind] < 0.5 * total["random"]
    assert total[kind] < 0.7 * total["best_arm"]
    # Noise keeps regret above 0 for whoever knows the world; what is lost to full information dies out.
    lost = {
        name: served[name].services[name].regret - served[name].services["full_information"].regret for name in KINDS
    }
    first, second = (half.mean() for half in np.array_split(lost[kind], 2, axis=1))
    if kind == "pilot":  # it knows most in advance
        assert first < 0.5 * np.array_split(lost["linucb"], 2, axis=1)[0].mean()
    else:
        assert first > 0
        assert second < 0.4 * first


def test_regret_quality_and_cost_are_those_of_the_calls(served):
    train = make_parts().train.table
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(len(train)) for _ in range(4)])
    reward = train.quality - train.cost / LAMBDA
    found = served["linucb"]
    services = found.services
    for s, order in enumerate(orders):
        best = reward.mean(axis=0).argmax()
        np.testing.assert_allclose(services["best_arm"].quality[s], train.quality[order, best])
        np.testing.assert_allclose(services["best_arm"].cost[s], train.cost[order, best])
        np.testing.assert_allclose(services["random"].regret[s], (reward.max(axis=1) - reward.mean(axis=1))[order])
        mine = StreamOutcomes(services["linucb"].regret[s], services["linucb"].quality[s], services["linucb"].cost[s])
        np.testing.assert_allclose(mine.regret, reward.max(axis=1)[order] - (mine.quality - mine.cost / LAMBDA))
        is_a_cell = (mine.quality[:, None] == train.quality[order]) & (mine.cost[:, None] == train.cost[order])
        assert is_a_cell.any(axis=1).all()
    assert found.best_arm == train.models[best]
    lost = found.behind_best_arm("linucb").sum(axis=1)
    np.testing.assert_allclose(
        lost, [(reward[:, best].sum() - (reward.max(axis=1).sum() - each.sum())) for each in services["linucb"].regret]
    )


def test_full_information_is_the_regression_on_all_other_prompts(served):
    train, bandit = make_parts().train, make_bandit("linucb")
    bandit.start(train.embeddings)
    x, y = bandit.features(train.embeddings), np.stack([train.table.quality, train.table.cost], axis=-1)
    order = np.random.default_rng(0).permutation(len(x))
    for step in range(0, 60, 7):
        row = order[step]
        others = np.arange(len(x)) != row
        quality, cost = np.moveaxis(x[row] @ ridge_weights(x[others], y[others], bandit.ridge), -1, 0)
        (model,) = select(quality[None], cost[None], LAMBDA)
        assert served["linucb"].services["full_information"].quality[0, step] == train.table.quality[row, model]


@pytest.mark.parametrize("kind", ["linucb", "thompson"])
def test_outcomes_of_models_that_were_not_called_change_nothing(kind):
    parts = make_parts(400)
    found, bandit = replay(kind, parts, num_orders=1)
    service = found.services[kind]
    order = np.random.default_rng(0).permutation(len(parts.train.table))
    table = parts.train.table
    was_called = np.empty(table.quality.shape, bool)
    was_called[order] = (service.quality[0][:, None] == table.quality[order]) & (
        service.cost[0][:, None] == table.cost[order]
    )
    assert was_called.any(axis=1).all()
    assert not was_called.all(axis=0).any()
    other = np.random.default_rng(1).random(table.quality.shape)
    changed = replace(
        table,
        quality=np.where(was_called, table.quality, other),
        cost=np.where(was_called, table.cost, other * 1e-3),
    )
    again, same = replay(kind, parts._replace(train=replace(parts.train, table=changed)), num_orders=1)
    np.testing.assert_array_equal(again.services[kind].quality, service.quality)
    np.testing.assert_array_equal(again.services[kind].cost, service.cost)
    np.testing.assert_array_equal(same.posterior.theta, bandit.posterior.theta)
    assert (again.services["random"].quality != found.services["random"].quality).any()


def test_pilot_that_never_doubts_is_the_offline_policy():
    parts = make_parts()
    found, bandit = replay("pilot", parts, num_orders=2, strength=np.inf)
    x = bandit.features(parts.train.embeddings)
    y = np.stack([parts.train.table.quality, parts.train.table.cost], axis=-1)
    orders = np.random.default_rng(0)
    for s in range(2):
        offline, stream = np.split(orders.permutation(len(x)), [found.num_offline])
        weights = ridge_weights(x[offline], y[offline], bandit.ridge)
        quality, cost = np.moveaxis(np.einsum("nd,mdt->nmt", x[stream], weights), -1, 0)
        chosen = select(quality, cost, LAMBDA)
        expected = parts.train.table.quality[stream, chosen]
        np.testing.assert_array_equal(found.services["pilot"].quality[s], expected)
        if s == 0:
            np.testing.assert_allclose(bandit.posterior.theta[0], weights)
    assert found.num_offline == round(0.2 * len(x))
    assert found.num_served == len(x) - found.num_offline


def test_a_pilot_with_doubts_learns_on_from_its_offline_weights():
    parts = make_parts()
    (_, firm), (_, doubting) = (replay("pilot", parts, num_orders=1, strength=each) for each in (np.inf, 1.0))
    errors = []
    for bandit in (firm, doubting):
        predicted = bandit.predict(parts.test.embeddings).quality
        chosen = select(predicted, bandit.predict(parts.test.embeddings).cost, LAMBDA)
        rows = np.arange(len(chosen))
        errors.append(np.abs(predicted[rows, chosen] - parts.test.table.quality[rows, chosen]).mean())
    assert errors[1] < errors[0]


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_policies_of_all_orders_are_the_seeds_of_one_router(served, kind):
    parts = make_parts()
    _, first = replay(kind)
    scored = served[kind].evaluation.routers[kind]
    assert len(scored.seed_aiq) == 4
    alone = evaluate({kind: first.predict(parts.test.embeddings)}, parts.test.table, parts.train.table, num_resamples=0)
    assert scored.seed_aiq[0] == pytest.approx(alone.routers[kind].aiq.value)
    assert scored.aiq.low < scored.aiq.value < scored.aiq.high
    assert scored.aiq.value > served[kind].evaluation.references["zero_router"].aiq.value


def test_without_a_lambda_the_dearest_model_is_worth_half_a_unit():
    parts = make_parts(300)
    found, _ = replay("linucb", parts, num_orders=1, willingness_to_pay=None)
    assert parts.train.table.cost.mean(axis=0).max() / found.willingness_to_pay == pytest.approx(0.5)


def test_prompts_with_a_missing_cell_are_no_part_of_the_stream():
    parts = make_parts(300)
    quality = parts.train.table.quality.copy()
    quality[:10, 1] = np.nan
    holes = replace(parts.train, table=replace(parts.train.table, quality=quality))
    found, bandit = replay("linucb", parts._replace(train=holes), num_orders=2)
    assert found.num_served == len(quality) - 10
    assert np.isfinite(bandit.posterior.theta).all()


def test_a_table_without_costs_is_refused():
    parts = make_parts(300)
    free = Parts(*(replace(p, table=replace(p.table, cost=np.full_like(p.table.cost, np.nan))) for p in parts))
    with pytest.raises(InputError, match="has no costs"):
        replay("linucb", free)


def test_a_stream_needs_prompts():
    parts = make_parts(300)
    tiny = replace(parts.train, table=parts.train.table.take(np.arange(1)), embeddings=parts.train.embeddings[:1])
    with pytest.raises(InputError, match="1 complete train prompts are too few"):
        replay("linucb", parts._replace(train=tiny))


@pytest.mark.parametrize(("option", "value"), [("num_orders", 0), ("willingness_to_pay", 0.0)])
def test_wrong_options_are_named(option, value):
    with pytest.raises(InputError, match=rf"online\.{option} must be"):
        Replay(make_bandit("linucb"), **({"num_orders": 1, "willingness_to_pay": None} | {option: value}))


def test_intervals_over_orders_are_students():
    values = np.random.default_rng(0).normal(3, 1, size=(2000, 6))
    intervals = [over_orders(row) for row in values]
    covered = np.mean([each.low <= 3 <= each.high for each in intervals])
    assert 0.935 < covered < 0.965


def test_the_report_says_what_was_lost_and_what_was_learned(served, tmp_path):
    found = served["thompson"]
    write_served(found, tmp_path)
    text = (tmp_path / "online.md").read_text()
    assert findings(found).split("\n")[0] in text.replace("\\", "")
    lines = [line for line in served_table(found).split("\n") if line.startswith("| thompson")]
    total = found.services["thompson"].regret.sum(axis=1).mean()
    assert len(lines) == 1
    assert float(lines[0].split("|")[2].split()[0]) == pytest.approx(total, abs=0.06)
    for name in ("full_information", "best_arm", "random", "zero_router", "linear", "oracle"):
        assert f"| {name}" in text
    for name in ("online.png", "report.html", "metrics.json"):
        assert (tmp_path / name).stat().st_size > 5000


def test_one_order_has_a_report_without_intervals_over_orders(tmp_path):
    found, _ = replay("linucb", make_parts(300), num_orders=1)
    write_served(found, tmp_path)
    assert over_orders(found.services["linucb"].regret.sum(axis=1)).low is None
    assert (tmp_path / "online.png").stat().st_size > 5000


def test_the_number_of_models_is_that_of_the_table(served):
    assert len(served["linucb"].evaluation.models) == NUM_MODELS
