"""What the protocols share: the parts of a table, a router trained anew for each condition, one evaluation of all."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.errors import InputError
from routerbench.experiments.baselines import Fit, with_baselines
from routerbench.experiments.study import Study
from routerbench.routers.base import Router

log = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """A router with its options, to be trained with any seed.

    Attributes:
        fit: trains a new one on train and val with a seed; the text names a folder for its logs.
        draws: whether the seed makes a difference.
    """

    fit: Callable[[Examples, Examples, int, str], Router]
    draws: bool


class Recipes(NamedTuple):
    """The routers that an experiment may train.

    Attributes:
        name: of the router that was chosen.
        fit: trains that one.
        typed: the words that chose it on a command line; none where it is the default.
        words: names of all routers.
        compose: the recipe of any router, given its name and overrides of its options.
    """

    name: str
    fit: Fit
    typed: Sequence[str]
    words: Sequence[str]
    compose: Callable[[str, list[str]], Recipe]


class Pages(NamedTuple):
    """What is shown of an experiment's report, which stands in a folder.

    Attributes:
        name: of the Markdown page and of the picture.
        findings: its first lines.
        table: its main table as Markdown.
    """

    name: str
    findings: str
    table: str


class Experiment(ABC):
    """A protocol: routers are trained, all are scored on the same test prompts, and a report is written."""

    @abstractmethod
    def conduct(
        self, recipes: Recipes, table: OutcomeTable, embeddings: NDArray[np.float32], seed: int, folder: Path
    ) -> Pages:
        """Run the experiment and write its report.

        Args:
            recipes: of the routers.
            table: N outcomes with their split.
            embeddings: ``(N, D)``, one row per prompt of ``table``.
            seed: of what the protocol leaves to chance.
            folder: of the report.

        Raises:
            InputError: the table is too small for the protocol.
        """


class StudyExperiment(Experiment):
    """One router, beside the baselines, trained under several conditions. Test stays as it is."""

    @abstractmethod
    def run(
        self,
        fits: Mapping[str, Fit],
        table: OutcomeTable,
        embeddings: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> Study:
        """Train every router under every condition and score all of them on the test prompts.

        Args:
            fits: trains a router, by its name.
            table: N outcomes with their split.
            embeddings: ``(N, D)``, one row per prompt of ``table``.
            rng: draws what the protocol leaves to chance; the same state gives the same study.

        Raises:
            InputError: the table is too small for the protocol.
        """

    def conduct(
        self, recipes: Recipes, table: OutcomeTable, embeddings: NDArray[np.float32], seed: int, folder: Path
    ) -> Pages:
        """Study the chosen router and the baselines, and write experiment.md and experiment.png."""
        from routerbench.experiments.report import findings, study_table, write_study

        fits = with_baselines(recipes.name, recipes.fit)
        study = self.run(fits, table, embeddings, np.random.default_rng(seed))
        write_study(study, folder)
        return Pages("experiment", findings(study), study_table(study))


class Lesson(NamedTuple):
    """What a router is to learn from in one condition."""

    condition: str
    train: Examples
    val: Examples


def fit_each(fits: Mapping[str, Fit], lessons: Iterable[Lesson], num_lessons: int) -> Iterator[tuple[str, str, Router]]:
    """Train every router on every lesson, and log after each fit how long it took and how much remains.

    Args:
        fits: trains a router, by its name.
        lessons: made one at a time, so that only one is in memory.
        num_lessons: how many there are.

    Yields:
        Name of the router, label of the condition, and the router trained for it.
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
    """Refuse a train split from which a model has vanished: no router could say anything of it.

    Args:
        train: what is left of the split.
        condition: where that happens, for the message.
        advice: what to do, for the message.

    Raises:
        InputError: a model has no known quality, or no known cost where others have one.
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
    """A share as it is written on a label, without needless decimals.

    Example:
        >>> percent(0.1), percent(0.005)
        ('10 %', '0.5 %')
    """
    return f"{100 * share:.10g} %"


def _slug(text: str) -> str:
    """A label as part of a folder's name."""
    return re.sub(r"[^\w.]+", "_", text).strip("_") or "_"
