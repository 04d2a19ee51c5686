"""Result of a leaderboard, as a frozen record for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from routerbench.evaluation.results import Evaluation

LEVEL = 0.05
Relation = Literal["better", "not distinguishable", "worse"]


class Entry(NamedTuple):
    """Training of a router on a leaderboard.

    Attributes:
        seeds: seeds it was trained with; a single one if it is deterministic.
        fit_seconds: median training time over seeds, including the selection among the router's own candidates.
        predict_microseconds: median over seeds, per test prompt and for all models.
        options: options of its grid chosen on validation, as typed; empty for the options of ``conf/``.
        num_tried: number of configurations of its grid that were tried.
    """

    seeds: tuple[int, ...]
    fit_seconds: float
    predict_microseconds: float
    options: str
    num_tried: int


class Comparison(NamedTuple):
    """Difference between two routers, corrected for multiple comparisons.

    Attributes:
        value: difference of the scores, positive if the first router is better.
        p_value: two-sided p-value of no difference, corrected for the number of comparisons by Holm's method.
    """

    value: float
    p_value: float

    @property
    def relation(self) -> Relation:
        """Conclusion at the 5 % level of all comparisons together."""
        if self.p_value >= LEVEL:
            return "not distinguishable"
        return "better" if self.value > 0 else "worse"


@dataclass(frozen=True)
class Standings:
    """Routers on the same test prompts.

    Attributes:
        evaluation: evaluation of all routers, pooled over their seeds, together with the references.
        entries: training of each router of ``evaluation.routers``.
        absent: routers that could not be trained on this table, with the reason.
    """

    evaluation: Evaluation
    entries: Mapping[str, Entry]
    absent: Mapping[str, str]

    def against(self, other: str) -> dict[str, Comparison]:
        """Compare every router with one router or reference; empty without intervals.

        Args:
            other: a name in the ``differences`` of the routers, such as "linear" or "benchmark_oracle".
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
    """Correct p-values by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979).

    If differences with a corrected p-value below 5 % are called significant, the probability of one or more errors is
    at most 5 %, for any dependence between the comparisons.

    Args:
        p_values: p-values of single comparisons, in [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
