import numpy as np
import pytest

from routerbench.data.outcomes import Parts
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.experiments import scoring
from routerbench.experiments.scoring import score
from routerbench.experiments.study import Condition
from routerbench.routers.base import Prediction
from tests.experiments.conftest import make_world


def runs_of(parts):
    rng = np.random.default_rng(0)
    quality, cost = parts.test.table.quality, parts.test.table.cost

    def noisy(weight):
        return Prediction((1 - weight) * np.nan_to_num(quality) + weight * rng.random(quality.shape), cost.copy())

    return {("r", "good"): noisy(0.3), ("r", "bad"): noisy(0.95)} | {("s", name): noisy(0.5) for name in ("good",)}


def scored(parts, runs, **options):
    conditions = [Condition("good"), Condition("bad")]
    return score(runs, parts, conditions, "good", np.random.default_rng(0), title="a title", **options)


def test_the_interval_of_a_change_is_that_of_a_paired_bootstrap(monkeypatch):
    """Resampled by taking the drawn rows and scoring them as a table of their own."""
    monkeypatch.setattr(scoring, "NUM_RESAMPLES", 600)
    parts = Parts.of(*make_world(num_prompts=200))
    runs = runs_of(parts)
    change = scored(parts, runs).changes["r, bad"][None]
    table, rng, differences = parts.test.table, np.random.default_rng(5), []
    for _ in range(400):
        rows = rng.integers(len(table), size=len(table))
        good, bad = (validation_aiq(runs["r", name].take(rows), table.take(rows)) for name in ("good", "bad"))
        differences.append(bad - good)
    low, high = np.quantile(differences, [0.025, 0.975])
    width = change.prompts.high - change.prompts.low
    assert width == pytest.approx(high - low, rel=0.2)
    assert change.prompts.high < 0
    assert change.value == pytest.approx(np.mean(differences), abs=width / 2)


@pytest.mark.usefixtures("few_resamples")
def test_prompts_with_a_missing_cell_are_left_out_of_the_pairs():
    table, embeddings = make_world()
    parts = Parts.of(table, embeddings)
    runs = runs_of(parts)
    parts.test.table.quality[::3, 1] = np.nan
    study = scored(parts, runs, by_benchmark=True)
    kept = parts.test.table.is_complete
    clean = parts._replace(test=type(parts.test)(parts.test.table.take(kept), parts.test.embeddings[kept]))
    expected = scored(clean, {run: prediction.take(kept) for run, prediction in runs.items()}, by_benchmark=True)
    assert study.changes == expected.changes
    assert study.evaluation.num_left_out == (~kept).sum()


@pytest.mark.usefixtures("few_resamples")
def test_equal_runs_differ_by_nothing_and_a_router_without_a_condition_has_no_run():
    parts = Parts.of(*make_world())
    runs = runs_of(parts)
    runs["r", "bad"] = runs["r", "good"]
    study = scored(parts, runs)
    assert study.changes["r, bad"][None].value == 0
    assert study.changes["r, bad"][None].prompts[:2] == (0, 0)
    assert study.scored("s", "bad") is None
    assert list(study.changes) == ["r, bad"]
    assert study.routers == ("r", "s")
