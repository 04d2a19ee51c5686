"""What a router came to on validation at each lambda: what a budget, or a quality to keep, is turned into lambda by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.sweep import sweep_prediction
from routerbench.routers.base import Prediction

# An artefact takes these along; between two of 1,024 neighbours mean quality moves by less than .001 as a rule.
_MAX_POINTS = 1024


@dataclass(frozen=True)
class OperatingPoints:
    """Lambdas of which it is known what they come to, measured on the complete prompts of validation.

    Each stands in the middle of the lambdas that choose alike, away from the ties at either end, which rounding breaks.

    Attributes:
        willingness_to_pay: ``(L,)`` lambdas in USD per unit of quality, ascending from 0, the last one infinite.
        cost: ``(L,)`` mean measured cost at each, in USD per prompt.
        quality: ``(L,)`` mean measured quality at each, in [0, 1].
        best_quality: mean quality there of the best single model, which train chose.
    """

    willingness_to_pay: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    best_quality: float

    @classmethod
    def of(cls, prediction: Prediction, table: OutcomeTable, best: int) -> OperatingPoints | None:
        """The points of a router on validation, at most 1,024 of them.

        Args:
            prediction: for all N prompts of ``table``.
            table: the validation split.
            best: index of the best single model on train.

        Returns:
            The points; None where the table or the router knows no cost.
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
        """The largest lambda whose mean cost, on validation, is at most a budget in USD per prompt.

        Raises:
            InputError: even the cheapest choice costs more.
        """
        affordable = np.flatnonzero(self.cost <= usd_per_prompt)
        if not len(affordable):
            raise InputError(
                f"a budget of {usd_per_prompt * 1000:g} USD per 1,000 prompts is below what the cheapest choice cost "
                f"on validation, {self.cost.min() * 1000:g}"
            )
        return float(self.willingness_to_pay[affordable[-1]])

    def keeping(self, share: float) -> float:
        """The smallest lambda whose mean quality, on validation, is at least a share of the best single model's.

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
        reaching = np.flatnonzero(self.quality >= share * self.best_quality)
        if not len(reaching):
            raise InputError(
                f"no lambda keeps {share:g} of the best single model's quality on validation; the most this router "
                f"keeps is {self.quality.max() / self.best_quality:.3f}"
            )
        return float(self.willingness_to_pay[reaching[0]])
