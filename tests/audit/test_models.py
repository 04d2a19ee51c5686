"""Comparisons of models, and costs with inserted errors."""

import numpy as np
import pytest

from routerbench.audit.models import check_costs, compare_models
from routerbench.policy import select
from tests.conftest import make_table


def test_the_oracle_calls_as_select_does():
    rng = np.random.default_rng(0)
    quality, cost = rng.random((40, 5)).round(1), rng.random((40, 5))
    called = np.zeros((40, 5), bool)
    for lambda_ in [0, *np.geomspace(1e-4, 1e4, 5_000), np.inf]:
        called[np.arange(40), select(quality, cost, lambda_)] = True
    found = compare_models(make_table(quality, cost))
    assert found.oracle_share == pytest.approx(called.mean(axis=0))
    alone = [np.mean([row[m] > max(np.delete(row, m)) for row in quality]) for m in range(5)]
    assert found.alone_best == pytest.approx(alone)


def test_dominated_and_needless_by_hand():
    """'waste' is dearer and worse than 'good' everywhere but on one prompt of 200, where it alone is right."""
    quality = np.tile([0.0, 1.0, 0.0, 1.0], (200, 1))
    quality[:50, 3] = 0
    quality[0] = [0, 0, 1, 0]
    cost = np.tile([1.0, 2.0, 3.0, 2.0], (200, 1))
    found = compare_models(make_table(quality, cost, models=("cheap", "good", "waste", "lesser")))
    assert found.dominated_by == (None, None, 1, 1)
    assert found.oracle_share == pytest.approx([1, 199 / 200, 1 / 200, 0])
    assert found.needless == (2, 3)
    assert found.needless_loss == pytest.approx(1 / 200)
    assert found.alone_best == pytest.approx([0, 49 / 200, 1 / 200, 0])


def test_the_best_single_model_is_never_needless():
    """The oracle gets all from two cheap specialists; a router that cannot tell them apart needs the dear one."""
    quality = np.tile([[1.0, 0, 1], [0, 1, 1]], (100, 1))
    found = compare_models(make_table(quality, np.tile([1.0, 1.5, 9], (200, 1))))
    assert found.oracle_share[2] == 0
    assert found.needless == ()


def test_equal_models_do_not_dominate_each_other():
    found = compare_models(make_table(np.ones((5, 2)), np.ones((5, 2))))
    assert found.dominated_by == (None, None)


def test_twins():
    quality = np.random.default_rng(1).integers(0, 2, (100, 3)).astype(float)
    quality = np.column_stack([quality, quality[:, 1]])
    quality[:3, 3] = 1 - quality[:3, 3]
    found = compare_models(make_table(quality, np.ones((100, 4))))
    assert (found.closest[1], found.closest[3]) == (3, 1)
    assert found.differing[[1, 3]] == pytest.approx(0.03)


def test_without_cost_the_best_are_those_that_none_beats():
    quality = np.tile([[1.0, 1, 0], [1, 0, 0]], (100, 1))
    found = compare_models(make_table(quality, np.full((200, 3), np.nan)))
    assert found.cost is None
    assert found.oracle_share.tolist() == [1, 0.5, 0]
    assert found.needless == (2,)


def test_incomplete_prompts_are_left_out():
    found = compare_models(make_table([[1, 0], [np.nan, 1], [0, 1]], [[1, 2], [1, 2], [np.nan, 2]]))
    assert found.quality.tolist() == [1, 0]


def lognormal_costs(seed=0):
    """Two models on two benchmarks, the second of which costs 50 times as much."""
    rng = np.random.default_rng(seed)
    benchmark = np.repeat(["short", "long"], 300).astype(object)
    cost = rng.lognormal(0, 0.3, (600, 2)) * np.where(benchmark == "long", 50, 1)[:, None] * [1e-4, 1e-3]
    return cost, benchmark


def check(cost, benchmark):
    return check_costs(make_table(np.ones_like(cost), cost, benchmark=benchmark))


def test_honest_costs_have_no_outliers():
    found = check(*lognormal_costs())
    assert (found.num_outliers, found.farthest, found.num_zero, found.free_models) == (0, None, 0, ())


def test_a_mistaken_unit_is_found():
    cost, benchmark = lognormal_costs()
    cost[7, 0] *= 1000
    cost[450, 1] /= 20
    found = check(cost, benchmark)
    assert found.num_outliers == 2
    assert (found.farthest.id, found.farthest.model) == ("p7", "model-0")
    assert found.farthest.median == pytest.approx(np.exp(np.median(np.log(cost[:300, 0]))))


def test_flat_rates_and_tiny_benchmarks():
    """A model at a flat rate has no spread; a tenth more is no mistake, ten times is."""
    cost = np.full((40, 2), 0.01)
    cost[0, 0], cost[1, 0] = 0.011, 0.1
    benchmark = np.array(["a"] * 35 + ["b"] * 5, object)
    assert check(cost, benchmark).num_outliers == 1


def test_zeros():
    cost = np.array([[0.0, 0, np.nan], [1, 0, 1], [1, 0, 1]])
    found = check(cost, np.full(3, "x", object))
    assert (found.num_cells, found.num_zero, found.free_models) == (8, 1, ("model-1",))
    assert found.farthest is None
    free = check(np.zeros((3, 2)), np.full(3, "x", object))
    assert (free.top_share, free.num_zero) == (0, 0)


def test_the_dearest_hundredth():
    cost = np.ones((200, 2))
    cost[:2] = [[60, 39], [39, 60]]
    assert check(cost, np.full(200, "x", object)).top_share == pytest.approx(2 * 99 / (2 * 99 + 198 * 2))


def test_no_cost_no_check():
    assert check(np.full((3, 2), np.nan), np.full(3, "x", object)) is None
