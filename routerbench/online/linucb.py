"""LinUCB: upper confidence bounds on the reward (Li et al. 2010, arXiv 1003.0146; MetaLLM, arXiv 2407.10834)."""

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.online.bandit import LinearBandit


class LinUCB(LinearBandit):
    """Bandit that chooses the largest upper confidence bound, ``theta' x + alpha sqrt(x' A^-1 x)``.

    MetaLLM is LinUCB with a warm start from full information and ``alpha = 0``: greedy ridge regression.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of principal components of the embeddings to use, at most 256.
        spread: mean squared length of the features without the constant 1.
        ridge: penalty of the squared weights.
        decay: in (0, 1]; 1 forgets nothing.
        alpha: multiple of the standard deviation to add, in units of the reward's noise, at least 0.
    """

    def __init__(
        self, embedding_dim: int, num_models: int, dim: int, spread: float, ridge: float, decay: float, alpha: float
    ) -> None:
        super().__init__(embedding_dim, num_models, dim, spread, ridge, decay)
        self.alpha = alpha
        if not 0 <= alpha < np.inf:
            raise InputError(f"online.bandit.alpha must be a number of at least 0, got {alpha}")

    def bonus(self, width: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Compute ``alpha`` times the width."""
        return self.alpha * width
