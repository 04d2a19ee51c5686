"""What a policy in several steps is, and what it gets to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction

FEWEST = 10  # validation prompts to learn from


class Scene(NamedTuple):
    """N prompts of one split: what a router predicts of them, and what was measured.

    Attributes:
        table: measured outcomes; a policy may look at those of the calls it has made.
        prediction: for the same prompts, on the scale "quality".
        embeddings: ``(N, D)`` of the prompts.
    """

    table: OutcomeTable
    prediction: Prediction
    embeddings: NDArray[np.float32]

    def check_size(self, who: str) -> None:
        """Refuse a validation split that is too small to learn from.

        Raises:
            InputError: it has fewer than 10 prompts; the message says ``who`` needs them.
        """
        if len(self.table) < FEWEST:
            raise InputError(
                f"{self.table.source}: {who} needs at least {FEWEST} validation prompts without a missing cell, "
                f"got {len(self.table)}"
            )

    def complete(self) -> Scene:
        """The prompts without a missing cell: on these policies play."""
        rows = self.table.is_complete
        return Scene(self.table.take(rows), self.prediction.take(rows), self.embeddings[rows])


class SequentialPolicy(Protocol):
    """Decides in several steps. Whatever it chooses, thresholds or multipliers, it chooses on validation."""

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Learn from ``val``, then play on ``test``.

        Args:
            val: complete prompts to learn and choose from.
            test: complete prompts to play on; its outcomes are read only where a call has been made.
            rng: draws whatever is random.

        Returns:
            By the name of a variant, "" if there is one only, its curve; several for draws of one random policy.
        """
