"""The Parquet files hold every breakpoint and every prediction, to the last bit."""

import numpy as np
from pyarrow import parquet

from routerbench.data.outcomes import OutcomeTable
from routerbench.report.curves import write_curves, write_predictions
from routerbench.routers.base import Choices, Prediction


def test_curves_are_the_sweeps(evaluation, tmp_path):
    write_curves(evaluation, tmp_path / "curves.parquet")
    table = parquet.read_table(tmp_path / "curves.parquet")
    assert table.column_names == ["router", "seed", "lambda", "cost", "quality"]
    assert [str(field.type) for field in table.schema] == ["string", "int16", "double", "double", "double"]
    names = np.array(table["router"].to_pylist())
    assert set(names) == {"mlp", "knn", "oracle", "benchmark_oracle"}
    for name, scored in {**evaluation.routers, **evaluation.references}.items():
        for sweep in scored.sweeps:
            for column, values in (("lambda", "lambdas"), ("cost", "cost"), ("quality", "quality")):
                assert np.array_equal(table[column].to_numpy()[names == name], getattr(sweep, values))


def test_no_router_and_no_cost(make, tmp_path):
    alone = make(noise={}, cost_of=lambda cost: np.full_like(cost, np.nan))
    write_curves(alone, tmp_path / "curves.parquet")
    assert set(parquet.read_table(tmp_path / "curves.parquet")["router"].to_pylist()) == {"oracle", "benchmark_oracle"}


def test_predictions_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    prediction = Prediction(rng.random((5, 2)), rng.random((5, 2)) * 1e-3)
    prediction.cost[:, 1] = np.nan
    table = OutcomeTable(
        prompts=np.array(list("abcde"), object), models=("vendor/模型|x", "b"), quality=prediction.quality,
        cost=prediction.cost, benchmark=np.array(["x"] * 5, object), ids=np.array(list("edcba"), object),
        rows=np.arange(5), source="s",
    )  # fmt: skip
    write_predictions(table, prediction, tmp_path / "predictions" / "mlp.parquet")
    found = parquet.read_table(tmp_path / "predictions" / "mlp.parquet")
    assert found.column_names == ["sample_id", "vendor/模型|x", "vendor/模型|x|total_cost", "b", "b|total_cost"]
    assert found["sample_id"].to_pylist() == list("edcba")
    for number, model in enumerate(table.models):
        assert np.array_equal(found[model].to_numpy(), prediction.quality[:, number])
        assert np.array_equal(found[f"{model}|total_cost"].to_numpy(), prediction.cost[:, number], equal_nan=True)


def test_choices_are_written_as_the_lambdas_up_to_which_each_model_is_called(tmp_path):
    lambdas, cells = np.array([0.5, 1.0, 2.0, np.inf]), np.ones((2, 3))
    choices = Choices(lambdas, np.array([[0, 0, 2, 0], [1, 1, 1, 1]], np.int16))
    table = OutcomeTable(
        prompts=np.array(list("ab"), object), models=("x", "y", "z"), quality=cells, cost=cells,
        benchmark=np.array(["b"] * 2, object), ids=np.array(list("ab"), object), rows=np.arange(2), source="s",
    )  # fmt: skip
    write_predictions(table, Prediction(cells, cells, choices=choices), tmp_path / "policy.parquet")
    found = parquet.read_table(tmp_path / "policy.parquet")
    assert found.column_names[-1] == "choices"
    assert found["choices"].to_pylist() == [
        [{"up_to": 1.0, "model": "x"}, {"up_to": 2.0, "model": "z"}, {"up_to": np.inf, "model": "x"}],
        [{"up_to": np.inf, "model": "y"}],
    ]
