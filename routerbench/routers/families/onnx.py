"""A network that was exported: predicts with ONNX Runtime alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.onnx_runtime import Graph
from routerbench.routers.base import Prediction, Router

CHUNK = 65_536  # embeddings that pass through the graph at once


class OnnxRouter(Router):
    """Predicts with a graph that ``python -m routerbench export`` wrote.

    Args:
        graph: from ``(B, D)`` embeddings to ``(B, M)`` quality and ``(B, M)`` cost.
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        is_ranking: whether its quality is a ranking only.
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
        """The weights that came with the artefact; the graph has its own copy."""
        return self._arrays

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep the weights, for another ``save``."""
        self._arrays = arrays
