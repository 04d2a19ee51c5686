"""Features of a bandit: leading principal components of the embedding, and a constant."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FLAT = 1e-6  # fraction of the largest variance; calls teach nothing along flatter directions, and decay forgets them


class Features(NamedTuple):
    """A projection fitted on prompts, without outcomes.

    Attributes:
        mean: ``(D,)`` mean of the prompts' embeddings.
        projection: ``(D, d - 1)`` principal components, scaled to the given ``spread``, so that penalties and widths
            are comparable between encoders.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], dim: int, spread: float) -> "Features":
        """Fit the projection.

        Args:
            embeddings: ``(N, D)`` embeddings of prompts.
            dim: maximum number of components to keep; fewer are kept if the others have almost no variance.
            spread: mean squared length of the features without the constant.
        """
        mean = embeddings.mean(axis=0, dtype=np.float64)
        centred = embeddings - mean
        variance, vectors = np.linalg.eigh(centred.T @ centred / len(centred))  # ascending
        kept = np.flatnonzero(variance > _FLAT * variance[-1])[::-1][:dim]
        total = variance[kept].sum()
        return cls(mean, np.ascontiguousarray(vectors[:, kept]) / np.sqrt((total if total > 0 else 1) / spread))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute ``(N, d)`` features of ``(N, D)`` embeddings; the last one is 1."""
        return np.pad((embeddings - self.mean) @ self.projection, ((0, 0), (0, 1)), constant_values=1)
