"""Judges, which estimate the quality of an answer from its cost and length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import draw_folds
from routerbench.routers.base import Prediction

_LEAST_COST = 1e-9  # USD, added to costs before taking a logarithm
_EXTREME = 1e-3  # predicted quality is clipped this far from 0 and 1 before taking a logit
_DOUBT = 1e-3  # weight of success and failure added to every outcome, so that no model is certain


def observe(table: OutcomeTable, prediction: Prediction) -> NDArray[np.float64]:
    """Compute features of every answer.

    Args:
        table: measured outcomes of N prompts.
        prediction: prediction for the same prompts, on the scale "quality".

    Returns:
        ``(N, M, F)`` logit of the predicted quality, log ratio of measured to predicted cost, and log of the number of
        characters if the table has responses.
    """
    likely = prediction.quality.clip(_EXTREME, 1 - _EXTREME)
    surprise = np.log(table.cost + _LEAST_COST) - np.log(prediction.cost + _LEAST_COST)
    features = [np.log(likely / (1 - likely)), surprise]
    if table.responses is not None:
        length = np.frompyfunc(lambda text: len(text) if text else 0, 1, 1)(table.responses)
        features.append(np.log1p(length.astype(np.float64)))
    return np.stack(features, axis=2)


@dataclass(frozen=True)
class Judge:
    """Estimator of how much better an answer is than predicted.

    The estimate is the difference of two logistic regressions per model, on all features and on the predicted quality
    alone. A bias of the router thus cancels out.

    Attributes:
        weights: ``(2, M, F)`` weights of both regressions; those of the second are 0 except for the predicted quality.
        bias: ``(2, M)`` intercepts.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], quality: NDArray[np.float64]) -> Judge:
        """Fit on answers of measured quality.

        Args:
            features: ``(N, M, F)`` features from `observe`.
            quality: ``(N, M)`` measured quality in [0, 1].
        """
        weights, bias = np.zeros((2, *features.shape[1:])), np.zeros((2, features.shape[1]))
        for regression, num_features in enumerate((features.shape[2], 1)):
            for model, outcome in enumerate(quality.T):
                found = _logistic_regression(features[:, model, :num_features], outcome)
                weights[regression, model, :num_features], bias[regression, model] = found
        return cls(weights, bias)

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the ``(N, M)`` change of estimated quality for answers with ``(N, M, F)`` features."""
        seen, expected = (
            np.tanh(((features * weights).sum(axis=2) + bias) / 2) / 2
            for weights, bias in zip(self.weights, self.bias, strict=True)
        )
        return seen - expected


def cross_fitted(features: NDArray[np.float64], table: OutcomeTable, rng: np.random.Generator) -> NDArray[np.float64]:
    """Compute ``(N, M)`` changes by cross-fitting: the judge of each prompt has not seen it.

    Args:
        features: ``(N, M, F)`` features from `observe`.
        table: the N prompts with their measured quality.
        rng: random number generator for the folds.
    """
    quality, fold = table.quality, draw_folds(table.prompts, rng)
    changes = np.empty_like(quality)
    for part in np.unique(fold):
        held_out = fold == part
        changes[held_out] = Judge.fit(features[~held_out], quality[~held_out])(features[held_out])
    return changes


def _logistic_regression(
    features: NDArray[np.float64], quality: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit ``(F,)`` weights and an intercept; a quality of 0.7 counts as 0.7 of a success and 0.3 of a failure."""
    from sklearn.linear_model import LogisticRegression

    center, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-12] = 1  # constant feature
    inputs, outcome = np.tile((features - center) / scale, (2, 1)), np.repeat([1, 0], len(quality))
    share = np.concatenate([quality, 1 - quality]) + _DOUBT
    fitted = LogisticRegression(max_iter=1000).fit(inputs, outcome, sample_weight=share)
    weights = fitted.coef_[0] / scale
    return weights, float(fitted.intercept_[0] - weights @ center)
