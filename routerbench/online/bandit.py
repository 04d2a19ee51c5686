"""Contextual linear bandits: ridge regressions updated by one call at a time, and a router on top of them."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.online.features import Features
from routerbench.routers.base import OnlineRouter, Prediction

LARGEST_DIM = 256
TARGETS = ("quality", "cost")


@dataclass
class Posterior:
    """Ridge regressions for each of M arms and T targets, in each of S independent streams.

    Attributes:
        inverse: ``(S, M, d, d)`` inverses of ``A``, the penalty plus the sum of ``x x'`` over an arm's calls.
        theta: ``(S, M, d, T)`` weights ``A^-1 b``, where ``b`` is the sum of ``x y'``.
    """

    inverse: NDArray[np.float64]
    theta: NDArray[np.float64]

    @classmethod
    def prior(cls, theta: NDArray[np.float64], strength: float) -> Posterior:
        """Make the prior ``A = strength I`` and ``b = strength theta``.

        Args:
            theta: ``(S, M, d, T)`` prior weights.
            strength: above 0; infinite to keep the weights fixed.
        """
        identity = np.eye(theta.shape[2]) / strength
        return cls(np.tile(identity, (*theta.shape[:2], 1, 1)), theta.copy())

    def mean(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute ``(S, M, T)`` means for ``(S, d)`` inputs, one per stream; ``(N, M, T)`` for ``(N, d)`` and S = 1."""
        return np.einsum("nd,nmdt->nmt", inputs, np.broadcast_to(self.theta, (len(inputs), *self.theta.shape[1:])))

    def width(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute ``sqrt(x' A^-1 x)``, standard deviations in units of the noise; shapes as in ``mean``, without T."""
        turned = (self.inverse @ inputs[:, None, :, None])[..., 0]
        return np.sqrt((turned * inputs[:, None]).sum(axis=-1).clip(0))

    def update(
        self, inputs: NDArray[np.float64], arms: NDArray[np.int64], targets: NDArray[np.float64], decay: float = 1
    ) -> None:
        """Update the called arm of each stream with one call.

        ``A <- decay A + x x'`` and ``b <- decay b + x y'``. The inverse is updated by the Sherman-Morrison formula, and
        the weights by the gain times the error, as in recursive least squares.

        Args:
            inputs: ``(S, d)`` features.
            arms: ``(S,)`` index of the arm that was called.
            targets: ``(S, T)`` observed targets.
            decay: factor of the weight of earlier calls, in (0, 1].
        """
        called = np.arange(len(arms)), arms
        inverse = self.inverse[called] / decay
        turned = (inverse @ inputs[:, :, None])[..., 0]
        scale = 1 + (turned * inputs).sum(axis=1)
        self.inverse[called] = inverse - turned[:, :, None] * turned[:, None] / scale[:, None, None]
        error = targets - (inputs[:, :, None] * self.theta[called]).sum(axis=1)
        self.theta[called] += (turned / scale[:, None])[:, :, None] * error[:, None]


def ridge_weights(inputs: NDArray[np.float64], targets: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Fit ridge regressions on all outcomes of every prompt.

    Args:
        inputs: ``(..., N, d)`` features.
        targets: ``(..., N, M, T)`` targets.
        penalty: penalty of the squared weights, above 0.

    Returns:
        ``(..., M, d, T)`` weights.
    """
    flat = targets.reshape(*targets.shape[:-2], targets.shape[-2] * targets.shape[-1])
    turned = np.swapaxes(inputs, -1, -2)
    weights = np.linalg.solve(turned @ inputs + penalty * np.eye(inputs.shape[-1]), turned @ flat)
    return np.swapaxes(weights.reshape(*weights.shape[:-1], *targets.shape[-2:]), -2, -3)


def to_prediction(means: NDArray[np.float64]) -> Prediction:
    """Convert ``(N, M, 2)`` means of quality and cost to a prediction, clipped to their ranges."""
    quality, cost = np.moveaxis(means, -1, 0)
    return Prediction(quality.clip(0, 1), cost.clip(0))


class LinearBandit(OnlineRouter):
    """A contextual bandit that is a router: it serves, learns from its calls, and can be frozen at any time.

    Each model has two ridge regressions on the same features, for quality and for cost in USD, trained on the outcomes
    of its own calls only. The reward of a call is ``quality - cost / lambda``. Ridge regression is linear in its
    targets, so the regression of the reward is that of quality minus that of cost over lambda. Lambda may therefore
    change while learning, and the weights learned at one lambda predict for all. MetaLLM's reward, ``quality - p price
    / max price`` (arXiv 2407.10834), has the same form with known prices that are equal for all prompts; here prices
    are learned from the calls as well.

    A new bandit has no features: call ``start`` first.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of principal components of the embeddings to use, at most 256.
        spread: mean squared length of the features without the constant 1. If it is small, the mean outcomes of a model
            are learned first, from a few calls, and the differences between prompts later.
        ridge: penalty of the squared weights, about the number of calls needed to outweigh the prior.
        decay: factor of the weight of a model's earlier calls at each of its calls, in (0, 1]; 1 forgets nothing.
    """

    offline_share = 0.0  # share of the prompts with outcomes of all models known before serving
    features: Features
    posterior: Posterior

    def __init__(
        self, embedding_dim: int, num_models: int, dim: int, spread: float, ridge: float, decay: float
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim, self.spread, self.ridge, self.decay = dim, spread, ridge, decay
        if not 1 <= dim <= LARGEST_DIM:
            raise InputError(f"online.bandit.dim must be from 1 to {LARGEST_DIM}, got {dim}")
        if not 0 < spread < np.inf:
            raise InputError(f"online.bandit.spread must be a number above 0, got {spread}")
        if not 0 < ridge < np.inf:
            raise InputError(f"online.bandit.ridge must be a number above 0, got {ridge}")
        if not 0 < decay <= 1:
            raise InputError(f"online.bandit.decay must be above 0 and at most 1, got {decay}")

    @abstractmethod
    def bonus(self, width: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Compute the exploration bonus added to the mean reward of each arm.

        Args:
            width: ``(N, M)`` standard deviations of the mean rewards, in units of the noise.
            rng: random number generator.
        """

    def prior(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> Posterior:
        """Make the posterior before the first call; here an uninformative one.

        Args:
            inputs: ``(S, n, d)`` features of n offline prompts for each of S streams, usually none.
            targets: ``(S, n, M, 2)`` their quality and cost.
        """
        return Posterior.prior(np.zeros((len(inputs), self.num_models, inputs.shape[2], len(TARGETS))), self.ridge)

    def start(self, embeddings: NDArray[np.float32]) -> None:
        """Fit the features on ``(N, D)`` embeddings of prompts like those to come, and reset the posterior."""
        self.features = Features.of(embeddings, self.dim, self.spread)
        num_features = self.features.projection.shape[1] + 1
        self.begin(np.empty((1, 0, num_features)), np.empty((1, 0, self.num_models, len(TARGETS))))

    def begin(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        """Reset S streams, each with outcomes known before it serves; arguments as in ``prior``."""
        self.posterior = self.prior(inputs, targets)

    def select_arms(
        self, inputs: NDArray[np.float64], willingness_to_pay: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose as ``select`` does, from ``(N, d)`` features, or from those of one prompt for each of S streams."""
        if not willingness_to_pay > 0:
            raise ValueError(f"willingness_to_pay must be above 0 to learn anything, got {willingness_to_pay}")
        quality, cost = np.moveaxis(self.posterior.mean(inputs), -1, 0)
        reward = quality - cost / willingness_to_pay + self.bonus(self.posterior.width(inputs), rng)
        return np.where(reward == reward.max(axis=1, keepdims=True), cost, np.inf).argmin(axis=1)

    def select(
        self, embeddings: NDArray[np.float32], willingness_to_pay: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose with exploration; ties go to the model with the lower predicted cost, then to the lower index."""
        return self.select_arms(self.features(embeddings), willingness_to_pay, rng)

    def update(
        self,
        embeddings: NDArray[np.float32],
        models: NDArray[np.int64],
        quality: NDArray[np.float64],
        cost: NDArray[np.float64],
    ) -> None:
        """Learn from calls one at a time, because each update changes the next one."""
        targets = np.stack([quality, cost], axis=1)
        if not np.isfinite(targets).all() or not np.isin(models, np.arange(self.num_models)).all():
            raise ValueError(f"calls need a finite quality and cost, and models from 0 to {self.num_models - 1}")
        for inputs, model, target in zip(self.features(embeddings), models, targets, strict=True):
            self.posterior.update(inputs[None], np.array([model]), target[None], self.decay)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the posterior means for ``(N, D)`` embeddings, without the bonus."""
        return to_prediction(self.posterior.mean(self.features(embeddings)))

    def stream(self, number: int) -> LinearBandit:
        """Copy the router with a single stream."""
        single, rows = copy.copy(self), slice(number, number + 1)
        single.posterior = Posterior(self.posterior.inverse[rows].copy(), self.posterior.theta[rows].copy())
        return single

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return features, ``(1, M, d, d)`` inverses and ``(1, M, d, 2)`` weights, sufficient to continue learning."""
        return {**self.features._asdict(), "inverse": self.posterior.inverse, "theta": self.posterior.theta}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the result of ``arrays``."""
        self.features = Features(arrays["mean"], arrays["projection"])
        self.posterior = Posterior(arrays["inverse"], arrays["theta"])
