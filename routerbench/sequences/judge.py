"""What an answer's cost and length say of its quality, once it is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.routers.base import Prediction

_NUM_FOLDS = 5
_LEAST_COST = 1e-9  # USD, stands for no cost where its logarithm is taken
_EXTREME = 1e-3  # predicted quality is kept this far from 0 and 1 before its logit is taken
_DOUBT = 1e-3  # of a success and of a failure that every outcome holds, so that no model is certain


def observe(table: OutcomeTable, prediction: Prediction) -> NDArray[np.float64]:
    """What is seen of every answer, beside what was predicted of it.

    Args:
        table: measured outcomes of N prompts.
        prediction: for the same prompts, on the scale "quality".

    Returns:
        ``(N, M, F)`` logit of the predicted quality, log of the realised over the predicted cost, and log of the
        number of characters, where there are responses.
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
    """Estimates the quality of an answer that has been seen: one logistic regression per model.

    Attributes:
        weights: ``(M, F)``.
        bias: ``(M,)``.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], quality: NDArray[np.float64]) -> Judge:
        """Learn from answers whose quality was measured; 0.7 counts as 0.7 of a success and 0.3 of a failure.

        Args:
            features: ``(N, M, F)`` of `observe`.
            quality: ``(N, M)`` in [0, 1].
        """
        from sklearn.linear_model import LogisticRegression

        center, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < 1e-12] = 1  # a constant feature says nothing
        outcome = np.repeat([1, 0], len(quality))
        weights, bias = [], []
        for model in range(quality.shape[1]):
            inputs = np.tile((features[:, model] - center[model]) / scale[model], (2, 1))
            share = np.concatenate([quality[:, model], 1 - quality[:, model]]) + _DOUBT
            fitted = LogisticRegression(max_iter=1000).fit(inputs, outcome, sample_weight=share)
            weights.append(fitted.coef_[0] / scale[model])
            bias.append(fitted.intercept_[0] - weights[-1] @ center[model])
        return cls(np.array(weights), np.array(bias))

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, M)`` estimated quality of answers with ``(N, M, F)`` features."""
        return (1 + np.tanh(((features * self.weights).sum(axis=2) + self.bias) / 2)) / 2


def cross_fitted(
    features: NDArray[np.float64], quality: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """``(N, M)`` estimates of judges that had not seen the prompt, so that how far they move is not flattered.

    Args:
        features: ``(N, M, F)`` of `observe`.
        quality: ``(N, M)`` in [0, 1].
        rng: draws the folds.
    """
    fold = rng.permutation(len(quality)) % _NUM_FOLDS
    estimates = np.empty_like(quality)
    for part in range(_NUM_FOLDS):
        held_out = fold == part
        estimates[held_out] = Judge.fit(features[~held_out], quality[~held_out])(features[held_out])
    return estimates
