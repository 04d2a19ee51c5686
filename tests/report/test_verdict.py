"""The verdict says what the figures say, the bad as plainly as the good."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.evaluation.results import Deployed, Difference, Figure, Interval, Targets
from routerbench.report.verdict import verdict

SURE, UNSURE = 0.002, 0.31


@pytest.fixture
def speak(evaluation):
    """The verdict on one router whose figures and differences are given."""
    best = evaluation.models.index(evaluation.best_single)
    model_quality, model_cost = evaluation.model_quality.copy(), evaluation.model_cost.copy()
    model_quality[best], model_cost[best] = 0.88, 2.0

    def words(differences=(), num_resamples=1000, num_benchmarks=2, deployed=None, **figures):
        figures = {"aiq": [0.741], "gain": [0.01], "peak_quality": [0.9], "qnc": [0.43]} | figures
        router = replace(
            evaluation.routers["mlp"],
            differences=dict(differences),
            deployed=deployed or {},
            per_benchmark={f"b{i}": {} for i in range(num_benchmarks)},
            **{name: Figure(*values) for name, values in figures.items()},
        )
        changed = replace(
            evaluation, model_quality=model_quality, model_cost=model_cost, routers={"r": router},
            num_resamples=num_resamples, targets=Targets(keep=0.95),
        )  # fmt: skip
        return verdict(changed).replace(evaluation.best_single, "BEST")

    return words


def found(value, p, clusters=None):
    return Difference(value, Interval(value - 0.01, value + 0.01, p), clusters and Interval(-1, 1, clusters))


def test_savings_gain_and_standing(speak):
    differences = {
        "zero_router": found(0.032, SURE),
        "best_single": found(0.1, SURE),
        "benchmark_oracle": found(0.003, UNSURE),
        "knn": found(-0.02, 0.04),
    }
    line = speak(differences, aiq=[0.741, 0.73, 0.75], qnc=[0.43, 0.4, 0.5], gain=[0.01, -0.001, 0.02]).split("\n")[0]
    assert line == (
        "r: saves 57 % (50 % to 60 %) at the quality of the best single model (BEST, .880); +.010 (-.001 to +.020) in "
        "quality at its cost. AIQ .741 (.730 to .750): above zero_router (+.032, p = .002) and best_single (+.100, "
        "p = .002); not distinguishable from knowing the benchmark alone (+.003, p = .31); below knn (-.020, "
        "p = .040). 2 benchmarks are too few to say how this would be on others."
    )


def test_never_the_best(speak):
    line = speak(qnc=[None], peak_quality=[0.85], gain=[-0.03]).split("\n")[0]
    assert line.startswith(
        "r: never reaches the quality of the best single model (BEST, .880): .850 is the most it gets at any price; "
        "-.030 in quality at the same cost. AIQ .741."
    )


def test_dear_and_uncertain(speak):
    assert "r: takes 20 % more than the best single model (BEST, .880) for its quality;" in speak(qnc=[1.2, 1.1, 1.3])
    assert "saves 18 % (at best 57 %; at worst it never gets there) at" in speak(qnc=[0.82, 0.43, np.inf])


def test_a_free_best_model(speak):
    text = speak(qnc=[None], peak_quality=[0.9])
    assert "r: reaches the quality of the best single model (BEST, .880), which costs nothing" in text


def test_what_other_benchmarks_might_undo(speak):
    differences = {"zero_router": found(0.03, SURE, clusters=0.2), "knn": found(0.02, SURE, clusters=0.01)}
    assert "With other benchmarks it might not differ from zero_router (p = .20)." in speak(
        differences, num_benchmarks=9
    )
    assert "benchmark" not in speak({"knn": found(0.02, SURE, clusters=0.01)}, num_benchmarks=9)
    assert "too few" not in speak(differences, num_benchmarks=1)


def test_deployed(speak):
    share = Figure(0.948, 0.93, 0.96)
    point = Deployed((0.1,), (0.0,), 1.0, 0.8, Figure(1.0), Figure(0.8), Figure(0.25, 0.2, 0.3), share, Figure(0.0))
    assert (
        "Deployed to keep 95 % of the best single model's quality, it kept 94.8 % (93.0 % to 96.0 %) at 25 % (20 % to "
        "30 %) of its cost." in speak(deployed={"keep": point})
    )


def test_without_intervals(speak):
    text = speak({"zero_router": Difference(0.0001, None, None), "knn": Difference(0.02, None, None)}, num_resamples=0)
    assert "above knn (+.020); not distinguishable from zero_router (.000)" in text
    assert text.endswith("These differences have no confidence interval: small ones may be noise.")


def test_several_seeds_are_named(evaluation):
    router = evaluation.routers["mlp"]
    pooled = replace(evaluation, routers={"mlp": replace(router, sweeps=router.sweeps * 3)})
    assert verdict(pooled).startswith("mlp (mean of 3 seeds): ")


def test_best_first_and_the_best_model_named_once(evaluation):
    lines = verdict(evaluation).split("\n")
    assert [line.split(":")[0] for line in lines[:2]] == ["mlp", "knn"]
    assert sum(evaluation.best_single in line for line in lines) == 1


def test_quality_only(without_cost):
    lines = verdict(without_cost).split("\n")
    assert lines[0].startswith("mlp: Quality .")
    assert "best_single (" in lines[0]
    assert lines[2] == "This table has no cost: quality only."
    assert "AIQ" not in "".join(lines)


def test_one_price_for_all(make):
    text = verdict(make(cost_of=lambda cost: np.full_like(cost, 0.25)))
    assert "All models cost the same" in text
    assert "AIQ -" not in text


def test_no_router(make):
    assert verdict(make(noise={})).startswith("No router was evaluated")
