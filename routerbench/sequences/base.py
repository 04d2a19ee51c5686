"""Interface of sequential policies, and the data they learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction

FEWEST = 10  # minimum number of validation prompts


class Scene(NamedTuple):
    """N prompts of one split, with predictions and measured outcomes.

    Attributes:
        table: measured outcomes; a policy may only read those of the calls it has made.
        prediction: prediction for the same prompts, on the scale "quality".
        embeddings: ``(N, D)`` embeddings of the prompts.
    """

    table: OutcomeTable
    prediction: Prediction
    embeddings: NDArray[np.float32]

    def check_size(self, who: str) -> None:
        """Refuse a validation split that is too small.

        Raises:
            InputError: it has fewer than 10 prompts; ``who`` is named in the message.
        """
        if len(self.table) < FEWEST:
            raise InputError(
                f"{self.table.source}: {who} needs at least {FEWEST} validation prompts without a missing cell, "
                f"got {len(self.table)}"
            )

    def complete(self) -> Scene:
        """Select the prompts without a missing cell, on which policies are evaluated."""
        rows = self.table.is_complete
        return Scene(self.table.take(rows), self.prediction.take(rows), self.embeddings[rows])


class SequentialPolicy(Protocol):
    """A policy that decides in several steps. Thresholds, multipliers and the like are chosen on validation."""

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Fit on ``val``, then run on ``test``.

        Args:
            val: complete prompts to fit on.
            test: complete prompts to run on; an outcome is read only after its call has been made.
            rng: random number generator.

        Returns:
            Curves by the name of the variant, "" for a single one; a random policy has several curves, one per draw.
        """
