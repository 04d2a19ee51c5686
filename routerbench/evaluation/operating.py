"""Operating points: lambda for a budget or a minimum quality, chosen on validation and realised on other prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.sweep import Sweep, sweep_prediction
from routerbench.routers.base import Prediction

# Maximum number stored in an artefact. Between neighbours mean quality usually moves by less than .001.
_MAX_POINTS = 1024


class OperatingPoint(NamedTuple):
    """A lambda, and how to choose for prompts with a tie at exactly that lambda.

    Attributes:
        willingness_to_pay: lambda in USD per unit of quality; infinite to ignore cost.
        dearer_share: share of the tied prompts, drawn at random, that go to the more expensive model.
        cost: mean USD per prompt on the prompts used to choose it.
        quality: mean quality on the prompts used to choose it, in [0, 1].
    """

    willingness_to_pay: float
    dearer_share: float
    cost: float
    quality: float


def within_budget(curve: Sweep, budget: float) -> OperatingPoint | None:
    """Find the largest lambda with mean cost within a budget. Mixing at the tie spends the budget exactly.

    The exact curve replaces a bisection: two neighbouring points enclose the budget (the mixture is that of cascade
    routing, arXiv 2410.10347).

    Args:
        curve: curve of the router on validation.
        budget: mean USD per prompt.

    Returns:
        The point, or None if even the cheapest choice exceeds the budget.

    Example:
        >>> from routerbench.evaluation.sweep import sweep
        >>> curve = sweep(np.array([[0.5, 1.0]]), np.array([[1.0, 2.0]]), np.array([[0, 1]]), np.array([[1, 3]]))
        >>> within_budget(curve, 1.5)
        OperatingPoint(willingness_to_pay=2.0, dearer_share=0.25, cost=1.5, quality=0.25)
    """
    last = last_within(curve.cost, budget)
    if last is None:
        return None
    if last == len(curve.cost) - 1:
        return OperatingPoint(float("inf"), 0.0, float(curve.cost[-1]), float(curve.quality[-1]))
    return _between(curve, last, (budget - curve.cost[last]) / (curve.cost[last + 1] - curve.cost[last]))


def keeping_quality(curve: Sweep, floor: float) -> OperatingPoint | None:
    """Find the smallest lambda with mean quality of at least a floor. Mixing at the tie reaches the floor exactly.

    Args:
        curve: curve of the router on validation.
        floor: mean quality in [0, 1].

    Returns:
        The point, or None if no lambda reaches the floor.
    """
    first = first_reaching(curve.quality, floor)
    if first is None:
        return None
    if first == 0:
        return OperatingPoint(0.0, 0.0, float(curve.cost[0]), float(curve.quality[0]))
    step = curve.quality[first] - curve.quality[first - 1]
    return _between(curve, first - 1, (floor - curve.quality[first - 1]) / step)


def realise(curve: Sweep, point: OperatingPoint, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the expected outcome of each prompt at an operating point, over the random choice at the tie.

    Args:
        curve: curve of the same router on the N prompts to answer.
        point: operating point, usually chosen on other prompts.
        cells: ``(N, M)`` measured cost or quality.

    Returns:
        ``(N,)`` expected cost or quality.
    """
    prompts = np.arange(len(cells))
    cheaper = cells[prompts, curve.choices(point.willingness_to_pay)]
    dearer = cells[prompts, curve.choices(point.willingness_to_pay, is_after=True)]
    return (1 - point.dearer_share) * cheaper + point.dearer_share * dearer


def _between(curve: Sweep, point: int, share: float) -> OperatingPoint:
    """Mix a point of the curve with the next one; they are tied at the lambda of the latter."""
    cost = (1 - share) * curve.cost[point] + share * curve.cost[point + 1]
    quality = (1 - share) * curve.quality[point] + share * curve.quality[point + 1]
    return OperatingPoint(float(curve.lambdas[point + 1]), float(share), float(cost), float(quality))


def last_within(cost: NDArray[np.float64], budget: float) -> int | None:
    """Find the last of ``(L,)`` points, in order of lambda, with mean cost within a budget; None if there is none."""
    affordable = np.flatnonzero(cost <= budget)
    return int(affordable[-1]) if len(affordable) else None


def first_reaching(quality: NDArray[np.float64], floor: float) -> int | None:
    """Find the first of ``(L,)`` points, in order of lambda, with mean quality of at least a floor, or None."""
    reaching = np.flatnonzero(quality >= floor)
    return int(reaching[0]) if len(reaching) else None


@dataclass(frozen=True)
class OperatingPoints:
    """Lambdas with their mean cost and quality on the complete prompts of validation.

    Each lambda is in the middle of an interval with the same choices, as rounding may break the ties at its ends.

    Attributes:
        willingness_to_pay: ``(L,)`` lambdas in USD per unit of quality, ascending from 0, the last one infinite.
        cost: ``(L,)`` mean measured cost, in USD per prompt.
        quality: ``(L,)`` mean measured quality, in [0, 1].
        best_quality: mean quality on validation of the best single model, which is chosen on train.
    """

    willingness_to_pay: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    best_quality: float

    @classmethod
    def of(cls, prediction: Prediction, table: OutcomeTable, best: int) -> OperatingPoints | None:
        """Compute the points of a router on validation, at most 1,024.

        Args:
            prediction: prediction for all N prompts of ``table``.
            table: the validation split.
            best: index of the best single model on train.

        Returns:
            The points; None if the table or the router has no cost.
        """
        rows = table.is_complete
        if not (table.has_cost and rows.any()) or np.isnan(prediction.cost).any():
            return None
        table = table.take(rows)
        curve = sweep_prediction(prediction.take(rows), table.quality, table.cost)
        middles = np.append((curve.lambdas[:-1] + curve.lambdas[1:]) / 2, np.inf)
        middles[0] = 0.0
        kept = np.unique(np.linspace(0, len(middles) - 1, min(len(middles), _MAX_POINTS)).round().astype(np.int64))
        return cls(middles[kept], curve.cost[kept], curve.quality[kept], float(table.quality[:, best].mean()))

    def within_budget(self, usd_per_prompt: float) -> float:
        """Find the largest lambda with mean validation cost of at most a budget in USD per prompt.

        Raises:
            InputError: even the cheapest choice exceeds the budget.
        """
        last = last_within(self.cost, usd_per_prompt)
        if last is None:
            raise InputError(
                f"a budget of {usd_per_prompt * 1000:g} USD per 1,000 prompts is below what the cheapest choice cost "
                f"on validation, {self.cost.min() * 1000:g}"
            )
        return float(self.willingness_to_pay[last])

    def keeping(self, share: float) -> float:
        """Find the smallest lambda with mean validation quality of at least a share of the best single model's.

        Args:
            share: above 0 and at most 1.

        Raises:
            InputError: the share is out of range, or no lambda reaches it.

        Example:
            >>> points = OperatingPoints(np.array([0.1, np.inf]), np.array([1.0, 3.0]), np.array([0.6, 0.9]), 0.8)
            >>> points.keeping(0.7), points.keeping(0.95), points.within_budget(2)
            (0.1, inf, 0.1)
        """
        if not 0 < share <= 1:
            raise InputError(f"a share of quality to keep is above 0 and at most 1, got {share}")
        first = first_reaching(self.quality, share * self.best_quality)
        if first is None:
            raise InputError(
                f"no lambda keeps {share:g} of the best single model's quality on validation; the most this router "
                f"keeps is {self.quality.max() / self.best_quality:.3f}"
            )
        return float(self.willingness_to_pay[first])
