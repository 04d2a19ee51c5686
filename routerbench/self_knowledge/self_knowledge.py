"""Predictable errors of a router on validation, and the gain on test from correcting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.adjustment import GUARDS
from routerbench.data.outcomes import OutcomeTable, Parts
from routerbench.data.split import draw_folds
from routerbench.errors import InputError
from routerbench.evaluation.bootstrap import Bootstrap
from routerbench.evaluation.contest import Contest
from routerbench.evaluation.evaluate import check_prediction, validation_aiq
from routerbench.evaluation.references import best_single
from routerbench.evaluation.results import Figure, Measure, measure_on
from routerbench.policy import guard
from routerbench.routers.base import Prediction
from routerbench.routers.benchmark import softmax_regression
from routerbench.self_knowledge import loss_prediction
from routerbench.self_knowledge.loss_prediction import Advantage, FeatureSet, Prompts
from routerbench.self_knowledge.multicalibration import GroupCalibration, group_calibration, multicalibrate

FEWEST = 20  # minimum number of prompts of a split
_PROMPT_ONLY = "prompt only"
_GROUPS = {"guessed benchmark": _PROMPT_ONLY, "benchmark": "benchmark id"}
_NUM_COMPONENTS = 20
_PENALTY = 0.1  # of the classifier of benchmarks, one of the penalties that router=benchmark tries


class Routed(NamedTuple):
    """Figures of a prediction on test.

    Attributes:
        name: name in the report.
        value: AIQ or peak quality.
        change: paired difference of ``value`` to the uncorrected router.
        brier: mean squared error of the predicted quality; None for a guard, which lowers predictions on purpose.
        brier_change: paired difference of ``brier`` to the uncorrected router; negative is better.
    """

    name: str
    value: Figure
    change: Figure
    brier: float | None
    brier_change: Figure


@dataclass(frozen=True)
class SelfKnowledge:
    """Results of the analysis of a router's errors.

    Attributes:
        source: name of the table.
        router: name of the router.
        models: M names.
        num_val: number of validation prompts.
        num_test: number of scored test prompts.
        advantages: advantages of loss predictors on validation, out of fold.
        benchmarks: G names, indexed by the groups of ``calibration``.
        calibration: calibration by kind of group and split.
        errors: maps each benchmark, the largest first, to the ``(M,)`` means of measured minus predicted quality on
            validation.
        measure: measure of ``routed``.
        routed: figures of the uncorrected router, then of each correction.
    """

    source: str
    router: str
    models: tuple[str, ...]
    num_val: int
    num_test: int
    advantages: tuple[Advantage, ...]
    benchmarks: tuple[str, ...]
    calibration: dict[tuple[str, str], GroupCalibration]
    errors: dict[str, NDArray[np.float64]]
    measure: Measure
    routed: tuple[Routed, ...]


def self_knowledge(
    router: str, parts: Parts, predictions: Mapping[str, Prediction], *, num_resamples: int = 1000, seed: int = 0
) -> SelfKnowledge:
    """Find predictable errors, correct them, and evaluate the corrected routing.

    Corrections are fitted and selected on validation. Outcomes of test are used for scoring only.

    Args:
        router: name of the router.
        parts: splits; the classifier of benchmarks, the principal components and best_single are fitted on train.
        predictions: predictions of the router for "val" and "test", without a guard.
        num_resamples: number of bootstrap resamples; 0 for figures without intervals.
        seed: random seed of folds, signs and resamples.

    Raises:
        InputError: the router makes its own choices or only ranks, predictions do not match the tables, or a split is
            too small or has no complete prompt.
    """
    val, test, own = parts.val.table, parts.test.table, predictions["test"]
    for table, prediction in ((val, predictions["val"]), (test, own)):
        _check(router, prediction, table)
    rng, best = np.random.default_rng(seed), best_single(parts.train.table)
    benchmarks, groups = _groups(parts)
    prompts = _prompts(parts, predictions, rng)
    is_val = prompts.fold >= 0
    features = _features(parts, groups, len(benchmarks))
    advantages = loss_prediction.advantages(prompts, features, num_resamples, rng)
    outcomes = np.concatenate([val.quality, test.quality])
    calibration, corrections = {}, {"as it is": own}
    for kind, group in groups.items():
        corrected, prior = multicalibrate(prompts, group)
        # Predictions outside [0, 1] also rank models, so add the change instead of taking the clipped values.
        quality = own.quality + (corrected - prompts.predicted)[~is_val]
        corrections[f"multicalibrated by {kind} ({_GROUPS[kind]}), prior = {prior:g}"] = own._replace(quality=quality)
        sides = {"validation": (is_val, prompts.predicted), "test": (~is_val, prompts.predicted)}
        sides["test, corrected"] = ~is_val, corrected
        for where, (rows, q) in sides.items():
            calibration[kind, where] = group_calibration(q[rows], outcomes[rows], group[rows], rng)
    guarded = _guarded(prompts, features, advantages, val, predictions, best)
    measure, routed = _route(corrections, guarded, test, best, num_resamples, rng)
    return SelfKnowledge(
        source=val.source,
        router=router,
        models=val.models,
        num_val=len(val),
        num_test=int(test.is_complete.sum()),
        advantages=advantages,
        benchmarks=benchmarks,
        calibration=calibration,
        errors=_errors(val, prompts.predicted[is_val]),
        measure=measure,
        routed=routed,
    )


def _check(router: str, prediction: Prediction, table: OutcomeTable) -> None:
    if prediction.choices is not None:
        raise InputError(f"{router} takes lambda as input and chooses itself; its predictions decide nothing")
    check_prediction(router, prediction, table)
    if len(table) < FEWEST:
        raise InputError(f"{table.source}: {len(table)} prompts in a split are too few, at least {FEWEST} are needed")
    if not table.is_complete.any():
        raise InputError(f"{table.source}: no prompt of a split is complete; leave out models with few outcomes")


def _groups(parts: Parts) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """Return names of benchmarks, and ``(N,)`` indices of validation and test prompts by kind of group."""
    train, *others = parts
    known, label = np.unique(train.table.benchmark.astype(str), return_inverse=True)
    slopes, bias = softmax_regression(train.embeddings, label, _PENALTY)
    guess = [known[(part.embeddings @ slopes + bias).argmax(axis=1)] for part in others]
    benchmark = [part.table.benchmark.astype(str) for part in others]
    names, numbers = np.unique(np.concatenate([*guess, *benchmark]), return_inverse=True)
    return tuple(names.tolist()), dict(zip(_GROUPS, np.split(numbers, 2), strict=True))


def _prompts(parts: Parts, predictions: Mapping[str, Prediction], rng: np.random.Generator) -> Prompts:
    """Join the prompts of validation and, without outcomes, test."""
    train, val, test = (part.table for part in parts)
    graded = {name for table in (train, val) for name in table.benchmark[(table.quality % 1 > 0).any(axis=1)]}
    return Prompts(
        predicted=np.concatenate([predictions[part].quality for part in ("val", "test")]).clip(0, 1),
        measured=np.concatenate([val.quality, np.full_like(test.quality, np.nan)]),
        is_graded=np.array([name in graded for name in np.concatenate([val.benchmark, test.benchmark])]),
        fold=np.concatenate([draw_folds(val.prompts, rng), np.full(len(test), -1)]),
    )


def _features(parts: Parts, groups: Mapping[str, NDArray[np.int64]], num_groups: int) -> list[FeatureSet]:
    """Make feature sets: empty, up to 20 whitened principal components of train, and indicators of each group."""
    train = parts.train.embeddings
    center = train.mean(axis=0, dtype=np.float64)
    _, size, directions = np.linalg.svd(train - center, full_matrices=False)
    number = min(_NUM_COMPONENTS, int((size > 1e-6 * size[0]).sum()))
    embeddings = np.concatenate([parts.val.embeddings, parts.test.embeddings])
    components = (embeddings - center) @ (directions[:number].T * np.sqrt(len(train)) / size[:number])
    return [
        FeatureSet("q alone", _PROMPT_ONLY, components[:, :0]),
        FeatureSet("embedding", _PROMPT_ONLY, components),
        *(FeatureSet(kind, _GROUPS[kind], np.eye(num_groups)[group]) for kind, group in groups.items()),
    ]


def _errors(val: OutcomeTable, predicted: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    names, size = np.unique(val.benchmark.astype(str), return_counts=True)
    errors = np.ma.masked_invalid(val.quality - predicted)
    means = {str(name): errors[val.benchmark == name].mean(axis=0) for name in names[np.argsort(-size, kind="stable")]}
    return {name: row.filled(np.nan) for name, row in means.items()}


def _guarded(
    prompts: Prompts, features: Sequence[FeatureSet], advantages: Sequence[Advantage], val: OutcomeTable,
    predictions: Mapping[str, Prediction], best: int,
) -> dict[str, Prediction]:  # fmt: skip
    """Apply a guard with standard errors ``sqrt((LP_m + LP_best) / n)`` to the prediction of test.

    LP is the loss of a prompt, predicted with the best feature set that requires the prompt only, and n is the number
    of validation prompts. The number z of standard errors is chosen on validation.
    """
    usable = [number for number, one in enumerate(advantages) if one.information == _PROMPT_ONLY]
    chosen = features[max(usable, key=lambda number: advantages[number].value.value or 0.0)]
    _, loss = loss_prediction.predict_loss(prompts, chosen.columns)
    error = np.sqrt((loss + loss[:, [best]]) / len(val))
    scores = [validation_aiq(guard(predictions["val"], best, z, error[: len(val)]), val) for z in GUARDS]
    z = GUARDS[int(np.argmax(scores))]
    name = f"guard with losses predicted from {chosen.name}, z = {z:g}"
    return {name: guard(predictions["test"], best, z, error[len(val) :])}


def _route(
    corrections: dict[str, Prediction], guarded: dict[str, Prediction], test: OutcomeTable, best: int,
    num_resamples: int, rng: np.random.Generator,
) -> tuple[Measure, tuple[Routed, ...]]:  # fmt: skip
    """Evaluate all predictions, and compare them with the first one, on the complete prompts of test."""
    table = test.take(test.is_complete)
    entrants = {name: one.take(test.is_complete) for name, one in (corrections | guarded).items()}
    cost = table.cost if table.has_cost else None
    contest = Contest({name: [one] for name, one in entrants.items()}, table.quality, cost, best)
    squares = [((one.quality.clip(0, 1) - table.quality) ** 2).mean(axis=1) for one in entrants.values()]
    brier = np.stack(squares, axis=1)  # (N, R)
    changes = brier - brier[:, :1]
    measured = Bootstrap.of(contest, num_resamples, rng, extras=changes)
    resampled = changes[:0] if measured.prompts is None else measured.prompts.extras
    measure, changed = measure_on(contest.interval), [measured.difference(name, contest.names[0]) for name in entrants]
    return measure, tuple(
        Routed(
            name=name,
            value=measured.figure(name, measure),
            change=Figure(change.value, *(change.prompts or (None, None))[:2]),
            brier=None if name in guarded else float(brier[:, number].mean()),
            brier_change=loss_prediction.mean_figure(changes[:, number].mean(), resampled[:, number]),
        )
        for number, (name, change) in enumerate(zip(entrants, changed, strict=True))
    )
