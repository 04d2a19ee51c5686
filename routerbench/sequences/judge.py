"""What an answer's cost and length say of its quality, once it is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import draw_folds
from routerbench.routers.base import Prediction

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
    """Says by how much an answer that has been seen is better than was expected of it.

    That is the difference of two logistic regressions per model: on all features, and on the predicted quality alone.
    So a router that is off in general is not mistaken for news about an answer.

    Attributes:
        weights: ``(2, M, F)`` of both regressions, those of the second one 0 but for the predicted quality.
        bias: ``(2, M)``.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], quality: NDArray[np.float64]) -> Judge:
        """Learn from answers whose quality was measured.

        Args:
            features: ``(N, M, F)`` of `observe`.
            quality: ``(N, M)`` in [0, 1].
        """
        weights, bias = np.zeros((2, *features.shape[1:])), np.zeros((2, features.shape[1]))
        for regression, num_features in enumerate((features.shape[2], 1)):
            for model, outcome in enumerate(quality.T):
                found = _logistic_regression(features[:, model, :num_features], outcome)
                weights[regression, model, :num_features], bias[regression, model] = found
        return cls(weights, bias)

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, M)`` change of the estimated quality of answers with ``(N, M, F)`` features."""
        seen, expected = (
            np.tanh(((features * weights).sum(axis=2) + bias) / 2) / 2
            for weights, bias in zip(self.weights, self.bias, strict=True)
        )
        return seen - expected


def cross_fitted(features: NDArray[np.float64], table: OutcomeTable, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(N, M)`` changes told by judges that had not seen the prompt, so that what they know is not flattered.

    Args:
        features: ``(N, M, F)`` of `observe`.
        table: the N prompts with their measured quality.
        rng: draws the folds.
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
    """``(F,)`` weights and bias; a quality of 0.7 counts as 0.7 of a success and 0.3 of a failure."""
    from sklearn.linear_model import LogisticRegression

    center, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-12] = 1  # a constant feature says nothing
    inputs, outcome = np.tile((features - center) / scale, (2, 1)), np.repeat([1, 0], len(quality))
    share = np.concatenate([quality, 1 - quality]) + _DOUBT
    fitted = LogisticRegression(max_iter=1000).fit(inputs, outcome, sample_weight=share)
    weights = fitted.coef_[0] / scale
    return weights, float(fitted.intercept_[0] - weights @ center)
