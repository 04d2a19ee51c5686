"""Exported networks that only need ONNX Runtime."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.onnx_runtime import Graph
from routerbench.routers.base import Prediction, Router

CHUNK = 65_536  # embeddings per run of the graph


class OnnxRouter(Router):
    """Predicts with a graph written by ``python -m routerbench export``.

    Args:
        graph: maps ``(B, D)`` embeddings to ``(B, M)`` quality and ``(B, M)`` cost.
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        is_ranking: whether the quality is only a ranking.
    """

    def __init__(self, graph: Graph, embedding_dim: int, num_models: int, is_ranking: bool) -> None:
        super().__init__(embedding_dim, num_models)
        self.graph = graph
        self.is_ranking = is_ranking
        self._arrays: dict[str, NDArray[Any]] = {}

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the outcomes of ``(N, D)`` embeddings on all M models."""
        starts = range(0, max(len(embeddings), 1), CHUNK)
        parts = [self.graph(embedding=np.asarray(embeddings[i : i + CHUNK], np.float32)) for i in starts]
        quality, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Prediction(quality, cost, scale="ranking" if self.is_ranking else "quality")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights from the artefact; the graph has its own copy."""
        return self._arrays

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep the weights, so that the router can be saved again."""
        self._arrays = arrays
