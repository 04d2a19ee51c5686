"""Adjustment of a fitted router on validation: calibration, then a guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.calibration import METHODS, Calibration
from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.references import best_single
from routerbench.policy import guard
from routerbench.routers.base import Prediction, Router, Score

CALIBRATIONS = ("auto", "none", *METHODS)
GUARDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # standard errors tried by policy.guard=auto


@dataclass(frozen=True)
class Adjustment:
    """How fitted routers are adjusted.

    Attributes:
        calibration: one of `METHODS`, "none", or "auto": "shared" for a router that only ranks, "none" for others.
        guard: number of standard errors that a predicted gain over the best single model must exceed, or "auto".
    """

    calibration: str
    guard: float | str

    def __post_init__(self) -> None:
        """Refuse invalid options before any work starts."""
        if self.calibration not in CALIBRATIONS:
            raise InputError(f"calibration must be one of {', '.join(CALIBRATIONS)}, got {self.calibration!r}")
        is_number = isinstance(self.guard, int | float) and not isinstance(self.guard, bool)
        if self.guard != "auto" and not (is_number and 0 <= float(self.guard) < np.inf):
            raise InputError(f"policy.guard must be a number of standard errors from 0 on, or auto, got {self.guard!r}")

    def apply(self, router: Router, train: OutcomeTable, val: Examples, score: Score) -> Router:
        """Return the adjusted router, or the router itself if there is nothing to adjust.

        Args:
            router: fitted router.
            train: train split; determines the best single model.
            val: validation split; calibration, errors and guard are fitted to it.
            score: selects the guard if it is "auto".

        Raises:
            InputError: an option does not fit a router that only ranks, or one that chooses itself.
        """
        prediction = router.predict(val.embeddings)
        if prediction.choices is not None:
            self._refuse_for_choices()
            return router
        method = self._method(prediction)
        adjusted = AdjustedRouter(router, method, 0.0, best_single(train))
        guards = GUARDS if self.guard == "auto" else (float(self.guard),)
        adjusted.fit(prediction, val.table, guards, score)
        return router if method == "none" and adjusted.guard == 0 else adjusted

    def _refuse_for_choices(self) -> None:
        """Refuse explicit options for a router that chooses itself at each lambda; "auto" leaves it unchanged."""
        options = {"calibration": self.calibration, "policy.guard": self.guard}
        for name, option in options.items():
            if option not in ("auto", "none", 0):
                raise InputError(
                    f"{name}={option}: this router sees lambda and chooses itself, so nothing is left to adjust; "
                    "use calibration=none policy.guard=0"
                )

    def _method(self, prediction: Prediction) -> str:
        if self.calibration == "none" and prediction.scale == "ranking":
            raise InputError(
                "calibration=none: this router predicts a ranking, which cannot be weighed against a cost; "
                f"use calibration={' or calibration='.join(METHODS)}"
            )
        automatic = "shared" if prediction.scale == "ranking" else "none"
        return automatic if self.calibration == "auto" else self.calibration


class AdjustedRouter(Router):
    """A router with calibrated and guarded predictions.

    Args:
        router: fitted router.
        calibration: "none" or one of `METHODS`.
        guard: number of standard errors that a predicted gain over the best single model must exceed.
        best_single: index of the best single model.
    """

    def __init__(self, router: Router, calibration: str, guard: float, best_single: int) -> None:
        super().__init__(router.embedding_dim, router.num_models)
        self.router = router
        self.calibration = calibration
        self.guard = guard
        self.best_single = best_single

    def fit(self, prediction: Prediction, table: OutcomeTable, guards: Sequence[float], score: Score) -> None:
        """Fit the calibration and the standard errors of the predictions, and select the guard.

        Args:
            prediction: the router's prediction for the N prompts of ``table``.
            table: the validation split.
            guards: candidates in ascending order; ties go to the smallest.
            score: selects the guard.
        """
        if self.calibration != "none":
            self.curves = Calibration.fit(self.calibration, prediction, table)
            prediction = self.curves(prediction)
        self.standard_error = gain_error(prediction, table, self.best_single)
        scores = [score(self._guarded(prediction, z), table) for z in guards]
        self.guard = guards[int(np.argmax(scores))]

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict ``(N, D)`` embeddings, calibrated and guarded."""
        prediction = self.router.predict(embeddings)
        return self._guarded(prediction if self.calibration == "none" else self.curves(prediction), self.guard)

    def _guarded(self, prediction: Prediction, z: float) -> Prediction:
        std = prediction.quality_std
        # If the router predicts standard errors, those of two models are assumed independent.
        error = self.standard_error if std is None else np.hypot(std, std[:, [self.best_single]])
        return guard(prediction, self.best_single, z, error)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The router's arrays, and those of calibration and guard with prefixes."""
        own = {"guard.standard_error": self.standard_error}
        if self.calibration != "none":
            own |= {f"calibration.{name}": array for name, array in self.curves.arrays().items()}
        return self.router.arrays() | own

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        arrays = dict(arrays)
        self.standard_error = arrays.pop("guard.standard_error")
        if self.calibration != "none":
            curves = {name: arrays.pop(f"calibration.{name}") for name in ("curves", "knots")}
            self.curves = Calibration.from_arrays(self.calibration, curves)
        self.router.load_arrays(arrays)


def gain_error(prediction: Prediction, table: OutcomeTable, best: int) -> NDArray[np.float64]:
    """Estimate the standard error of each model's mean predicted gain over the best single model.

    It is the standard deviation of measured minus predicted gains, divided by the square root of their number.

    Args:
        prediction: prediction for the N prompts of ``table``, on the scale "quality".
        table: the validation split.
        best: index of the best single model.

    Returns:
        ``(M,)`` in units of quality; 0 for ``best``, and 1, the whole range, for a model never observed with it.

    Example:
        >>> from types import SimpleNamespace
        >>> measured = SimpleNamespace(quality=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
        >>> gain_error(Prediction(np.full((4, 2), 0.5), np.ones((4, 2))), measured, best=1).round(3).tolist()
        [0.354, 0.0]
    """
    errors = table.quality - prediction.quality
    errors = errors - errors[:, [best]]
    counts = np.isfinite(errors).sum(axis=0)
    known = counts > 0
    standard_error = np.ones(len(known))
    standard_error[known] = np.nanstd(errors[:, known], axis=0) / np.sqrt(counts[known])
    return standard_error
