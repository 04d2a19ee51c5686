"""What a policy in several steps gets to know, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.routers.base import Prediction


class Scene(NamedTuple):
    """N prompts of one split, none with a missing cell: what a router predicts of them, and what was measured.

    Attributes:
        table: measured outcomes; a policy may look at those of the calls it has made.
        prediction: for the same prompts, on the scale "quality".
        embeddings: ``(N, D)`` of the prompts.
    """

    table: OutcomeTable
    prediction: Prediction
    embeddings: NDArray[np.float32]


@dataclass(frozen=True)
class Played:
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

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Played:
        """The same on some of the prompts, by mask or index."""
        return replace(self, cost=self.cost[rows], quality=self.quality[rows], calls=self.calls[rows])


class Policy(Protocol):
    """Decides in several steps. Whatever it chooses, thresholds or multipliers, it chooses on validation."""

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Played]]:
        """Learn from ``val``, then play on ``test``.

        Args:
            val: to learn and choose from.
            test: to play on; its outcomes are read only where a call has been made.
            rng: draws whatever is random.

        Returns:
            By the name of a variant, "" if there is one only, its curve; several for draws of one random policy.
        """
