"""From what a router predicts to quality in [0, 1]: one monotone map per model, learned on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.routers.base import Prediction

METHODS = ("platt", "isotonic")
FEWEST = 10  # known outcomes of a model below which only their mean is trusted


@dataclass(frozen=True)
class Calibration:
    """Maps the predicted quality of every model, keeping its order of the prompts or making ties.

    "platt" is a logistic function of the prediction (Platt 1999, Probabilistic Outputs for Support Vector Machines),
    "isotonic" the best non-decreasing step function (Zadrozny and Elkan 2002, Transforming Classifier Scores into
    Accurate Multiclass Probability Estimates), joined by straight lines: more flexible, in need of more prompts, and
    full of ties. scikit-learn fits them, NumPy applies them.

    Attributes:
        method: "platt" or "isotonic".
        curves: M pairs, one array of ``(2, K)`` each: for "platt", K = 1, slope and intercept; for "isotonic" the
            predictions, rising, and the qualities of K knots.
    """

    method: str
    curves: tuple[NDArray[np.float64], ...]

    @classmethod
    def fit(cls, method: str, prediction: Prediction, table: OutcomeTable) -> Calibration:
        """Learn the map of every model from the prompts where it was observed.

        A model with fewer than 10 outcomes, or with equal ones or equal predictions, is mapped to its mean quality; so
        is one whose predictions fall as quality rises. Without any outcome it is mapped to the mean of all.

        Args:
            method: "platt" or "isotonic".
            prediction: for the N prompts of ``table``, on any scale.
            table: the validation split.
        """
        curve = {"platt": _platt, "isotonic": _isotonic}[method]
        curves = []
        for scores, quality in zip(prediction.quality.T, table.quality.T, strict=True):
            known = np.isfinite(quality)
            scores, quality = scores[known], quality[known]
            is_informative = len(quality) >= FEWEST and np.ptp(quality) > 0 and np.ptp(scores) > 0
            mean = quality.mean() if known.any() else np.nanmean(table.quality)
            curves.append(curve(scores, quality) if is_informative else _constant(method, float(mean)))
        return cls(method, tuple(curves))

    def __call__(self, prediction: Prediction) -> Prediction:
        """The prediction in units of quality. A ``quality_std`` was in other units and is dropped."""
        apply = {"platt": _sigmoid, "isotonic": _interpolate}[self.method]
        columns = [apply(scores, *curve) for scores, curve in zip(prediction.quality.T, self.curves, strict=True)]
        return prediction._replace(quality=np.stack(columns, axis=1), quality_std=None, scale="quality")

    def arrays(self) -> dict[str, NDArray]:
        """All curves in a row, ``(2, K_1 + ... + K_M)``, and the ``(M,)`` numbers of knots K."""
        knots = np.array([curve.shape[1] for curve in self.curves])
        return {"curves": np.concatenate(self.curves, axis=1), "knots": knots}

    @classmethod
    def from_arrays(cls, method: str, arrays: dict[str, NDArray]) -> Calibration:
        """Take back what ``arrays`` returned."""
        return cls(method, tuple(np.split(arrays["curves"], arrays["knots"].cumsum()[:-1], axis=1)))


def _platt(scores: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logistic regression; a quality of 0.7 counts as 0.7 of a success and 0.3 of a failure.

    On standardised scores, so that scikit-learn's mild penalty of the slope, which keeps it finite where the outcomes
    are separable, does not depend on the router's units.
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


def _isotonic(scores: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(scores, quality)
    return np.array([model.X_thresholds_, model.y_thresholds_])


def _constant(method: str, mean: float) -> NDArray[np.float64]:
    """The curve that is ``mean`` everywhere."""
    if method == "isotonic":
        return np.array([[0.0], [mean]])
    with np.errstate(divide="ignore"):  # a mean of 0 or 1 has an infinite logit
        return np.array([[0.0], [np.log(mean) - np.log1p(-mean)]])


def _sigmoid(
    scores: NDArray[np.float64], slope: NDArray[np.float64], intercept: NDArray[np.float64]
) -> NDArray[np.float64]:
    return (1 + np.tanh((slope * scores + intercept) / 2)) / 2  # exp would overflow far from the middle


def _interpolate(
    scores: NDArray[np.float64], knots: NDArray[np.float64], quality: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.interp(scores, knots, quality)
