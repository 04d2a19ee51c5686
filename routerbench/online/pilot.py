"""PILOT: LinUCB with a prior from offline training (arXiv 2508.21141)."""

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.online.bandit import Posterior, ridge_weights
from routerbench.online.linucb import LinUCB


class PILOT(LinUCB):
    """LinUCB with the prior ``A = strength I``, ``b = strength theta``, where ``theta`` comes from offline training.

    The paper learns ``theta`` from human preferences between pairs of answers: first a projection of the prompts, then
    a vector for each model, both of unit length, so that rewards are cosines. A table of outcomes has no preferences.
    Here a share of the prompts is labelled with the outcomes of all models, and ``theta`` is their ridge regression on
    the features that all bandits share. The paper's budget over a stream, an online knapsack, is replaced by a fixed
    lambda, as for the other policies.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of principal components of the embeddings to use, at most 256.
        spread: mean squared length of the features without the constant 1.
        ridge: penalty of the squared weights in offline training.
        decay: in (0, 1]; 1 forgets nothing.
        alpha: multiple of the standard deviation to add, in units of the reward's noise, at least 0.
        offline_share: share of the train prompts that is labelled before serving, above 0 and below 1.
        strength: about the number of calls of a model needed to outweigh offline training; infinite to keep it fixed.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        dim: int,
        spread: float,
        ridge: float,
        decay: float,
        alpha: float,
        offline_share: float,
        strength: float,
    ) -> None:
        super().__init__(embedding_dim, num_models, dim, spread, ridge, decay, alpha)
        self.offline_share, self.strength = offline_share, strength
        if not 0 < offline_share < 1:
            raise InputError(f"online.bandit.offline_share must be above 0 and below 1, got {offline_share}")
        if not strength > 0:
            raise InputError(f"online.bandit.strength must be above 0, got {strength}")

    def prior(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> Posterior:
        """Make the offline weights the prior, with the weight of ``strength`` calls in every direction."""
        return Posterior.prior(ridge_weights(inputs, targets, self.ridge), self.strength)
