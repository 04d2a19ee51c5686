"""Linear Thompson sampling (Agrawal and Goyal, arXiv 1209.3352)."""

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.online.bandit import LinearBandit


class Thompson(LinearBandit):
    """Bandit that samples weights from ``N(theta, v^2 A^-1)`` for every prompt and chooses the largest reward.

    Only the product of ``x'`` and the sampled weights is needed. It is normal with mean ``theta' x`` and standard
    deviation ``v sqrt(x' A^-1 x)``, and is sampled directly, without a square root of each ``A^-1``.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of principal components of the embeddings to use, at most 256.
        spread: mean squared length of the features without the constant 1.
        ridge: penalty of the squared weights.
        decay: in (0, 1]; 1 forgets nothing.
        v: assumed standard deviation of the reward's noise, at least 0.
    """

    def __init__(
        self, embedding_dim: int, num_models: int, dim: int, spread: float, ridge: float, decay: float, v: float
    ) -> None:
        super().__init__(embedding_dim, num_models, dim, spread, ridge, decay)
        self.v = v
        if not 0 <= v < np.inf:
            raise InputError(f"online.bandit.v must be a number of at least 0, got {v}")

    def bonus(self, width: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Compute ``v`` times the width times a standard normal number, one for each prompt and model."""
        return self.v * width * rng.standard_normal(width.shape)
