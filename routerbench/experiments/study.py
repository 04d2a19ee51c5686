"""Result of an experiment, as a frozen record for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from routerbench.evaluation.results import Difference, Evaluation, Scored


class Condition(NamedTuple):
    """A condition under which routers are trained.

    Attributes:
        label: label such as "10 %".
        position: position on the axis; None for a condition without a number.
    """

    label: str
    position: float | None = None


@dataclass(frozen=True)
class Study:
    """Results of routers under several conditions, all scored on the same test prompts.

    Attributes:
        title: title of the study.
        axis: label of the axis of positions; empty if no condition has a position.
        log_axis: whether the axis is logarithmic.
        conditions: conditions in the order of the report.
        baseline: label of the condition that the others are compared with.
        routers: names, in the order they were given.
        names: maps router and label of a condition to the name in ``evaluation.routers``, without conditions that do
            not apply to a router.
        evaluation: evaluation of every run together with the references.
        changes: by name in ``evaluation.routers``, the paired difference of a run to the same router in the baseline
            condition: overall under None and, in a study by benchmark, under the benchmark's name.
        notes: notes for the reader, one sentence each.
    """

    title: str
    axis: str
    log_axis: bool
    conditions: tuple[Condition, ...]
    baseline: str
    routers: tuple[str, ...]
    names: Mapping[tuple[str, str], str]
    evaluation: Evaluation
    changes: Mapping[str, Mapping[str | None, Difference]]
    notes: tuple[str, ...]

    def scored(self, router: str, condition: str) -> Scored | None:
        """Return the figures of one router in one condition, or None if the condition does not apply to it."""
        name = self.names.get((router, condition))
        return None if name is None else self.evaluation.routers[name]
