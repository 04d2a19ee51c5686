"""What became of a policy in several steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rollout:
    """What a policy came to on N prompts, at each of S settings: a curve in the plane of cost and quality.

    Attributes:
        setting: what was varied, with its unit, for an axis: "lambda in USD per unit of quality", "budget in USD".
        settings: ``(S,)`` its values, in the order of the curve, from the thriftiest on.
        cost: ``(N, S)`` all that was spent on each prompt in USD, calls that were not the last one included.
        quality: ``(N, S)`` measured quality of the answer that was given, in [0, 1].
        calls: ``(N, S)`` number of models that were called.
        information: what it was allowed to see: "prompt only", "responses of the models it ran", ...
    """

    setting: str
    settings: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    calls: NDArray[np.integer]
    information: str

    def __post_init__(self) -> None:
        """Refuse what is no curve."""
        shape = (len(self.quality), len(self.settings))
        if not len(self.settings) or any(cells.shape != shape for cells in (self.cost, self.quality, self.calls)):
            shapes = [cells.shape for cells in (self.settings, self.cost, self.quality, self.calls)]
            raise ValueError(f"a played policy needs settings (S,) and cells (N, S), got {shapes}")
        if not (np.isfinite(self.cost).all() and np.isfinite(self.quality).all()):
            raise ValueError("a played policy needs a finite cost and quality of every prompt at every setting")

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Rollout:
        """The same on some of the prompts, by mask or index."""
        return replace(self, cost=self.cost[rows], quality=self.quality[rows], calls=self.calls[rows])
