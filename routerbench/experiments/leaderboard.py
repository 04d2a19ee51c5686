"""Leaderboard: train all routers on one table with several seeds, and evaluate them together."""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import check_prediction, evaluate, validation_aiq
from routerbench.experiments.base import Experiment, Pages, Recipe, Recipes
from routerbench.experiments.baselines import BASELINES
from routerbench.experiments.standings import Entry, Standings
from routerbench.routers.base import Prediction

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """One training of a router.

    Attributes:
        label: options (if several were tried) and seed, for the log.
        prediction: prediction for the test prompts.
        val_aiq: AIQ on validation.
        fit_seconds: duration of the training.
        predict_seconds: duration of the prediction of all test prompts.
    """

    label: str
    prediction: Prediction
    val_aiq: float
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True)
class Leaderboard(Experiment):
    """Trains every router on the same split and evaluates all of them together, so that differences are paired.

    Hyperparameters are selected on validation: from a router's own candidates and, with the first seed, from all
    combinations of its grid, if any. A router that cannot be trained on the table is left out, with the reason.

    Attributes:
        routers: values of ``router=``; None for all.
        seeds: seeds of each router; a deterministic one is trained only with the first.
        resamples: number of bootstrap resamples; 0 for no intervals.
        grids: values to try in all combinations, by router and option, or None.
        jobs: number of routers trained in parallel, each in a process with its share of the cores. A small network
            uses at most one core.
    """

    routers: Sequence[str] | None
    seeds: Sequence[int]
    resamples: int
    grids: Mapping[str, Mapping[str, Sequence[Any]]] | None
    jobs: int = 1

    def __post_init__(self) -> None:
        """Validate the options."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(s in range(2**63) for s in self.seeds):
            raise InputError(f"experiment.seeds must list different numbers from 0 on, got {list(self.seeds)}")
        if self.resamples < 0:
            raise InputError(f"experiment.resamples must be at least 0, got {self.resamples}")
        if self.jobs < 1:
            raise InputError(f"experiment.jobs must be at least 1, got {self.jobs}")
        for router, grid in (self.grids or {}).items():
            if not all(isinstance(values, Sequence) and values for values in grid.values()):
                raise InputError(f"experiment.grids.{router} must list values of each option, got {dict(grid)}")

    def conduct(self, recipes: Recipes, parts: Parts, seed: int, folder: Path) -> Pages:
        """Rank the routers, and write leaderboard.md, leaderboard.csv and leaderboard.png.

        Raises:
            InputError: a router was chosen on the command line, or as in ``run``.
        """
        from routerbench.experiments.leaderboard_report import findings, leaderboard_table, write_leaderboard

        if recipes.typed:
            raise InputError(f"{recipes.typed[0]}: a leaderboard takes experiment.routers and experiment.grids instead")
        standings = self.run(recipes.words, recipes.compose, parts, seed)
        write_leaderboard(standings, folder)
        return Pages("leaderboard", findings(standings), leaderboard_table(standings))

    def run(
        self, words: Sequence[str], recipe: Callable[[str, list[str]], Recipe], parts: Parts, seed: int
    ) -> Standings:
        """Train every router with every seed, predict test once each, and evaluate all predictions together.

        Args:
            words: names of all routers.
            recipe: returns the recipe of a router, given its name and overrides of its options.
            parts: splits of the table.
            seed: random seed of the resamples.

        Raises:
            InputError: a name is unknown, or no router can be trained on the table.
        """
        recipes = {
            name: {", ".join(options): recipe(name, options) for options in self._combinations(name)}
            for name in self._names(words)
        }
        progress = _FitProgress(
            {name: len(tried) - 1 + len(self._seeds(tried)) for name, tried in recipes.items()}, self.jobs
        )
        entered = {}
        for name, found in self._enter_all(recipes, parts, progress):
            entered[name] = found
            if isinstance(found, str):
                progress.leave_out(name, found)
        absent = {name: entered[name] for name in recipes if isinstance(entered[name], str)}
        entries = {name: entered[name][0] for name in recipes if name not in absent}
        predictions = {name: [run.prediction for run in entered[name][1]] for name in entries}
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
        """List the routers to train, in the given order, and validate all names."""
        chosen = list(words if self.routers is None else dict.fromkeys(self.routers))
        if not chosen:
            raise InputError("experiment.routers is empty; write experiment.routers=[knn,linear]")
        for option, names in (("routers", chosen), ("grids", self.grids or ())):
            for name in names:
                if name not in words:
                    raise InputError(f"experiment.{option}: no router {name!r}; there are {', '.join(words)}")
        return chosen

    def _combinations(self, name: str) -> list[list[str]]:
        """List the overrides of each configuration to try; a router without a grid has one without overrides."""
        options = [
            [f"{key}={json.dumps(value)}" for value in values]
            for key, values in (self.grids or {}).get(name, {}).items()
        ]
        return [list(combination) for combination in itertools.product(*options)]

    def _seeds(self, tried: Mapping[str, Recipe]) -> Sequence[int]:
        return self.seeds if any(recipe.draws for recipe in tried.values()) else self.seeds[:1]

    def _enter_all(
        self, recipes: Mapping[str, Mapping[str, Recipe]], parts: Parts, progress: _FitProgress
    ) -> Iterator[tuple[str, Any]]:
        """Train every router; yield its name with its `Entry` and runs, or with the reason why it is left out."""
        if self.jobs == 1:
            for name, tried in recipes.items():
                yield name, self._enter(name, tried, parts, progress.tell)
            return
        from joblib import Parallel, delayed

        # Routers with the most fits start first, so that none of them runs alone at the end.
        order = sorted(recipes, key=lambda name: -progress.planned[name])
        tasks = (delayed(self._enter_quietly)(name, recipes[name], parts) for name in order)
        for name, found in Parallel(self.jobs, return_as="generator_unordered", max_nbytes=None)(tasks):
            for run in [] if isinstance(found, str) else found[1]:
                progress.tell(name, run)
            yield name, found

    def _enter_quietly(self, name: str, tried: Mapping[str, Recipe], parts: Parts) -> tuple[str, Any]:
        """Train one router in a worker process, without progress bars, which would be mixed with those of others."""
        os.environ["TQDM_DISABLE"] = "1"
        return name, self._enter(name, tried, parts, lambda *_: None)

    def _enter(
        self, name: str, tried: Mapping[str, Recipe], parts: Parts, tell: Callable[[str, Run], None]
    ) -> tuple[Entry, list[Run]] | str:
        """Train one router: all configurations with the first seed, the best one with the other seeds."""
        first, *others = self._seeds(tried)
        try:
            firsts = {
                options: _run(name, options, place, recipe, parts, first, tell)
                for place, (options, recipe) in enumerate(tried.items())
            }
            options = max(firsts, key=lambda each: firsts[each].val_aiq)
            place = list(tried).index(options)
            rest = [_run(name, options, place, tried[options], parts, seed, tell) for seed in others]
        except InputError as error:
            return str(error)
        runs = [firsts[options], *rest]
        entry = Entry(
            seeds=(first, *others),
            fit_seconds=float(np.median([run.fit_seconds for run in runs])),
            predict_microseconds=float(np.median([run.predict_seconds for run in runs]) * 1e6 / len(parts.test.table)),
            options=options,
            num_tried=len(tried),
        )
        return entry, runs


def _run(
    name: str, options: str, place: int, recipe: Recipe, parts: Parts, seed: int, tell: Callable[[str, Run], None]
) -> Run:
    """Train a router with one seed and predict the test prompts."""
    train, val, test = parts
    started = time.perf_counter()
    router = recipe.fit(train, val, seed, f"{name}-{seed}" if not place else f"{name}-{place}-{seed}")
    fitted = time.perf_counter()
    prediction = router.predict(test.embeddings)
    predicted = time.perf_counter()
    check_prediction(name, prediction, test.table)
    val_aiq = validation_aiq(router.predict(val.embeddings), val.table)
    label = f"{options}, seed {seed}" if options else f"seed {seed}"
    run = Run(label, prediction, val_aiq, fitted - started, predicted - fitted)
    tell(name, run)
    return run


def _linear(parts: Parts) -> dict[str, Prediction]:
    """Predict test with the linear baseline, the reference for every row."""
    return {"linear": BASELINES["linear"](parts.train, parts.val, "linear").predict(parts.test.embeddings)}


@dataclass
class _FitProgress:
    """Logs the duration of each fit and an estimate of the remaining time.

    Attributes:
        planned: number of remaining fits, by router.
        jobs: number of parallel fits.
        seconds: duration of each finished fit.
    """

    planned: dict[str, int]
    jobs: int
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = sum(self.planned.values())

    def tell(self, name: str, run: Run) -> None:
        """Log one fit."""
        self.planned[name] -= 1
        self.seconds.append(run.fit_seconds)
        left = sum(self.planned.values())
        remaining = float(np.mean(self.seconds)) * left / self.jobs
        log.info(
            "fit %d of %d: %s, %s, in %.1f s, val/aiq %.4f; about %.0f s remain",
            *(self.total - left, self.total, name, run.label, run.fit_seconds, run.val_aiq, remaining),
        )

    def leave_out(self, name: str, reason: str) -> None:
        """Log that a router is left out."""
        self.planned[name] = 0
        log.warning("%s is left out: %s", name, reason)
