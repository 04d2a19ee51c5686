"""All routers on one table: each trained with several seeds, all scored at once."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import check_prediction, evaluate, validation_aiq
from routerbench.experiments.base import Parts
from routerbench.experiments.baselines import BASELINES
from routerbench.experiments.standings import Entry, Standings
from routerbench.routers.base import Prediction, Router

log = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """A router with its options, to be trained with any seed.

    Attributes:
        fit: trains a new one on train and val; the text names a folder for its logs.
        draws: whether the seed makes a difference.
    """

    fit: Callable[[Examples, Examples, int, str], Router]
    draws: bool


class Run(NamedTuple):
    """One training of a router, and what it came to.

    Attributes:
        prediction: for the test prompts.
        val_aiq: its score on validation.
        fit_seconds: the training took.
        predict_seconds: the prediction of all test prompts took.
    """

    prediction: Prediction
    val_aiq: float
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True)
class Leaderboard:
    """Trains every router on the same split and evaluates all of them together, so that each difference is paired.

    A router's hyper-parameters are its own candidates and, if it has a grid, the best combination of it on validation,
    trained with the first seed. A router that refuses the table is left out with its reason, and does not stop the
    others.

    Attributes:
        routers: words of ``router=``; None for all of them.
        seeds: a router is trained with each of them, or with the first alone if it draws nothing.
        resamples: of the bootstrap; 0 for no intervals.
        grids: by router and option, the values to try in all combinations; None for none.
    """

    routers: Sequence[str] | None
    seeds: Sequence[int]
    resamples: int
    grids: Mapping[str, Mapping[str, Sequence[Any]]] | None

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(s in range(2**63) for s in self.seeds):
            raise InputError(f"experiment.seeds must list different numbers from 0 on, got {list(self.seeds)}")
        if self.resamples < 0:
            raise InputError(f"experiment.resamples must be at least 0, got {self.resamples}")
        for router, grid in (self.grids or {}).items():
            if not all(isinstance(values, Sequence) and values for values in grid.values()):
                raise InputError(f"experiment.grids.{router} must list values of each option, got {dict(grid)}")

    def run(
        self,
        words: Sequence[str],
        recipe: Callable[[str, list[str]], Recipe],
        parts: Parts,
        seed: int,
    ) -> Standings:
        """Train every router with every seed, predict test once each, and evaluate all predictions at once.

        Args:
            words: all routers that there are.
            recipe: of a router by its word, with some overrides of its options.
            parts: the table's splits.
            seed: of the resamples.

        Raises:
            InputError: a name is unknown, or every router refuses the table.
        """
        recipes = {
            name: {", ".join(options): recipe(name, options) for options in self._combinations(name)}
            for name in self._names(words)
        }
        progress = _Progress({name: len(tried) - 1 + len(self._seeds(tried)) for name, tried in recipes.items()})
        predictions, entries, absent = {}, {}, {}
        for name, tried in recipes.items():
            try:
                entries[name], predictions[name] = self._enter(name, tried, parts, progress)
            except InputError as error:
                absent[name] = str(error)
                progress.leave_out(name, absent[name])
        if not entries:
            raise InputError("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
        _, _, test = parts
        log.info("evaluating %d routers on %d prompts, %d resamples", len(entries), len(test.table), self.resamples)
        evaluation = evaluate(
            predictions,
            test.table,
            parts.train.table,
            baselines=_linear(parts) if "linear" not in entries else None,
            num_resamples=self.resamples,
            seed=seed,
        )
        return Standings(evaluation, entries, absent)

    def _names(self, words: Sequence[str]) -> list[str]:
        """The routers to train, in the order given."""
        chosen = list(words if self.routers is None else dict.fromkeys(self.routers))
        if not chosen:
            raise InputError("experiment.routers is empty; write experiment.routers=[knn,linear]")
        for option, names in (("routers", chosen), ("grids", self.grids or ())):
            for name in names:
                if name not in words:
                    raise InputError(f"experiment.{option}: no router {name!r}; there are {', '.join(words)}")
        return chosen

    def _combinations(self, name: str) -> list[list[str]]:
        """The overrides of each configuration to try; one without any for a router that has no grid."""
        options = [
            [f"{key}={json.dumps(value)}" for value in values]
            for key, values in (self.grids or {}).get(name, {}).items()
        ]
        return [list(combination) for combination in itertools.product(*options)]

    def _seeds(self, tried: Mapping[str, Recipe]) -> Sequence[int]:
        return self.seeds if any(recipe.draws for recipe in tried.values()) else self.seeds[:1]

    def _enter(
        self, name: str, tried: Mapping[str, Recipe], parts: Parts, progress: _Progress
    ) -> tuple[Entry, list[Prediction]]:
        """Train one router: all configurations with the first seed, the best of them with the others."""
        first, *others = self._seeds(tried)
        firsts = {options: _run(name, options, recipe, parts, first, progress) for options, recipe in tried.items()}
        options = max(firsts, key=lambda each: firsts[each].val_aiq)
        runs = [firsts[options], *(_run(name, options, tried[options], parts, seed, progress) for seed in others)]
        entry = Entry(
            seeds=(first, *others),
            fit_seconds=float(np.median([run.fit_seconds for run in runs])),
            predict_microseconds=float(np.median([run.predict_seconds for run in runs]) * 1e6 / len(parts.test.table)),
            options=options,
            num_tried=len(tried),
        )
        return entry, [run.prediction for run in runs]


def _run(name: str, options: str, recipe: Recipe, parts: Parts, seed: int, progress: _Progress) -> Run:
    """Train a router with one seed and predict the test prompts."""
    train, val, test = parts
    started = time.perf_counter()
    router = recipe.fit(train, val, seed, f"{progress.number:03d}-{name}-{seed}")
    fitted = time.perf_counter()
    prediction = router.predict(test.embeddings)
    predicted = time.perf_counter()
    check_prediction(name, prediction, test.table)
    val_aiq = validation_aiq(router.predict(val.embeddings), val.table)
    progress.tell(name, f"{options}, seed {seed}" if options else f"seed {seed}", fitted - started, val_aiq)
    return Run(prediction, val_aiq, fitted - started, predicted - fitted)


def _linear(parts: Parts) -> dict[str, Prediction]:
    """Linear as a reference: every row is compared with it."""
    return {"linear": BASELINES["linear"](parts.train, parts.val, "linear").predict(parts.test.embeddings)}


@dataclass
class _Progress:
    """Counts trainings, and logs after each how long it took and how much remains.

    Attributes:
        planned: number of trainings still to come, by router.
        seconds: of each training so far.
    """

    planned: dict[str, int]
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = sum(self.planned.values())

    @property
    def number(self) -> int:
        """Of the next training, from 1."""
        return self.total - sum(self.planned.values()) + 1

    def tell(self, name: str, setting: str, seconds: float, val_aiq: float) -> None:
        """Log one training."""
        number = self.number
        self.planned[name] -= 1
        self.seconds.append(seconds)
        remaining = float(np.mean(self.seconds)) * sum(self.planned.values())
        log.info(
            "fit %d of %d: %s, %s, in %.1f s, val/aiq %.4f; about %.0f s remain",
            *(number, self.total, name, setting, seconds, val_aiq, remaining),
        )

    def leave_out(self, name: str, reason: str) -> None:
        """Log that a router will not be trained any more."""
        self.planned[name] = 0
        log.warning("%s is left out: %s", name, reason)
