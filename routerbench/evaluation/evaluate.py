"""Evaluation of routers together with the references, on one table and one interval of costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.bootstrap import Bootstrap, macro, realised
from routerbench.evaluation.contest import FIGURES, Contest
from routerbench.evaluation.deployment import Deployment, Validation
from routerbench.evaluation.metrics import brier, ece, reliability
from routerbench.evaluation.references import benchmark_oracle, best_single, oracle
from routerbench.evaluation.resample import BENCHMARK_SHARE, NUM_RESAMPLES
from routerbench.evaluation.results import (
    CalibrationFigures,
    Evaluation,
    Scored,
    Targets,
    cost_interval_of,
    measure_on,
)
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction

INFORMATION = {
    "zero_router": "nothing about the prompt",
    "best_single": "nothing about the prompt",
    "benchmark_oracle": "benchmark id",
    "oracle": "measured outcomes",
    "random": "nothing about the prompt",
}
# References for paired differences: those below the oracle, and two strong baseline routers.
COMPARED = ("zero_router", "best_single", "benchmark_oracle", "knn", "linear")

Entrants = dict[str, Sequence[Prediction | Rollout]]
Predictions = Mapping[str, Prediction | Sequence[Prediction]]


def evaluate(
    predictions: Predictions,
    test: OutcomeTable,
    train: OutcomeTable,
    *,
    baselines: Predictions | None = None,
    validation: Validation | None = None,
    policies: Mapping[str, Sequence[Rollout]] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate routers together with the references: predictions choose, measurements score.

    Prompts with a missing cell are left out and counted. The references learn on train only, except zero_router and
    oracle, which are bounds and read the measured outcomes of test. Intervals are over resampled prompts (and seeds).
    All routers share the resampled prompts, so differences are paired.

    Args:
        predictions: predictions of each router for all N prompts of ``test``, by name; a list for several seeds.
        test: the N prompts to score on.
        train: the split that benchmark_oracle and best_single learn on.
        baselines: predictions of the routers that serve as references, "knn" and "linear".
        validation: data to choose lambda for the deployed points, or None for none.
        policies: rollouts of sequential policies on the complete prompts of ``test``, one per draw, by "router+policy".
            They are ranked among the routers, and are also compared with the router they build on.
        num_resamples: number of bootstrap resamples; 0 for figures without intervals.
        seed: random seed of the resamples.

    Returns:
        All figures; where no cost is known, or all models cost the same, only those of quality have a value.

    Raises:
        InputError: no prompt of test is complete, or predictions do not match the tables.
    """
    routers, helpers, plays = _groups(predictions), _groups(baselines or {}), dict(policies or {})
    for name in routers.keys() & (INFORMATION.keys() | helpers.keys()):
        raise InputError(f"router {name!r} has the name of a reference; give it another name")
    _check({**routers, **helpers}, test, train)
    is_scored, best = test.is_complete, best_single(train)
    table = test.take(is_scored)
    _check_rollouts(plays, len(table))
    predicted = {name: [p.take(is_scored) for p in group] for name, group in (routers | helpers).items()}
    entrants: Entrants = {**predicted, **plays}
    entrants |= {"benchmark_oracle": [benchmark_oracle(train, table)], "oracle": [oracle(table)]}
    interval, benchmarks = cost_interval_of(table), _benchmarks(table)
    cost = table.cost if measure_on(interval) == "aiq" else None
    contest = Contest(entrants, table.quality, cost, best)
    deployment = Deployment(contest, validation, best) if validation is not None and cost is not None else None
    rng = np.random.default_rng(seed)
    num_resamples = num_resamples if len(table) > 1 else 0  # one prompt resamples to itself
    columns = None if deployment is None else deployment.columns
    whole = Bootstrap.of(contest, num_resamples, rng, extras=columns, benchmark=table.benchmark)
    parts = {
        name: Bootstrap.of(
            Contest(_take(entrants, rows), table.quality[rows], None if cost is None else cost[rows], best),
            num_resamples // BENCHMARK_SHARE,
            rng,
        )
        for name, rows in benchmarks.items()
    }

    scorer = _Scorer(whole, parts, deployment, predicted, plays, table, num_resamples, rng)

    return Evaluation(
        source=test.source,
        models=test.models,
        model_cost=table.cost.mean(axis=0) if table.has_cost else contest.means.cost,
        model_quality=contest.means.quality,
        best_single=test.models[best],
        benchmark_counts={name: len(rows) for name, rows in benchmarks.items()},
        num_left_out=len(test) - len(table),
        num_resamples=num_resamples,
        targets=Targets() if deployment is None or validation is None else validation.targets,
        cost_interval=interval,
        references={
            name: scorer(name, seen) for name, seen in (INFORMATION | dict.fromkeys(helpers, "prompt only")).items()
        },
        routers={name: scorer(name, "prompt only") for name in routers}
        | {name: scorer(name, group[0].information) for name, group in plays.items()},
    )


@dataclass(frozen=True)
class _Scorer:
    """Collects all figures of one router or reference.

    Attributes:
        whole: all of test.
        parts: each benchmark.
        deployment: the operating points, or None.
        predicted: predictions of the routers and baselines for the N scored prompts.
        plays: rollouts of the sequential policies.
        table: the N scored prompts.
        num_resamples: of the bootstrap.
        rng: draws the resamples of the rollouts.
    """

    whole: Bootstrap
    parts: Mapping[str, Bootstrap]
    deployment: Deployment | None
    predicted: Mapping[str, Sequence[Prediction]]
    plays: Mapping[str, Sequence[Rollout]]
    table: OutcomeTable
    num_resamples: int
    rng: np.random.Generator

    def __call__(self, name: str, information: str) -> Scored:
        contest, plays = self.whole.contest, self.plays
        rivals = (*COMPARED, name.partition("+")[0])
        others = [other for other in rivals if other in contest.names and other != name]
        return Scored(
            sweeps=() if name in plays else contest.sweeps.get(name, ()),
            rollouts=tuple(plays.get(name, ())),
            realised=realised(plays[name], self.num_resamples, self.rng) if name in plays else (),
            hull=contest.standings[name].hull,
            information=information,
            **{figure: self.whole.figure(name, figure) for figure in FIGURES},
            aiq_macro=macro([*self.parts.values()], name),
            delta_aiq_zero=self.whole.delta_aiq(name, "zero_router"),
            seed_aiq=contest.seed_aiq(name),
            differences={other: self.whole.difference(name, other) for other in others},
            deployed={} if self.deployment is None else self.deployment.records(name, self.whole),
            band=self.whole.band(name),
            calibration=_calibration(self.predicted[name], self.table) if name in self.predicted else None,
            per_benchmark={
                benchmark: {figure: part.figure(name, figure) for figure in ("aiq", "peak_quality", "qnc")}
                for benchmark, part in self.parts.items()
            },
        )


def validation_aiq(prediction: Prediction, table: OutcomeTable) -> float:
    """Compute the AIQ of one router on a split, for early stopping and hyperparameter selection.

    Equal to the AIQ of ``evaluate``. If AIQ is undefined, because the table or the router has no costs or all models
    cost the same, it is the quality of always choosing the model with the best prediction.

    Args:
        prediction: prediction for all N prompts of ``table``.
        table: the validation split; prompts with a missing cell are left out.

    Returns:
        A quality in [0, 1], higher is better.

    Raises:
        InputError: no prompt of the table is complete.
    """
    is_scored = table.is_complete
    if not is_scored.any():
        raise InputError(f"{table.source}: no prompt to validate on. {_gaps(table)}")
    table, prediction = table.take(is_scored), prediction.take(is_scored)
    is_blind = bool(np.isnan(prediction.cost).all())
    measure = "peak_quality" if is_blind else measure_on(cost_interval_of(table))
    contest = Contest({"router": [prediction]}, table.quality, table.cost if measure == "aiq" else None, best=0)
    return float(contest.figures[0, FIGURES.index(measure)])


def _calibration(predictions: Sequence[Prediction], table: OutcomeTable) -> CalibrationFigures:
    """Compare predicted with measured quality, over all cells and seeds."""
    predicted = np.concatenate([prediction.quality.ravel() for prediction in predictions])
    measured = np.tile(table.quality.ravel(), len(predictions))
    predicted = predicted.clip(0, 1)
    return CalibrationFigures(reliability(predicted, measured), ece(predicted, measured), brier(predicted, measured))


def _groups(predictions: Predictions) -> dict[str, list[Prediction]]:
    """Make lists of predictions, one per seed."""
    return {name: [group] if isinstance(group, Prediction) else list(group) for name, group in predictions.items()}


def _take(entrants: Entrants, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Entrants:
    return {name: [entrant.take(rows) for entrant in group] for name, group in entrants.items()}


def _check(predictions: Mapping[str, Sequence[Prediction]], test: OutcomeTable, train: OutcomeTable) -> None:
    """Refuse tables and predictions that do not match."""
    if test.models != train.models:
        raise InputError(f"{test.source}: test has models {test.models}, train has {train.models}")
    if test.has_cost and not train.has_cost:
        raise InputError(f"{test.source}: test has costs and train has none; evaluate on splits of one table")
    if not test.is_complete.any():
        raise InputError(f"{test.source}: no prompt to score on. {_gaps(test)}")
    for name, group in predictions.items():
        for prediction in group:
            check_prediction(name, prediction, test)


def _check_rollouts(plays: Mapping[str, Sequence[Rollout]], num_prompts: int) -> None:
    """Refuse rollouts on other prompts than those that are scored."""
    for name, group in plays.items():
        for rollout in group:
            number = len(rollout.quality)
            if number != num_prompts:
                raise InputError(f"policy {name!r} played on {number} prompts, {num_prompts} are complete")


def check_prediction(name: str, prediction: Prediction, test: OutcomeTable) -> None:
    """Refuse a prediction that ``evaluate`` cannot score.

    Args:
        name: name of the router, for the message.
        prediction: prediction for all N prompts of ``test``.
        test: the table to score on.

    Raises:
        InputError: shapes do not match, a number is not finite, or the router only ranks.
    """
    shape = test.quality.shape
    if prediction.quality.shape != shape or prediction.cost.shape != shape:
        shapes = f"quality {prediction.quality.shape} and cost {prediction.cost.shape}"
        raise InputError(f"router {name!r} predicts {shapes}, but {test.source} has {shape}")
    if prediction.choices is not None and len(prediction.choices.chosen) != len(test):
        number = len(prediction.choices.chosen)
        raise InputError(f"router {name!r} chooses for {number} prompts, but {test.source} has {len(test)}")
    if test.has_cost and np.isnan(prediction.cost).all():
        raise InputError(
            f"router {name!r} was trained without costs and predicts none, but {test.source} has costs; "
            "train it on a table with costs"
        )
    for what in ("quality", "cost") if test.has_cost else ("quality",):
        cells = getattr(prediction, what)
        if not np.isfinite(cells).all():
            row, model = np.argwhere(~np.isfinite(cells))[0].tolist()
            raise InputError(
                f"router {name!r} predicts a {what} of {cells[row, model]} for prompt {test.ids[row]!r} and model "
                f"{test.models[model]!r}; its training diverged or its input is broken, train it again"
            )
    if prediction.scale == "ranking":
        raise InputError(f"router {name!r} only ranks models; train it with calibration=shared")


def _gaps(table: OutcomeTable) -> str:
    """Explain why no prompt is complete; removing a model without any value may help."""
    known = {"quality": np.isfinite(table.quality).any(axis=0)}
    if table.has_cost:
        known["cost"] = np.isfinite(table.cost).any(axis=0)
    missing = [f"no {what} of {table.models[model]!r}" for what in known for model in np.flatnonzero(~known[what])]
    return f"It has {', '.join(missing)}" if missing else "Each of them has a missing quality or cost"


def _benchmarks(table: OutcomeTable) -> dict[str, NDArray[np.int64]]:
    """Find the rows of each benchmark, in order of name."""
    names, group = np.unique(table.benchmark.astype(str), return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.bincount(group).cumsum()[:-1])
    return {str(name): rows for name, rows in zip(names, members, strict=True)}
