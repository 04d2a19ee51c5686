"""Calibration of predictions to quality in [0, 1]: one monotone map per model, fitted on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.routers.base import Prediction

METHODS = ("platt", "shared", "isotonic")
NEWTON_STEPS = 1000
TOLERANCE = 1e-9  # of the last Newton step, in logits; about ten steps are needed
FEWEST = 10  # known outcomes of a model that a fit requires; with fewer, the mean is used


@dataclass(frozen=True)
class Calibration:
    """Maps the predicted quality of every model, preserving its order of the prompts except for ties.

    "platt" is a logistic function of the prediction (Platt 1999, Probabilistic Outputs for Support Vector Machines).
    "shared" uses the same slope for all models: a ranking that compares the models of a prompt, as Elo does, keeps its
    differences, whereas separate slopes would follow the difficulty of the prompts, which such a ranking may not know.
    "isotonic" is the best non-decreasing step function (Zadrozny and Elkan 2002, Transforming Classifier Scores into
    Accurate Multiclass Probability Estimates), with linear interpolation: more flexible, but in need of more prompts
    and with many ties. scikit-learn fits "platt" and "isotonic"; NumPy applies all maps.

    Attributes:
        method: "platt", "shared" or "isotonic".
        curves: M arrays of ``(2, K)``: slope and intercept with K = 1 for "platt" and "shared"; ascending predictions
            and qualities of K knots for "isotonic".
    """

    method: str
    curves: tuple[NDArray[np.float64], ...]

    @classmethod
    def fit(cls, method: str, prediction: Prediction, table: OutcomeTable) -> Calibration:
        """Fit the map of every model to the prompts where it was observed.

        A model is mapped to its mean quality if it has fewer than 10 outcomes, if all of them or all predictions are
        equal, or if its predictions fall as quality rises. A model without outcomes is mapped to the mean of all
        models.

        Args:
            method: "platt", "shared" or "isotonic".
            prediction: prediction for the N prompts of ``table``, on any scale.
            table: the validation split.
        """
        slope, intercept = _shared(prediction.quality, table.quality) if method == "shared" else (np.nan, np.empty(0))
        curves = []
        for model, (scores, quality) in enumerate(zip(prediction.quality.T, table.quality.T, strict=True)):
            known = np.isfinite(quality)
            scores, quality = scores[known], quality[known]
            mean = quality.mean() if known.any() else np.nanmean(table.quality)
            is_informative = len(quality) >= FEWEST and np.ptp(quality) > 0 and np.ptp(scores) > 0
            if not is_informative or slope <= 0:
                curves.append(_constant(method, float(mean)))
            elif method == "shared":
                curves.append(np.array([[slope], [intercept[model]]]))
            else:
                curves.append({"platt": _platt, "isotonic": _isotonic}[method](scores, quality))
        return cls(method, tuple(curves))

    def __call__(self, prediction: Prediction) -> Prediction:
        """Calibrate a prediction; its ``quality_std`` is dropped, because it is in other units."""
        apply = {"platt": _sigmoid, "shared": _sigmoid, "isotonic": _interpolate}[self.method]
        columns = [apply(scores, *curve) for scores, curve in zip(prediction.quality.T, self.curves, strict=True)]
        return prediction._replace(quality=np.stack(columns, axis=1), quality_std=None, scale="quality")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(2, K_1 + ... + K_M)`` concatenated curves, and the ``(M,)`` numbers of knots K."""
        knots = np.array([curve.shape[1] for curve in self.curves])
        return {"curves": np.concatenate(self.curves, axis=1), "knots": knots}

    @classmethod
    def from_arrays(cls, method: str, arrays: dict[str, NDArray[Any]]) -> Calibration:
        """Restore what ``arrays`` returned."""
        return cls(method, tuple(np.split(arrays["curves"], arrays["knots"].cumsum()[:-1], axis=1)))


def _platt(scores: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a logistic regression; a quality of 0.7 counts as 0.7 of a success and 0.3 of a failure.

    Scores are standardised, so that scikit-learn's mild penalty of the slope, which keeps it finite for separable
    outcomes, does not depend on the router's units.
    """
    from sklearn.linear_model import LogisticRegression

    center, scale = scores.mean(), scores.std()
    inputs = np.tile((scores - center) / scale, 2)[:, None]
    outcome = np.repeat([1, 0], len(scores))
    model = LogisticRegression().fit(inputs, outcome, sample_weight=np.concatenate([quality, 1 - quality]))
    slope = model.coef_.item() / scale
    if slope <= 0:
        return _constant("platt", quality.mean())
    return np.array([[slope], [model.intercept_.item() - slope * center]])


def _shared(scores: NDArray[np.float64], quality: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Fit a logistic regression with one slope and ``(M,)`` intercepts by Newton's method.

    The penalty, for standardised scores, is that of `_platt`.

    Args:
        scores: ``(N, M)``.
        quality: ``(N, M)``, NaN if not observed.
    """
    known = np.isfinite(quality)
    center, scale = scores[known].mean(), scores[known].std() or 1.0
    inputs = (scores - center) / scale
    share = np.where(known, quality, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    bias, slope = np.log(share.clip(1e-3, 1 - 1e-3)) - np.log1p(-share.clip(1e-3, 1 - 1e-3)), 0.0
    for _ in range(NEWTON_STEPS):
        p = _logistic(slope * inputs + bias)
        error, weight = np.where(known, quality - p, 0), p * (1 - p) * known
        diagonal, cross = weight.sum(axis=0) + 1e-6, (weight * inputs).sum(axis=0)
        curvature = (weight * inputs**2).sum() + 1 - (cross**2 / diagonal).sum()
        step = ((inputs * error).sum() - slope - (cross / diagonal * error.sum(axis=0)).sum()) / curvature
        step_bias = (error.sum(axis=0) - cross * step) / diagonal
        # A step that changes no logit by more than 1 always raises the likelihood; longer ones may diverge.
        size = np.abs(step * inputs + step_bias)[known].max(initial=0)
        slope, bias = slope + step / max(1, size), bias + step_bias / max(1, size)
        if size < TOLERANCE:
            break
    return float(slope / scale), bias - slope * center / scale


def _isotonic(scores: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(scores, quality)
    return np.array([model.X_thresholds_, model.y_thresholds_])


def _constant(method: str, mean: float) -> NDArray[np.float64]:
    """Return the curve with the value ``mean`` everywhere."""
    if method == "isotonic":
        return np.array([[0.0], [mean]])
    with np.errstate(divide="ignore"):  # a mean of 0 or 1 has an infinite logit
        return np.array([[0.0], [np.log(mean) - np.log1p(-mean)]])


def _sigmoid(
    scores: NDArray[np.float64], slope: NDArray[np.float64], intercept: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _logistic(slope * scores + intercept)


def _logistic(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(logit / 2)) / 2  # exp would overflow for large negative logits


def _interpolate(
    scores: NDArray[np.float64], knots: NDArray[np.float64], quality: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.interp(scores, knots, quality)
