"""The Parquet files hold every breakpoint and every prediction, to the last bit."""

import numpy as np
from pyarrow import parquet

from routerbench.data.outcomes import OutcomeTable
from routerbench.report.curves import write_curves, write_predictions
from routerbench.routers.base import Prediction


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
