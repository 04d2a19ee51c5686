"""Evaluation of all runs of a study, with paired differences to the same router's baseline run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Parts
from routerbench.evaluation.bootstrap import Bootstrap
from routerbench.evaluation.contest import Contest
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.resample import BENCHMARK_SHARE, NUM_RESAMPLES
from routerbench.evaluation.results import Difference
from routerbench.experiments.study import Condition, Study
from routerbench.routers.base import Prediction

Runs = Mapping[tuple[str, str], Prediction]
"""Maps router and label of the condition to predictions for the test prompts."""


def score(
    runs: Runs,
    parts: Parts,
    conditions: Sequence[Condition],
    baseline: str,
    rng: np.random.Generator,
    *,
    title: str,
    axis: str = "",
    log_axis: bool = False,
    by_benchmark: bool = False,
    notes: Sequence[str] = (),
) -> Study:
    """Evaluate all runs on the same prompts, and compare each with its router's run in the baseline condition.

    Args:
        runs: predictions for all prompts of ``parts.test``.
        parts: train, validation and test; the references learn on train, whatever the condition.
        conditions: conditions in the order of the report.
        baseline: label of the condition that the others are compared with; every router has a run there.
        rng: random number generator for the resamples.
        title: title of the study.
        axis: label of the axis of positions.
        log_axis: whether the axis is logarithmic.
        by_benchmark: whether to compare the runs on each benchmark as well.
        notes: notes for the reader.
    """
    names = {run: ", ".join(run) for run in runs}
    predictions = {names[run]: prediction for run, prediction in runs.items()}
    evaluation = evaluate(predictions, parts.test.table, parts.train.table, num_resamples=NUM_RESAMPLES)
    pairs = {name: names[router, baseline] for (router, condition), name in names.items() if condition != baseline}
    table = parts.test.table
    scopes: dict[str | None, NDArray[np.int64]] = {None: np.flatnonzero(table.is_complete)}
    if by_benchmark:
        scopes |= {
            name: np.flatnonzero(table.is_complete & (table.benchmark == name)) for name in evaluation.benchmark_counts
        }
    cost = table.cost if evaluation.measure == "aiq" else None
    paired = {
        scope: _paired(predictions, pairs, table.quality, cost, rows, scope is None, rng)
        for scope, rows in scopes.items()
    }
    return Study(
        title=title,
        axis=axis,
        log_axis=log_axis,
        conditions=tuple(conditions),
        baseline=baseline,
        routers=tuple(dict.fromkeys(router for router, _ in runs)),
        names=names,
        evaluation=evaluation,
        changes={name: {scope: found[name] for scope, found in paired.items()} for name in pairs},
        notes=tuple(notes),
    )


def _paired(
    predictions: Mapping[str, Prediction],
    pairs: Mapping[str, str],
    quality: NDArray[np.float64],
    cost: NDArray[np.float64] | None,
    rows: NDArray[np.int64],
    is_whole: bool,
    rng: np.random.Generator,
) -> dict[str, Difference]:
    """Compute the paired difference of the two runs of each pair on some rows, over shared resamples."""
    entrants = {name: [prediction.take(rows)] for name, prediction in predictions.items()}
    contest = Contest(entrants, quality[rows], None if cost is None else cost[rows], best=0)
    measured = Bootstrap.of(contest, NUM_RESAMPLES if is_whole else NUM_RESAMPLES // BENCHMARK_SHARE, rng)
    return {name: measured.difference(name, other) for name, other in pairs.items()}
