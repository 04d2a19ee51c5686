"""Does a second predictor know where a router errs, does the router know it after one round, and what does that buy?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.data.split import draw_folds
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import check_prediction
from routerbench.evaluation.references import best_single
from routerbench.evaluation.results import Difference, Figure
from routerbench.routers.base import Prediction
from routerbench.self_knowledge.loss_prediction import Advantage, advantages
from routerbench.self_knowledge.multicalibration import GroupCalibration, Patch, choose_prior, group_calibration
from routerbench.self_knowledge.prompts import Side, both_sides
from routerbench.self_knowledge.routed import AS_IT_IS, Routed, guard_features, guards, routed

FEWEST = 20  # prompts of a split; folds of less than four say nothing


@dataclass(frozen=True)
class Round:
    """One round of multicalibration, learned on validation and measured on test.

    Attributes:
        groups: what prompts were grouped by.
        information: what it takes to know a prompt's group, "prompt only" or "benchmark id".
        is_called_for: whether the loss predictor that sees these groups has an advantage above chance.
        prior: errors of 0 that every cell starts with, chosen on validation; infinity if nothing was changed.
        on_validation: calibration by these groups before, on validation.
        before: the same on test.
        after: after the round, on test.
    """

    groups: str
    information: str
    is_called_for: bool
    prior: float
    on_validation: GroupCalibration
    before: GroupCalibration
    after: GroupCalibration


@dataclass(frozen=True)
class SelfKnowledge:
    """What is known of a router's errors.

    Attributes:
        source: the table's name.
        router: its name.
        models: M names.
        num_val: prompts of validation.
        num_test: scored prompts of test.
        num_resamples: behind each interval.
        graded: benchmarks with other outcomes than 0 and 1.
        guess_accuracy: share of the validation prompts whose benchmark is guessed from the prompt; None if there is
            only one benchmark.
        mean_loss: mean squared error on validation.
        mean_expected: what the router expects it to be; both where outcomes are 0 or 1, NaN if none are.
        advantages: of loss predictors, on validation, out of fold.
        rounds: of multicalibration.
        benchmarks: ``G`` names, the one with most validation prompts first.
        errors: ``(G, M)`` mean of measured minus predicted quality on validation; NaN where nothing was measured.
        best_single: name of the model that the guards hold on to.
        guards: standard errors z that validation chose, by name of the guard.
        guard_features: what the predicted loss of the guard sees beside q.
        has_cost: whether ``routed`` are AIQs.
        routed: by name, "as it is" first.
        guard_change: AIQ of the guard with an error from the predicted loss above that of the other guard.
        references: AIQ on test of "zero_router" and "benchmark_oracle".
    """

    source: str
    router: str
    models: tuple[str, ...]
    num_val: int
    num_test: int
    num_resamples: int
    graded: tuple[str, ...]
    guess_accuracy: float | None
    mean_loss: float
    mean_expected: float
    advantages: tuple[Advantage, ...]
    rounds: tuple[Round, ...]
    benchmarks: tuple[str, ...]
    errors: NDArray[np.float64]
    best_single: str
    guards: dict[str, float]
    guard_features: str
    has_cost: bool
    routed: dict[str, Routed]
    guard_change: Difference
    references: dict[str, Figure]


def self_knowledge(
    router: str,
    train: Examples,
    val: Examples,
    test: Examples,
    predictions: Mapping[str, Prediction],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> SelfKnowledge:
    """Look for errors that a router could have known of, mend them in one round, and measure the routing.

    Loss predictors and the calibration by groups are measured on validation, out of fold; patches, priors and guards
    are learned and chosen there and measured on test.

    Args:
        router: its name.
        train: teaches the guess of the benchmark, principal components and references.
        val: what the router did not learn from, or only chose by.
        test: what nobody learned from.
        predictions: of the router on "val" and "test", without a guard.
        num_resamples: bootstrap resamples; 0 for figures without intervals.
        seed: of folds, signs, clusters and resamples.

    Raises:
        InputError: the router decides itself or only ranks, or a split is too small.
    """
    for part, examples in (("val", val), ("test", test)):
        _check(router, predictions[part], examples.table)
    rng = np.random.default_rng(seed)
    on_val, on_test = both_sides(train, (val, test), (predictions["val"], predictions["test"]), seed)
    fold, measured = draw_folds(val.table.prompts, rng), val.table.quality
    found = advantages(on_val.quality, measured, on_val.is_graded, on_val.features, fold, num_resamples, rng)
    rounds, entrants, seen = [], {AS_IT_IS: on_test.prediction}, {}
    for advantage in found:
        if advantage.features in on_val.groups:
            record, mended = _round(advantage, on_val, on_test, fold, rng)
            name = f"multicalibrated by {record.groups}"
            entrants[name], seen[name] = mended, record.information
            rounds.append(record)
    best, features = best_single(train.table), guard_features(found)
    guarded, chosen = guards(on_val, on_test, features, fold, best)
    buys = routed(entrants, guarded, seen, on_test.table, train.table, best, num_resamples, rng)
    is_binary = np.isfinite(measured) & ~on_val.is_graded[:, None]
    benchmarks, errors = _errors(on_val)
    return SelfKnowledge(
        source=val.table.source,
        router=router,
        models=val.table.models,
        num_val=len(val.table),
        num_test=int(test.table.is_complete.sum()),
        num_resamples=num_resamples,
        graded=tuple(sorted(set(val.table.benchmark[on_val.is_graded].astype(str)))),
        guess_accuracy=_accuracy(on_val),
        mean_loss=float(((measured - on_val.quality)[is_binary] ** 2).mean()) if is_binary.any() else np.nan,
        mean_expected=float((on_val.quality * (1 - on_val.quality))[is_binary].mean()) if is_binary.any() else np.nan,
        advantages=found,
        rounds=tuple(rounds),
        benchmarks=benchmarks,
        errors=errors,
        best_single=val.table.models[best],
        guards=chosen,
        guard_features=features,
        has_cost=test.table.has_cost,
        routed=buys.routed,
        guard_change=buys.guard_change,
        references=buys.references,
    )


def _check(router: str, prediction: Prediction, table: OutcomeTable) -> None:
    if prediction.choices is not None:
        raise InputError(f"{router} sees lambda and chooses itself: what it predicts decides nothing")
    check_prediction(router, prediction, table)
    if len(table) < FEWEST:
        raise InputError(f"{table.source}: {len(table)} prompts in a split are too few, at least {FEWEST} are needed")
    if not table.is_complete.any():
        raise InputError(f"{table.source}: no prompt of a split is complete; leave out models of which little is known")


def _round(
    advantage: Advantage, val: Side, test: Side, fold: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Round, Prediction]:
    """One round of multicalibration by some groups, and the mended prediction of test."""
    groups = advantage.features
    own, theirs = val.groups[groups], test.groups[groups]
    prior = choose_prior(own, val.quality, val.table.quality, fold)
    mended = Patch.fit(own, val.quality, val.table.quality, prior)(theirs, test.quality)
    record = Round(
        groups=groups,
        information=advantage.information,
        is_called_for=advantage.is_significant,
        prior=prior,
        on_validation=group_calibration(own, val.quality, val.table.quality, rng),
        before=group_calibration(theirs, test.quality, test.table.quality, rng),
        after=group_calibration(theirs, mended, test.table.quality, rng),
    )
    # What the router predicts outside [0, 1] orders its models, too; only the change is added.
    return record, test.prediction._replace(quality=test.prediction.quality + (mended - test.quality))


def _errors(val: Side) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Benchmarks, the largest first, and ``(G, M)`` mean errors there."""
    names, group, size = np.unique(val.table.benchmark.astype(str), return_inverse=True, return_counts=True)
    error = val.table.quality - val.quality
    member = (group == np.arange(len(names))[:, None]).astype(np.float64)
    with np.errstate(invalid="ignore"):
        means = member @ np.nan_to_num(error) / (member @ np.isfinite(error))
    order = np.argsort(-size, kind="stable")
    return tuple(str(name) for name in names[order]), means[order]


def _accuracy(val: Side) -> float | None:
    """How often the guess of the benchmark is right, where there is something to guess."""
    guess = val.groups.get("guessed benchmark")
    return None if guess is None else float((guess == val.groups["benchmark"]).mean())
