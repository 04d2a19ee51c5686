"""Exact nearest-neighbour search among train prompts, shared by the routers that use neighbours."""

import numpy as np
from numpy.typing import NDArray


class Memory:
    """Exact FAISS search by cosine similarity.

    Args:
        vectors: ``(N, D)`` embeddings of the train prompts, `normalized`.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        import faiss

        self.vectors = vectors
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(
        self, embeddings: NDArray[np.float32], num_neighbors: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the most similar train prompts.

        Args:
            embeddings: ``(Q, D)`` queries.
            num_neighbors: K, at most N.

        Returns:
            ``(Q, K)`` cosine similarities in descending order, and ``(Q, K)`` indices of train prompts.
        """
        return self._index.search(normalized(embeddings), num_neighbors)


def normalized(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length, so that inner products are cosines.

    Example:
        >>> normalized(np.array([[3.0, 4.0], [0.0, 0.0]])).round(1).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    embeddings = np.ascontiguousarray(embeddings, np.float32)
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
