"""Abstention: a router that declines the prompts it is least confident about (after HCMA, arXiv 2410.02173)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routerbench.calibration import Calibration
from routerbench.errors import InputError
from routerbench.evaluation.abstention import Abstention, abstain
from routerbench.evaluation.metrics import hcma_multiple_choice, hcma_two_sided
from routerbench.policy import choose
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene

TRANSFORMS = ("two_sided", "multiple_choice", "none")


@dataclass(frozen=True)
class Decline:
    """Routing at one lambda that declines if the calibrated confidence in the chosen model is too low.

    An adaptation: HCMA's confidence is a token probability of the answer, which tables do not have. Here it is the
    router's predicted quality, before any answer. As in HCMA, a transform of it is calibrated for each model by
    logistic regression, on validation.

    Args:
        willingness_to_pay: lambda in USD per unit of quality; infinite to route by predicted quality alone.
        transform: "two_sided", HCMA's for the probability of a correct answer; "multiple_choice", HCMA's for the
            largest probability of several choices; "none": uncalibrated predicted quality.
        abstention: share of the prompts that may be declined, in (0, 1).
        num_resamples: number of bootstrap resamples of the prompts for the intervals; 0 for none.

    Raises:
        InputError: an option is out of range.
    """

    willingness_to_pay: float = float("inf")
    transform: Literal["two_sided", "multiple_choice", "none"] = "two_sided"
    abstention: float = 0.2
    num_resamples: int = 1000

    def __post_init__(self) -> None:
        """Validate the options."""
        if not self.willingness_to_pay >= 0:
            raise InputError(f"abstention.decline.willingness_to_pay must be at least 0, got {self.willingness_to_pay}")
        if self.transform not in TRANSFORMS:
            raise InputError(f"abstention.decline.transform must be {' or '.join(TRANSFORMS)}, got {self.transform!r}")
        if not 0 < self.abstention < 1:
            raise InputError(f"abstention.decline.abstention must be a share between 0 and 1, got {self.abstention}")
        if self.num_resamples < 0:
            raise InputError(f"abstention.decline.num_resamples must be at least 0, got {self.num_resamples}")

    def abstain(self, val: Scene, test: Scene, rng: np.random.Generator) -> Abstention:
        """Calibrate and choose the threshold on ``val``, then route and decline on ``test``.

        Args:
            val: prompts to calibrate on.
            test: prompts to score; the outcomes of the chosen models are read, for the whole curve.
            rng: random number generator for the resamples.

        Raises:
            InputError: there are too few validation prompts, or lambda is finite and there are no costs.
        """
        val.check_size("abstention=decline")
        if np.isfinite(self.willingness_to_pay) and np.isnan(test.prediction.cost).any():
            raise InputError(
                "abstention.decline.willingness_to_pay weighs quality against cost, and the router knows no costs; "
                "leave it infinite"
            )
        confidences = self.confidence(val, val.prediction), self.confidence(val, test.prediction)
        chosen = [choose(scene.prediction, self.willingness_to_pay) for scene in (val, test)]
        val_sure, sure = (cells[np.arange(len(cells)), c] for cells, c in zip(confidences, chosen, strict=True))
        quality = test.table.quality[np.arange(len(sure)), chosen[1]]
        return abstain(sure, quality, val_sure, rng, abstention=self.abstention, num_resamples=self.num_resamples)

    def confidence(self, val: Scene, prediction: Prediction) -> NDArray[np.float64]:
        """Compute the ``(N, M)`` probability that each model is correct, in [0, 1], calibrated on validation."""
        if self.transform == "none":
            return prediction.quality
        transform = hcma_two_sided if self.transform == "two_sided" else hcma_multiple_choice
        known = transform(val.prediction.quality.clip(0, 1))
        finite = known[np.isfinite(known)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        calibration = Calibration.fit("platt", _scores(val.prediction, known.clip(low, high)), val.table)
        return calibration(_scores(prediction, transform(prediction.quality.clip(0, 1)).clip(low, high))).quality


def _scores(prediction: Prediction, scores: NDArray[np.float64]) -> Prediction:
    return prediction._replace(quality=scores, scale="ranking")
