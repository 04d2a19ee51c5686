"""Headroom by hand and by brute force; luck in simulations with known truth."""

import numpy as np
import pytest

from routerbench.audit.headroom import (
    Headroom,
    aiq_headroom,
    oracle_of_repeats,
    oracle_without_routing,
    quality_headroom,
)
from routerbench.policy import select
from tests.conftest import make_table


def test_quality_by_hand():
    """Train says b is better on x and a on y; on test that holds but for one prompt of y, which a fails."""
    names = np.array(["x", "x", "y", "y"], dtype=object)
    train = make_table([[0, 1], [0, 1], [1, 0], [1, 1]], np.ones((4, 2)), benchmark=names)
    test = make_table([[0, 1], [0, 1], [1, 0], [0, 1]], np.ones((4, 2)), benchmark=names)
    headroom = quality_headroom(test, train)
    assert headroom == Headroom(blind=3 / 4, benchmark_oracle=3 / 4, oracle=1.0)
    assert headroom.between == 0


def test_shares_need_a_headroom():
    assert Headroom(0.5, 0.5, 0.5).between is None
    assert Headroom(0.5, 0.4, 0.7).between == pytest.approx(-0.5)


def brute_aiq(points, low, high):
    """Mean over a fine grid of the best mixture of two points at each cost."""
    grid = np.linspace(low, high, 401)
    cost, quality = np.array(points).T
    best = np.array([quality[cost <= at + 1e-15].max() for at in grid])
    for c, q in points:
        for d, r in points:
            if c < d:
                inside = (grid >= c) & (grid <= d)
                best[inside] = np.maximum(best[inside], q + (r - q) * (grid[inside] - c) / (d - c))
    return np.trapezoid(best, grid) / (high - low)


def test_aiq_is_that_of_the_mixtures():
    rng = np.random.default_rng(3)
    quality, cost = rng.random((12, 3)).round(1), rng.random((12, 3)) + np.array([0.1, 0.5, 2])
    benchmark = np.array(["x", "y"] * 6, dtype=object)
    test = make_table(quality, cost, benchmark=benchmark)
    train = make_table(rng.random((10, 3)), rng.random((10, 3)), benchmark=benchmark[:10])
    found = aiq_headroom(test, train)
    singles = list(zip(cost.mean(axis=0), quality.mean(axis=0), strict=True))
    low, high = min(singles)[0], max(singles)[0]

    def routed(predicted_quality, predicted_cost):
        points = [min(singles)]
        for lambda_ in [0, *np.geomspace(1e-3, 1e3, 1500), np.inf]:
            chosen = select(predicted_quality, predicted_cost, lambda_)
            points.append((cost[np.arange(12), chosen].mean(), quality[np.arange(12), chosen].mean()))
        return brute_aiq(sorted(set(points)), low, high)

    rows = [np.flatnonzero(benchmark[:10] == name) for name in benchmark]
    informed = [np.array([cells[part].mean(axis=0) for part in rows]) for cells in (train.quality, train.cost)]
    assert found.blind == pytest.approx(brute_aiq(singles, low, high), abs=2e-3)
    assert found.benchmark_oracle == pytest.approx(routed(*informed), abs=2e-3)
    assert found.oracle == pytest.approx(routed(quality, cost), abs=2e-3)


def test_no_aiq_without_costs_that_differ():
    quality = np.eye(2)
    for cost in (np.full((2, 2), np.nan), np.ones((2, 2))):
        table = make_table(quality, cost)
        assert aiq_headroom(table, table) is None


def test_repeats_by_hand():
    """Read the first copy: two are best, one of them stays so, 1/2. Read the second: the best one was best, 1."""
    luck = oracle_of_repeats(np.array([[1.0, 1, 0], [1, 0, 0]]), np.array([[0, 1]]))
    assert (luck.num_prompts, luck.measured, luck.expected) == (1, 1.0, 0.75)
    assert oracle_of_repeats(np.ones((2, 2)), np.empty((0, 2), int)) is None


def test_repeats_find_what_is_not_luck():
    """Coins of known bias, the best model known to nobody: the second try is worth what the biases say."""
    rng = np.random.default_rng(0)
    chance = rng.random((20_000, 4))
    tries = (rng.random((2, 20_000, 4)) < chance).astype(float)
    pairs = np.column_stack([np.arange(20_000), np.arange(20_000) + 20_000])
    luck = oracle_of_repeats(tries.reshape(-1, 4), pairs)
    is_best = tries[0] == tries[0].max(axis=1, keepdims=True)
    truth = ((is_best * chance).sum(axis=1) / is_best.sum(axis=1)).mean()
    assert luck.expected == pytest.approx(truth, abs=0.01)
    assert luck.measured - luck.expected > 0.2


def rasch(num_prompts, skills, spread, rng):
    difficulty = rng.normal(0, spread, (num_prompts, 1))
    return (rng.random((num_prompts, len(skills))) < 1 / (1 + np.exp(difficulty - skills))).astype(float)


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_a_world_without_routing_is_recognised(spread):
    rng = np.random.default_rng(1)
    parts = [rasch(6000, np.array(skills), spread, rng) for skills in ([-1, 0, 0.3, 1, 2], [-2, -2, -1, -1, 0])]
    luck = oracle_without_routing(np.concatenate(parts), np.repeat(["x", "y"], 6000).astype(object))
    assert luck.num_prompts == 12_000
    assert luck.expected == pytest.approx(luck.measured, abs=0.012)


def test_independent_coins_by_formula():
    rng = np.random.default_rng(2)
    quality = (rng.random((50_000, 3)) < [0.2, 0.5, 0.3]).astype(float)
    luck = oracle_without_routing(quality, np.full(50_000, "x", object))
    assert luck.expected == pytest.approx(1 - 0.8 * 0.5 * 0.7, abs=0.01)


def test_models_that_complement_each_other_exceed_it():
    """Each prompt has its own one expert: the oracle is 1, where independent coins would give 1 - (2/3)^3."""
    luck = oracle_without_routing(np.tile(np.eye(3), (100, 1)), np.full(300, "x", object))
    assert luck.measured == 1
    assert luck.expected == pytest.approx(1 - (2 / 3) ** 3, abs=1e-6)


def test_only_complete_binary_benchmarks_of_three_models_are_taken():
    quality = np.array([[0, 1, 0], [1, np.nan, 0], [1, 0, 0.5], [0, 0, 1]])
    benchmark = np.array(["x", "x", "graded", "x"], object)
    assert oracle_without_routing(quality, benchmark).num_prompts == 2
    assert oracle_without_routing(quality[2:3], benchmark[2:3]) is None
    assert oracle_without_routing(np.eye(2), np.array(["x", "x"], object)) is None
