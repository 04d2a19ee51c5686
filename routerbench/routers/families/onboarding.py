"""Add a model to a fitted router from a few scored prompts, without retraining."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Onboarding(ABC):
    """Mixin for routers to which models can be added after fitting; a new model becomes the last one."""

    num_models: int

    def add_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        """Add a model.

        Args:
            embeddings: ``(k, D)`` embeddings of the k prompts, at least one, on which the model was scored.
            quality: ``(k,)`` measured quality in [0, 1].
            cost: ``(k,)`` measured cost in USD per prompt; all NaN for a router that was fitted without costs.

        Raises:
            ValueError: there are no prompts, lengths differ, or an outcome is missing or out of range.
        """
        if not len(embeddings) == len(quality) == len(cost) > 0:
            raise ValueError(
                f"a model is added from k > 0 prompts with as many outcomes, got {len(embeddings)} embeddings, "
                f"{len(quality)} qualities and {len(cost)} costs"
            )
        if not ((quality >= 0) & (quality <= 1)).all():
            raise ValueError(f"the quality of an added model must be known and in [0, 1], got {quality}")
        if not (np.isnan(cost).all() or (np.isfinite(cost) & (cost >= 0)).all()):
            raise ValueError(f"the cost of an added model must be at least 0, all known or all NaN, got {cost}")
        self._append_model(embeddings, quality, cost)
        self.num_models += 1

    @abstractmethod
    def _append_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        """Append a model to what was learned."""


def shrunk_mean(quality: NDArray[np.float64], known_means: NDArray[np.float64]) -> float:
    """Estimate the mean quality of a new model from few scores and the means of the known models.

    The best of several means over 10 prompts is mostly luck, and a router that trusts it sends everything there. The
    mean is therefore shrunk towards that of the known models as far as chance could have moved it: empirical Bayes
    after James and Stein (Efron and Morris 1975, Data Analysis Using Stein's Estimator and Its Generalizations), with
    the variance ``p (1 - p)`` of a binary score, which is the largest for any score in [0, 1].

    Args:
        quality: ``(k,)`` scores of the new model in [0, 1].
        known_means: ``(M,)`` mean quality of the known models, at least two.

    Returns:
        A quality in [0, 1].

    Example:
        >>> round(shrunk_mean(np.ones(12), np.array([0.4, 0.6])), 3)  # within .24, between .02
        0.75
    """
    within = float(np.mean(known_means * (1 - known_means)))
    between = float(np.var(known_means, ddof=1))
    if within + between == 0:  # all known models always fail, or always succeed: the variance is unknown
        return float(quality.mean())
    trust = between / (between + within / len(quality))
    return float(trust * quality.mean() + (1 - trust) * known_means.mean())
