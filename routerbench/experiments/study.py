"""What an experiment finds: a frozen record that the report writes down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from routerbench.evaluation.results import Difference, Evaluation, Scored


class Condition(NamedTuple):
    """What routers are trained under.

    Attributes:
        label: what it is called, as "10 %".
        position: its place on the axis; None for a condition that has no number.
    """

    label: str
    position: float | None = None


@dataclass(frozen=True)
class Study:
    """Routers under several conditions, all scored on the same test prompts.

    Attributes:
        title: what was studied.
        axis: what the positions of the conditions count; empty if none has a position.
        log_axis: whether positions are compared by their ratio.
        conditions: in the order of the report.
        baseline: label of the condition that the others are compared with.
        routers: names, in the order they were given.
        names: of each router and label of a condition, its name in ``evaluation.routers``; a router that cannot take a
            condition has no entry.
        evaluation: of every run beside the references.
        changes: by name in ``evaluation.routers``, how much higher a run scores than the same router in the baseline
            condition: overall under None and, in a study that looks at benchmarks, under the benchmark's name.
        notes: what a reader has to know, one sentence each.
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
        """Figures of one router in one condition, or None if it cannot take it."""
        name = self.names.get((router, condition))
        return None if name is None else self.evaluation.routers[name]
