"""metrics.json is strict JSON with the promised keys, and its numbers are the evaluation's."""

import json
from dataclasses import replace

import numpy as np
import pytest

from routerbench.evaluation.results import Figure
from routerbench.report.metrics import ROUTER_FIGURES, write_metrics


def read(evaluation, tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    write_metrics(evaluation, tmp_path / "metrics.json")
    return json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)


def test_keys(evaluation, tmp_path):
    found = read(evaluation, tmp_path)
    assert list(found) == [
        "source", "num_scored", "num_left_out", "num_resamples", "models", "best_single", "benchmark_counts",
        "cost_interval", "references", "routers", "verdict", "information", "origin",
    ]  # fmt: skip
    assert set(found["references"]) == {"zero_router", "best_single", "benchmark_oracle", "oracle", "random"}
    assert set(found["references"]["oracle"]) == {"aiq", "quality", "cost", "per_benchmark"}
    assert set(found["routers"]["mlp"]) == {
        *ROUTER_FIGURES, "seed_aiq", "differences", "deployed", "setting", "realised", "calibration", "per_benchmark"
    }  # fmt: skip
    assert set(found["models"]["vendor/middle"]) == {"quality", "cost"}
    assert set(found["information"]) == {*found["routers"], *found["references"]}


def test_numbers(evaluation, tmp_path):
    found, mlp = read(evaluation, tmp_path), evaluation.routers["mlp"]
    assert found["num_scored"] == 149
    assert found["num_left_out"] == 1
    assert found["cost_interval"] == list(evaluation.cost_interval)
    for name in ROUTER_FIGURES:
        figure = getattr(mlp, name)
        high = None if figure.high == np.inf else figure.high
        assert found["routers"]["mlp"][name] == {"value": figure.value, "low": figure.low, "high": high}
    against = found["routers"]["mlp"]["differences"]["zero_router"]
    assert against["value"] == mlp.delta_aiq_zero.value
    assert against["prompts"] == mlp.differences["zero_router"].prompts._asdict()
    assert found["references"]["oracle"]["cost"]["value"] == evaluation.references["oracle"].peak_cost.value
    assert found["routers"]["mlp"]["per_benchmark"]["odd|x"]["aiq"]["value"] == mlp.per_benchmark["odd|x"]["aiq"].value
    assert found["models"]["huge"]["cost"] == evaluation.model_cost[3]


def test_a_table_without_cost_has_null_where_there_is_no_number(without_cost, tmp_path):
    found = read(without_cost, tmp_path)
    assert found["cost_interval"] is None
    assert found["routers"]["mlp"]["aiq"]["value"] is None
    assert found["models"]["huge"]["cost"] is None
    assert found["routers"]["mlp"]["peak_quality"]["value"] == without_cost.routers["mlp"].peak_quality.value


@pytest.mark.parametrize("odd", [np.nan, np.inf, np.float64(0.5)])
def test_nan_infinity_and_numpy_numbers(evaluation, tmp_path, odd):
    router = replace(evaluation.routers["mlp"], qnc=Figure(odd, odd, odd))
    figure = read(replace(evaluation, routers={"mlp": router}), tmp_path)["routers"]["mlp"]["qnc"]
    expected = 0.5 if odd == 0.5 else None
    assert figure == {"value": expected, "low": expected, "high": expected}
