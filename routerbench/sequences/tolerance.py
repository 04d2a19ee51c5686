"""IPR's tolerance: the cheapest model with a predicted quality close to the best (arXiv 2509.06274)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene


@dataclass(frozen=True)
class ToleranceBudget:
    """Routing to the cheapest model whose predicted quality is within a tolerance of the best one's.

    If all predictions for a prompt are equal, it goes to the cheapest model at any tolerance. Nothing is learned on
    validation.

    Args:
        is_relative: whether the tolerance is a fraction of the range of predicted quality of the prompt, as in IPR, or
            an absolute quality, the same for each prompt (the epsilon-tie rule).
        num_settings: number S of tolerances, evenly spaced from 1 (the cheapest model) to 0 (the best one).

    Raises:
        InputError: there are fewer than two settings.
    """

    is_relative: bool = True
    num_settings: int = 101

    def __post_init__(self) -> None:
        """Validate the options."""
        if self.num_settings < 2:
            raise InputError(f"budget.tolerance.num_settings must be at least 2, got {self.num_settings}")

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Route the test prompts at each tolerance. Validation and random numbers are not used."""
        tolerances = np.linspace(1, 0, self.num_settings)
        chosen = [tolerate(test.prediction, tolerance, self.is_relative) for tolerance in tolerances]
        cells = np.stack(chosen, axis=1)
        rollout = Rollout(
            setting="tolerance as a share of the range of quality" if self.is_relative else "tolerance in quality",
            settings=tolerances,
            cost=np.take_along_axis(test.table.cost, cells, 1),
            quality=np.take_along_axis(test.table.quality, cells, 1),
            calls=np.ones(cells.shape, np.int64),
            information="prompt only",
        )
        return {"": [rollout]}


def tolerate(prediction: Prediction, tolerance: float, is_relative: bool = True) -> NDArray[np.int64]:
    """Return the ``(N,)`` cheapest models within a tolerance in [0, 1]: ``q_max - q_m <= tolerance (q_max - q_min)``.

    Ties in cost go to the better model, then to the lower index.

    Example:
        >>> prediction = Prediction(np.array([[0.5, 0.75, 0.875]]), np.array([[0.001, 0.002, 0.010]]))
        >>> [tolerate(prediction, tolerance).item() for tolerance in (0, 0.3, 0.4, 1)]
        [2, 2, 1, 0]
        >>> tolerate(prediction, 0.3, is_relative=False).item()
        1
    """
    quality, cost = prediction.quality, prediction.cost
    loss = quality.max(axis=1, keepdims=True) - quality
    allowed = tolerance * loss.max(axis=1, keepdims=True) if is_relative else tolerance
    price = np.where(loss <= allowed, cost, np.inf)
    return np.where(price == price.min(axis=1, keepdims=True), quality, -np.inf).argmax(axis=1)
