"""Common parts of experiments: interfaces, training under several conditions, and checks of the data."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.experiments.baselines import Fit, with_baselines
from routerbench.experiments.study import Study
from routerbench.routers.base import Router

log = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """A router with its options, which can be trained with any seed.

    Attributes:
        fit: trains a new router on train and val with a seed; the last argument names a folder for its logs.
        draws: whether the result depends on the seed.
    """

    fit: Callable[[Examples, Examples, int, str], Router]
    draws: bool


class Recipes(NamedTuple):
    """The routers that an experiment may train.

    Attributes:
        name: name of the chosen router.
        fit: trains the chosen router.
        typed: overrides that chose it on the command line; empty for the default.
        words: names of all routers.
        compose: returns the recipe of any router, given its name and overrides of its options.
    """

    name: str
    fit: Fit
    typed: Sequence[str]
    words: Sequence[str]
    compose: Callable[[str, list[str]], Recipe]


class Pages(NamedTuple):
    """The parts of a written report that are also logged.

    Attributes:
        name: file name of the Markdown page and the picture, without extension.
        findings: its first lines.
        table: its main table as Markdown.
    """

    name: str
    findings: str
    table: str


class Experiment(ABC):
    """Trains routers, scores them on the same test prompts, and writes a report."""

    @abstractmethod
    def conduct(self, recipes: Recipes, parts: Parts, seed: int, folder: Path) -> Pages:
        """Run the experiment and write its report.

        Args:
            recipes: routers to train.
            parts: the splits of a table, with embeddings.
            seed: random seed.
            folder: folder of the report.

        Raises:
            InputError: the table is too small for the protocol.
        """


class StudyExperiment(Experiment):
    """Modifies train and val before routers are trained on them. Test is not modified."""

    @abstractmethod
    def run(self, fits: Mapping[str, Fit], parts: Parts, rng: np.random.Generator) -> Study:
        """Train every router under every condition and score all of them on the test prompts.

        Args:
            fits: functions that train a router, by its name.
            parts: the splits of a table, with embeddings.
            rng: random number generator; the same state gives the same study.

        Raises:
            InputError: the table is too small for the protocol.
        """

    def conduct(self, recipes: Recipes, parts: Parts, seed: int, folder: Path) -> Pages:
        """Study the chosen router and the baselines, and write experiment.md and experiment.png."""
        from routerbench.experiments.report import findings, study_table, write_study

        fits = with_baselines(recipes.name, recipes.fit)
        study = self.run(fits, parts, np.random.default_rng(seed))
        write_study(study, folder)
        return Pages("experiment", findings(study), study_table(study))


class Lesson(NamedTuple):
    """Training data of one condition."""

    condition: str
    train: Examples
    val: Examples


def fit_each(fits: Mapping[str, Fit], lessons: Iterable[Lesson], num_lessons: int) -> Iterator[tuple[str, str, Router]]:
    """Train every router on every lesson, and log the time of each fit and an estimate of the remaining time.

    Args:
        fits: functions that train a router, by its name.
        lessons: lazily generated, so that only one is in memory.
        num_lessons: number of lessons.

    Yields:
        Name of the router, label of the condition, and the trained router.
    """
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    total = num_lessons * len(fits)
    for lesson in lessons:
        for name, fit in fits.items():
            number = sum(map(len, seconds.values())) + 1
            started = time.perf_counter()
            router = fit(lesson.train, lesson.val, f"{number:03d}-{_slug(name)}-{_slug(lesson.condition)}")
            seconds[name].append(time.perf_counter() - started)
            remaining = sum(np.median(times) * (num_lessons - len(times)) for times in seconds.values() if times)
            log.info(
                "fit %d of %d: %s, %s, in %.1f s; about %.0f s remain",
                *(number, total, name, lesson.condition, seconds[name][-1], remaining),
            )
            yield name, lesson.condition, router


def check_models(train: Examples, condition: str, advice: str) -> None:
    """Refuse a train split without any outcome of a model, for which no router could be trained.

    Args:
        train: the remaining train split.
        condition: name of the condition, for the message.
        advice: advice for the message.

    Raises:
        InputError: a model has no known quality, or no known cost in a table with costs.
    """
    table = train.table
    for what, cells in (("quality", table.quality), ("cost", table.cost)):
        if what == "cost" and not table.has_cost:
            continue
        known = np.isfinite(cells).any(axis=0)
        if not known.all():
            model = table.models[int(known.argmin())]
            raise InputError(f"{table.source}: {condition} leaves no {what} of {model!r} to learn from; {advice}")


def percent(share: float) -> str:
    """Format a share for a label, without unnecessary decimals.

    Example:
        >>> percent(0.1), percent(0.005)
        ('10 %', '0.5 %')
    """
    return f"{100 * share:.10g} %"


def _slug(text: str) -> str:
    """Make a label usable in the name of a folder."""
    return re.sub(r"[^\w.]+", "_", text).strip("_") or "_"
