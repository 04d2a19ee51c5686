"""Common parts of the protocols: training under several conditions, and checks of the data."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.errors import InputError
from routerbench.experiments.study import Study
from routerbench.routers.base import Router

Fit = Callable[[Examples, Examples, str], Router]
"""Trains a new router for the models of train; the text names a folder for its logs."""

log = logging.getLogger(__name__)


class Experiment(ABC):
    """A protocol, which modifies train and val before routers are trained on them. Test is not modified."""

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
            fits: functions that train a router, by its name.
            table: N outcomes with their split.
            embeddings: ``(N, D)`` embeddings of the prompts of ``table``.
            rng: random number generator; the same state gives the same study.

        Raises:
            InputError: the table is too small for the protocol.
        """


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
