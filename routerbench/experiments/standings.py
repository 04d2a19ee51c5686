"""What a leaderboard finds: a frozen record that the report writes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from routerbench.evaluation.results import Evaluation

LEVEL = 0.05
Relation = Literal["better", "not distinguishable", "worse"]


class Entry(NamedTuple):
    """How a router came by its row.

    Attributes:
        seeds: those it was trained with; one if it draws nothing.
        fit_seconds: median over seeds of a training, the choice among the router's own candidates included.
        predict_microseconds: median over seeds, per test prompt and all models.
        options: what of its grid was chosen on validation, as typed; empty for the options of ``conf/``.
        num_tried: configurations of its grid that were tried.
    """

    seeds: tuple[int, ...]
    fit_seconds: float
    predict_microseconds: float
    options: str
    num_tried: int


class Comparison(NamedTuple):
    """A router against another one, among all routers that were compared with it.

    Attributes:
        value: how much higher it scores.
        p_value: two-sided, of no difference, corrected for the number of comparisons by Holm's method.
    """

    value: float
    p_value: float

    @property
    def relation(self) -> Relation:
        """What may be said at the 5 % level of all comparisons together."""
        if self.p_value >= LEVEL:
            return "not distinguishable"
        return "better" if self.value > 0 else "worse"


@dataclass(frozen=True)
class Standings:
    """Routers side by side on the same test prompts.

    Attributes:
        evaluation: of all routers, pooled over their seeds, beside the references.
        entries: how each router of ``evaluation.routers`` came by its row.
        absent: routers that could not be trained on this table, with the reason.
    """

    evaluation: Evaluation
    entries: Mapping[str, Entry]
    absent: Mapping[str, str]

    def against(self, other: str) -> dict[str, Comparison]:
        """Every router against one router or reference; empty without intervals.

        Args:
            other: a name in the ``differences`` of the routers, as "linear" or "benchmark_oracle".
        """
        found = {
            name: scored.differences[other]
            for name, scored in self.evaluation.routers.items()
            if other in scored.differences and scored.differences[other].prompts is not None
        }
        corrected = holm([difference.prompts.p_value for difference in found.values()])  # type: ignore[union-attr]
        return {
            name: Comparison(difference.value, p)
            for (name, difference), p in zip(found.items(), corrected, strict=True)
        }


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979).

    Calling a difference real where its corrected value is below 5 % errs in one comparison or more with a chance of
    at most 5 %, however the comparisons depend on each other.

    Args:
        p_values: of single comparisons, in [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
