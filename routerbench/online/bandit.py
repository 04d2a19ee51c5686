"""Ridge regressions that learn from one call at a time, and the router that chooses by them."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.online.features import Features
from routerbench.routers.base import Prediction, Router

LARGEST_DIM = 256
TARGETS = ("quality", "cost")


@dataclass
class Posterior:
    """A ridge regression for each of M arms and T targets, in each of S streams that know nothing of each other.

    Attributes:
        inverse: ``(S, M, d, d)`` inverses of ``A``, the penalty plus the sum of ``x x'`` over an arm's calls.
        theta: ``(S, M, d, T)`` weights ``A^-1 b``, where ``b`` is the sum of ``x y'``.
    """

    inverse: NDArray[np.float64]
    theta: NDArray[np.float64]

    @classmethod
    def prior(cls, theta: NDArray[np.float64], strength: float) -> Posterior:
        """``A = strength I`` and ``b = strength theta``: belief in some weights before the first call.

        Args:
            theta: ``(S, M, d, T)``.
            strength: above 0; infinite if no call is to change the weights.
        """
        identity = np.eye(theta.shape[2]) / strength
        return cls(np.tile(identity, (*theta.shape[:2], 1, 1)), theta.copy())

    def mean(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(S, M, T)`` means of ``(S, d)`` inputs, one per stream; of a single stream ``(N, M, T)`` of ``(N, d)``."""
        return np.einsum("nd,nmdt->nmt", inputs, np.broadcast_to(self.theta, (len(inputs), *self.theta.shape[1:])))

    def width(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviations ``sqrt(x' A^-1 x)`` in units of the noise; shapes as in ``mean``, without T."""
        turned = (self.inverse @ inputs[:, None, :, None])[..., 0]
        return np.sqrt((turned * inputs[:, None]).sum(axis=-1).clip(0))

    def update(
        self, inputs: NDArray[np.float64], arms: NDArray[np.int64], targets: NDArray[np.float64], decay: float = 1
    ) -> None:
        """Learn from one call of each stream; the other arms stay as they are.

        ``A <- decay A + x x'`` and ``b <- decay b + x y'``. The inverse follows by the formula of Sherman and Morrison,
        and the weights move by the gain times the error, as in recursive least squares.

        Args:
            inputs: ``(S, d)``.
            arms: ``(S,)`` index of the arm that was called.
            targets: ``(S, T)`` what was observed.
            decay: in (0, 1]; what was learned before counts that much less.
        """
        called = np.arange(len(arms)), arms
        inverse = self.inverse[called] / decay
        turned = (inverse @ inputs[:, :, None])[..., 0]
        scale = 1 + (turned * inputs).sum(axis=1)
        self.inverse[called] = inverse - turned[:, :, None] * turned[:, None] / scale[:, None, None]
        error = targets - (inputs[:, :, None] * self.theta[called]).sum(axis=1)
        self.theta[called] += (turned / scale[:, None])[:, :, None] * error[:, None]


def ridge_weights(inputs: NDArray[np.float64], targets: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Weights of ridge regressions that see every outcome of every prompt.

    Args:
        inputs: ``(..., N, d)``.
        targets: ``(..., N, M, T)``.
        penalty: of the squared weights, above 0.

    Returns:
        ``(..., M, d, T)``.
    """
    flat = targets.reshape(*targets.shape[:-2], targets.shape[-2] * targets.shape[-1])
    turned = np.swapaxes(inputs, -1, -2)
    weights = np.linalg.solve(turned @ inputs + penalty * np.eye(inputs.shape[-1]), turned @ flat)
    return np.swapaxes(weights.reshape(*weights.shape[:-1], *targets.shape[-2:]), -2, -3)


def to_prediction(means: NDArray[np.float64]) -> Prediction:
    """``(N, M, 2)`` means of quality and cost, within their ranges."""
    quality, cost = np.moveaxis(means, -1, 0)
    return Prediction(quality.clip(0, 1), cost.clip(0))


class LinearBandit(Router):
    """A contextual bandit that is a router: it serves, learns from what it served, and can be frozen at any time.

    Each model has two ridge regressions on the same features, of quality and of cost in USD, which know the outcomes of
    its own calls only. The reward of a call is ``quality - cost / lambda``. As ridge regression is linear in what it
    predicts, the regression of the reward is that of quality minus that of cost over lambda. So lambda need not be
    fixed while learning, and what was learned at one lambda predicts for all. MetaLLM's reward, ``quality - p price /
    max price`` (arXiv 2407.10834), is the same with prices that are known and equal for all prompts; here even they
    are learned from the calls.

    A fresh one knows no features: call ``start`` before anything else.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: principal components of the embeddings to learn from, at most 256.
        spread: mean squared length of the features beside the constant, which is 1. If it is small, what a model is
            like on all prompts is learned first, from a few calls, and only then what sets prompts apart.
        ridge: penalty of the squared weights: about so many calls of a model are needed to believe in it.
        decay: in (0, 1]; at each call of a model its earlier calls count that much less; 1 forgets nothing.
    """

    offline_share = 0.0  # of the prompts whose outcomes for all models it is told before serving
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
        """What is added to the mean reward of an arm because little is known of it.

        Args:
            width: ``(N, M)`` standard deviations of the mean rewards, in units of the noise.
            rng: draws what is random.
        """

    def prior(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> Posterior:
        """What is believed before the first call: nothing.

        Args:
            inputs: ``(S, n, d)`` features of n prompts for each of S streams, none as a rule.
            targets: ``(S, n, M, 2)`` their quality and cost.
        """
        return Posterior.prior(np.zeros((len(inputs), self.num_models, inputs.shape[2], len(TARGETS))), self.ridge)

    def start(self, embeddings: NDArray[np.float32]) -> None:
        """Learn the features from ``(N, D)`` embeddings of prompts like those to come, and forget all calls."""
        self.features = Features.of(embeddings, self.dim, self.spread)
        num_features = self.features.projection.shape[1] + 1
        self.begin(np.empty((1, 0, num_features)), np.empty((1, 0, self.num_models, len(TARGETS))))

    def begin(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        """Begin S streams anew, each with the outcomes that are known before it serves; arguments as in ``prior``."""
        self.posterior = self.prior(inputs, targets)

    def select_arms(
        self, inputs: NDArray[np.float64], willingness_to_pay: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Like ``select``, from ``(N, d)`` features, or from those of one prompt for each of S streams."""
        if not willingness_to_pay > 0:
            raise ValueError(f"willingness_to_pay must be above 0 to learn anything, got {willingness_to_pay}")
        quality, cost = np.moveaxis(self.posterior.mean(inputs), -1, 0)
        reward = quality - cost / willingness_to_pay + self.bonus(self.posterior.width(inputs), rng)
        return np.where(reward == reward.max(axis=1, keepdims=True), cost, np.inf).argmin(axis=1)

    def select(
        self, embeddings: NDArray[np.float32], willingness_to_pay: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose the models that answer some prompts, partly to learn about them.

        Ties go to the model that is predicted to be cheaper, then to the lower index.

        Args:
            embeddings: ``(N, D)``.
            willingness_to_pay: lambda in USD per unit of quality, above 0; ``inf`` if money is no object.
            rng: draws what is random.

        Returns:
            ``(N,)`` index of the chosen model.
        """
        return self.select_arms(self.features(embeddings), willingness_to_pay, rng)

    def update(
        self,
        embeddings: NDArray[np.float32],
        models: NDArray[np.int64],
        quality: NDArray[np.float64],
        cost: NDArray[np.float64],
    ) -> None:
        """Learn from calls, in their order.

        Args:
            embeddings: ``(N, D)`` of the prompts.
            models: ``(N,)`` index of the model that was called for each.
            quality: ``(N,)`` measured quality in [0, 1].
            cost: ``(N,)`` measured cost in USD.

        Raises:
            ValueError: a number is missing, or a model does not exist.
        """
        targets = np.stack([quality, cost], axis=1)
        if not np.isfinite(targets).all() or not np.isin(models, np.arange(self.num_models)).all():
            raise ValueError(f"calls need a finite quality and cost, and models from 0 to {self.num_models - 1}")
        # One after the other, as each changes what the next one meets.
        for inputs, model, target in zip(self.features(embeddings), models, targets, strict=True):
            self.posterior.update(inputs[None], np.array([model]), target[None], self.decay)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """The posterior means for ``(N, D)`` embeddings: what the frozen router thinks, without any bonus."""
        return to_prediction(self.posterior.mean(self.features(embeddings)))

    def stream(self, number: int) -> LinearBandit:
        """A copy that goes on with one of the streams alone."""
        single, rows = copy.copy(self), slice(number, number + 1)
        single.posterior = Posterior(self.posterior.inverse[rows].copy(), self.posterior.theta[rows].copy())
        return single

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Features, and ``(1, M, d, d)`` inverses and ``(1, M, d, 2)`` weights: enough to go on learning."""
        return {**self.features._asdict(), "inverse": self.posterior.inverse, "theta": self.posterior.theta}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what ``arrays`` returned."""
        self.features = Features(arrays["mean"], arrays["projection"])
        self.posterior = Posterior(arrays["inverse"], arrays["theta"])
