"""What a router's knowledge of its errors buys: mended predictions and guards, beside the router as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.adjustment import GUARDS, gain_error
from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.bootstrap import Bootstrap
from routerbench.evaluation.contest import Contest
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.metrics import brier, ece
from routerbench.evaluation.references import benchmark_oracle
from routerbench.evaluation.resample import basic_interval
from routerbench.evaluation.results import Difference, Figure, measure_on
from routerbench.policy import guard
from routerbench.routers.base import Prediction
from routerbench.self_knowledge.loss_prediction import Advantage, cross_fitted, predict_loss
from routerbench.self_knowledge.prompts import PROMPT_ONLY, Side

AS_IT_IS = "as it is"
GLOBAL_GUARD, LOCAL_GUARD = "guard, one error per model", "guard, error from the predicted loss"


@dataclass(frozen=True)
class Calibrated:
    """How far the predicted quality may be believed on test; for what is guarded, predictions are lowered on purpose.

    Attributes:
        brier: mean squared error in [0, 1].
        brier_change: to the router as it is; below 0 is better.
        ece: expected calibration error over all cells, in [0, 1].
    """

    brier: float
    brier_change: Figure
    ece: float


@dataclass(frozen=True)
class Routed:
    """What a prediction comes to on test.

    Attributes:
        information: what it was allowed to see.
        aiq: mean height of its hull; peak quality on a table without cost.
        change: to the router as it is, on the same prompts; None for that one.
        calibrated: None for what is guarded.
    """

    information: str
    aiq: Figure
    change: Difference | None
    calibrated: Calibrated | None


class Buys(NamedTuple):
    """Everything that was routed on test.

    Attributes:
        routed: by name, "as it is" first.
        guard_change: AIQ of the guard with an error from the predicted loss above that of the other guard.
        references: AIQ of "zero_router" and "benchmark_oracle".
    """

    routed: dict[str, Routed]
    guard_change: Difference
    references: dict[str, Figure]


def guard_features(found: Sequence[Advantage]) -> str:
    """The features that predict the loss best out of fold, of those that a prompt tells."""
    values = {
        a.features: a.overall.value for a in found if a.information == PROMPT_ONLY and a.overall.value is not None
    }
    return max(values, key=lambda name: values[name])


def guards(
    val: Side, test: Side, features: str, fold: NDArray[np.int64], best: int
) -> tuple[dict[str, Prediction], dict[str, float]]:
    """The prediction of test under either guard, and how many standard errors validation chose for it.

    One error per model is that of ``routerbench.adjustment``. The other one, of model m on one prompt, is
    ``sqrt((LP_m + LP_best) / n)`` for n validation prompts: that of a mean of n such outcomes, as if the two models
    erred independently. It holds the scatter of single answers as well as the error of their mean, and z, which is
    chosen, takes care of the scale.

    Args:
        val: where z is chosen; its losses are predicted out of fold.
        test: where the guards are applied; no outcome is read.
        features: of the loss predictor.
        fold: ``(N,)`` of the validation prompts.
        best: index of the best single model.
    """
    outcomes, num_val = val.table.quality, len(val.quality)
    columns = [next(f.columns for f in side.features if f.name == features) for side in (val, test)]
    _, loss = cross_fitted(val.quality, outcomes, val.is_graded, columns[0], fold)
    _, both = predict_loss(
        np.concatenate([val.quality, test.quality]),
        np.concatenate([outcomes, np.full_like(test.quality, np.nan)]),
        np.concatenate([val.is_graded, test.is_graded]),
        np.concatenate(columns),
        np.arange(num_val + len(test.quality)) < num_val,
    )
    local = [np.sqrt((part + part[:, [best]]) / num_val) for part in (loss, both[num_val:])]
    shared = gain_error(val.prediction, val.table, best)
    guarded, chosen = {}, {}
    for name, (error, test_error) in {GLOBAL_GUARD: (shared, shared), LOCAL_GUARD: local}.items():
        scores = [validation_aiq(guard(val.prediction, best, z, error), val.table) for z in GUARDS]
        chosen[name] = GUARDS[int(np.argmax(scores))]
        guarded[name] = guard(test.prediction, best, chosen[name], test_error)
    return guarded, chosen


def routed(
    entrants: Mapping[str, Prediction],
    guarded: Mapping[str, Prediction],
    seen: Mapping[str, str],
    test: OutcomeTable,
    train: OutcomeTable,
    best: int,
    num_resamples: int,
    rng: np.random.Generator,
) -> Buys:
    """Everyone on the same complete prompts of test, against the router as it is.

    Args:
        entrants: predictions for all prompts of ``test``, "as it is" first.
        guarded: likewise, lowered on purpose.
        seen: what an entrant was allowed to see, where that is more than the prompt.
        test: where everyone is scored, by the contest of ``evaluate``.
        train: teaches benchmark_oracle.
        best: index of the best single model.
        num_resamples: of prompts; 0 for no intervals.
        rng: draws them.
    """
    rows = test.is_complete
    table = test.take(rows)
    everyone = {name: prediction.take(rows) for name, prediction in {**entrants, **guarded}.items()}
    groups = {name: [prediction] for name, prediction in everyone.items()}
    groups["benchmark_oracle"] = [benchmark_oracle(train, table)]
    contest = Contest(groups, table.quality, table.cost if table.has_cost else None, best)
    squares = [((everyone[name].quality.clip(0, 1) - table.quality) ** 2).mean(axis=1) for name in entrants]
    more = np.stack(squares, axis=1) - squares[0][:, None]  # than that of the router as it is
    measured = Bootstrap.of(contest, num_resamples, rng, extras=more)
    resamples = measured.prompts

    def calibrated(number: int, name: str) -> Calibrated:
        quality, value = everyone[name].quality.clip(0, 1), float(more[:, number].mean())
        bounds = None if resamples is None else basic_interval(value, value, resamples.extras[:, number])
        change = Figure(value, *(bounds or (None, None)))
        return Calibrated(brier(quality, table.quality), change, ece(quality, table.quality))

    figure = measure_on(contest.interval)
    found = {
        name: Routed(
            information=seen.get(name, PROMPT_ONLY),
            aiq=measured.figure(name, figure),
            change=None if name == AS_IT_IS else measured.difference(name, AS_IT_IS),
            calibrated=calibrated(number, name) if name in entrants else None,
        )
        for number, name in enumerate(everyone)
    }
    references = {name: measured.figure(name, figure) for name in ("zero_router", "benchmark_oracle")}
    return Buys(found, measured.difference(LOCAL_GUARD, GLOBAL_GUARD), references)
