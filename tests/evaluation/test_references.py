import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.evaluation.references import benchmark_oracle, best_single, oracle, random_point, zero_router
from tests.conftest import make_table

NAN = np.nan


def names(*benchmarks):
    return np.array(benchmarks, dtype=object)


def test_benchmark_oracle_predicts_train_means_of_the_benchmark(table):
    prediction = benchmark_oracle(table, table)
    a, b = [1 / 2, 1 / 2, 1], [1 / 2, 1 / 4, 1 / 2]
    assert prediction.quality.tolist() == [a, a, b, b]
    assert prediction.cost.tolist() == [[1, 2, 4]] * 4


def test_benchmark_oracle_falls_back_to_overall_means_where_train_saw_nothing():
    train = make_table(
        [[0.5, 1.0], [NAN, 0.5], [0.25, NAN]], [[1, NAN], [3, 6], [5, 8]], benchmark=names("a", "a", "b")
    )
    asked = make_table(np.zeros((4, 2)), np.zeros((4, 2)), benchmark=names("b", "new", "a", ""))
    prediction = benchmark_oracle(train, asked)
    everywhere = [0.375, 0.75], [3, 7]
    assert prediction.quality.tolist() == [[0.25, 0.75], everywhere[0], [0.5, 0.75], everywhere[0]]
    assert prediction.cost.tolist() == [[5, 8], everywhere[1], [2, 6], everywhere[1]]


def test_benchmark_oracle_of_a_table_without_cost_predicts_none():
    train = make_table([[0.5, 1.0]], [[NAN, NAN]])
    prediction = benchmark_oracle(train, train)
    assert prediction.quality.tolist() == [[0.5, 1.0]]
    assert np.isnan(prediction.cost).all()


def test_a_model_train_knows_nothing_of_is_named():
    train = make_table([[0.5, NAN]], [[1, 2]])
    with pytest.raises(InputError, match=r"test table: no quality of 'model-1' is known on the train split"):
        benchmark_oracle(train, train)


@pytest.mark.parametrize(
    ("quality", "cost", "best"),
    [
        ([[0.5, 0.75, 0.25]], [[1, 2, 3]], 1),
        ([[0.75, 0.75, 0.25]], [[2, 1, 3]], 1),
        ([[0.75, 0.75, 0.75]], [[2, 1, 1]], 1),
        ([[0.5, NAN, 0.25], [0.5, 0.75, NAN]], [[1, 2, 3]] * 2, 1),
        ([[0.5, 0.75, 0.75]], [[NAN, NAN, NAN]], 1),
    ],
)
def test_best_single_is_the_best_then_the_cheaper_then_the_first(quality, cost, best):
    assert best_single(make_table(quality, cost)) == best


def test_oracle_zero_router_and_random(table):
    assert oracle(table).quality is table.quality
    assert oracle(table).cost is table.cost
    cost, quality = table.cost.mean(axis=0), table.quality.mean(axis=0)
    hull = zero_router(cost, quality)
    assert (hull.cost.tolist(), hull.quality.tolist()) == ([1, 4], [1 / 2, 3 / 4])
    assert random_point(cost, quality) == (7 / 3, pytest.approx(13 / 24))
