"""The verdict says what the figures say, the bad as plainly as the good."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.evaluation.frontier import Hull
from routerbench.evaluation.results import Figure
from routerbench.report.verdict import verdict


@pytest.fixture
def speak(evaluation):
    """The verdict on one router whose figures are given, beside a benchmark_oracle with AIQ .746."""
    best = evaluation.models.index(evaluation.best_single)
    model_quality, model_cost = evaluation.model_quality.copy(), evaluation.model_cost.copy()
    model_quality[best], model_cost[best] = 0.88, 2.0
    reference = replace(evaluation.references["benchmark_oracle"], aiq=Figure(0.746))
    hull = Hull(np.array([1.0, 3.0]), np.array([0.6, 0.92]))

    def words(**figures):
        router = replace(evaluation.routers["mlp"], hull=hull, **{name: Figure(*v) for name, v in figures.items()})
        references = {**evaluation.references, "benchmark_oracle": reference}
        changed = replace(
            evaluation, model_quality=model_quality, model_cost=model_cost, references=references, routers={"r": router}
        )
        return verdict(changed).replace(evaluation.best_single, "BEST")

    return words


def test_better(speak):
    assert speak(aiq=[0.741], delta_aiq_zero=[0.032], qnc=[0.43]) == (
        "r: AIQ .741, above zero_router by .032 and below benchmark_oracle by .005. It matches the best single model "
        "(BEST, .880) at 43 % of its cost; at the cost of the best single model its hull reaches .760.\n"
        "These differences have no confidence interval yet: small ones may be noise."
    )


def test_worse_than_zero_and_never_the_best(speak):
    line = speak(aiq=[0.7], delta_aiq_zero=[-0.01], qnc=[None], peak_quality=[0.85]).split("\n")[0]
    assert line == (
        "r: AIQ .700, worse than zero_router, which needs no router at all, by .010 and below "
        "benchmark_oracle by .046. It never reaches the quality of the best single model (BEST, .880): "
        ".850 is the most it gets at any price."
    )


def test_level_dear_and_with_interval(speak):
    text = speak(aiq=[0.7464], delta_aiq_zero=[0.0001, -0.01, 0.012], qnc=[1.2])
    assert "level with zero_router, which needs no router at all (95 % interval -.010 to +.012)" in text
    assert "level with benchmark_oracle" in text
    assert "only at 120 % of its cost" in text
    assert "confidence" not in text


def test_a_free_best_model(speak):
    text = speak(aiq=[0.75], delta_aiq_zero=[0.1], qnc=[None], peak_quality=[0.9])
    assert "It reaches the quality of the best single model (BEST, .880), which costs nothing" in text


def test_best_first_and_the_best_model_named_once(evaluation):
    lines = verdict(evaluation).split("\n")
    assert [line.split(":")[0] for line in lines[:2]] == ["mlp", "knn"]
    assert sum(evaluation.best_single in line for line in lines) == 1


def test_quality_only(without_cost):
    lines = verdict(without_cost).split("\n")
    assert lines[0].startswith("mlp: quality .")
    assert lines[2] == "This table has no cost: quality only."
    assert "AIQ" not in "".join(lines)


def test_one_price_for_all(make):
    text = verdict(make(cost_of=lambda cost: np.full_like(cost, 0.25)))
    assert "All models cost the same" in text
    assert "AIQ -" not in text


def test_no_router(make):
    assert verdict(make(noise={})).startswith("No router was evaluated")
