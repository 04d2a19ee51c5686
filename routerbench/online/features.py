"""What a bandit sees of a prompt: a few leading directions of its embedding, and a constant."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FLAT = 1e-6  # of the largest variance: along such directions no call teaches anything, and old ones are forgotten


class Features(NamedTuple):
    """A projection learned from prompts alone, without any outcome.

    Attributes:
        mean: ``(D,)`` of the prompts' embeddings.
        projection: ``(D, d - 1)`` principal components, scaled to the wanted ``spread``, so that a penalty or a width
            means the same for every encoder.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], dim: int, spread: float) -> "Features":
        """Learn the projection.

        Args:
            embeddings: ``(N, D)`` of prompts.
            dim: number of components to keep, if there are as many along which prompts differ.
            spread: mean squared length of the features beside the constant.
        """
        mean = embeddings.mean(axis=0, dtype=np.float64)
        centred = embeddings - mean
        variance, vectors = np.linalg.eigh(centred.T @ centred / len(centred))  # ascending
        kept = np.flatnonzero(variance > _FLAT * variance[-1])[::-1][:dim]
        total = variance[kept].sum()
        return cls(mean, np.ascontiguousarray(vectors[:, kept]) / np.sqrt((total if total > 0 else 1) / spread))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(N, d)`` features of ``(N, D)`` embeddings; the last one is 1."""
        return np.pad((embeddings - self.mean) @ self.projection, ((0, 0), (0, 1)), constant_values=1)
