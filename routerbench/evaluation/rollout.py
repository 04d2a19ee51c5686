"""Outcomes of a sequential policy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rollout:
    """Outcomes of a policy on N prompts at S settings, a curve in the cost-quality plane.

    Attributes:
        setting: name and unit of the varied setting, for an axis: "lambda in USD per unit of quality", "budget in USD".
        settings: ``(S,)`` values of the setting, in the order of the curve, the lowest cost first.
        cost: ``(N, S)`` total cost of each prompt in USD, over all its calls.
        quality: ``(N, S)`` measured quality of the final answer, in [0, 1].
        calls: ``(N, S)`` number of models that were called.
        information: what the policy may read: "prompt only", "responses of the models it ran", ...
    """

    setting: str
    settings: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    calls: NDArray[np.integer]
    information: str

    def __post_init__(self) -> None:
        """Validate shapes and values."""
        shape = (len(self.quality), len(self.settings))
        if not len(self.settings) or any(cells.shape != shape for cells in (self.cost, self.quality, self.calls)):
            shapes = [cells.shape for cells in (self.settings, self.cost, self.quality, self.calls)]
            raise ValueError(f"a played policy needs settings (S,) and cells (N, S), got {shapes}")
        if not (np.isfinite(self.cost).all() and np.isfinite(self.quality).all()):
            raise ValueError("a played policy needs a finite cost and quality of every prompt at every setting")

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Rollout:
        """Select some of the prompts, by mask or index."""
        return replace(self, cost=self.cost[rows], quality=self.quality[rows], calls=self.calls[rows])
