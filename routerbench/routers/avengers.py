"""Avengers (arXiv 2505.19797, 2508.12631): what the models do on the few clusters of prompts that are nearest."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import Prediction, Score
from routerbench.routers.families.clusters import ClusterRouter, Clusters


class AvengersRouter(ClusterRouter):
    """Mixes the outcomes of the p nearest of K clusters by weights ``softmax(-beta * (1 - cosine))``.

    With ``score="mean"`` it predicts the weighted mean quality of the clusters. With "rank" it scores a model as the
    paper does, by the weighted mean of ``1 / (rank + 0.1)``, where rank is the model's place by mean quality in a
    cluster, 1 for the best and the mean of their places for equals; that is a ranking, to be calibrated. The paper has
    K = 64 and p from 1 to 3; we choose both on validation, by how the router routes.

    Adaptations: Avengers-Pro ranks by a mixture of quality and cost, ``alpha * quality + (1 - alpha) * thrift``, each
    scaled to [0, 1] within the cluster, with alpha as its knob. Here lambda takes alpha's place: quality and cost are
    both predicted, and weighed in USD at the end. Our means are shrunken to each model's overall mean.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_clusters: candidates for K, or one; those above the number of train prompts count as that number.
        num_nearest: candidates for p, or one; those above the number of clusters count as that number.
        beta: at least 0: the larger, the more the nearest cluster counts for.
        score: "mean" or "rank".
        seed: of the clusters.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_clusters: Sequence[int] | int,
        num_nearest: Sequence[int] | int,
        beta: float,
        score: Literal["mean", "rank"],
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_clusters = [num_clusters] if isinstance(num_clusters, int) else list(num_clusters)
        self.num_nearest = [num_nearest] if isinstance(num_nearest, int) else list(num_nearest)
        self.beta = beta
        self.score = score
        self.seed = seed
        for name, candidates in (("num_clusters", self.num_clusters), ("num_nearest", self.num_nearest)):
            if not candidates or min(candidates) < 1:
                raise InputError(f"router.{name} must be a list of numbers of at least 1, got {candidates}")
        if not 0 <= beta < np.inf:
            raise InputError(f"router.beta must be a number of at least 0, got {beta}")
        if score not in ("mean", "rank"):
            raise InputError(f"router.score must be 'mean' or 'rank', got {score!r}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Cluster the train prompts, once for each K, and choose K and p by the ``score`` of ``val``."""
        best = -np.inf
        for num_clusters in sorted({min(k, len(train.table)) for k in self.num_clusters}):
            self.clusters = Clusters.fit(train, num_clusters, self.seed)
            for self.chosen_nearest in sorted({min(p, num_clusters) for p in self.num_nearest}):
                value = score(self.predict(val.embeddings), val.table)
                if value > best:
                    best, chosen = value, (self.clusters, self.chosen_nearest)
        self.clusters, self.chosen_nearest = chosen

    def membership(self, embeddings: NDArray[np.float32]) -> NDArray[np.floating]:
        """The weights of the chosen number of nearest clusters."""
        return nearest_weights(self.clusters.similarity(embeddings), self.chosen_nearest, self.beta)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Mean outcomes of the nearest clusters of ``(N, D)`` embeddings, or scores by rank."""
        membership = self.membership(embeddings)
        prediction = self.clusters.mixture(membership)
        if self.score == "mean":
            return prediction
        return prediction._replace(quality=membership @ rank_scores(self.clusters.quality), scale="ranking")

    def arrays(self) -> dict[str, NDArray]:
        """The clusters, and how many of them are mixed."""
        return super().arrays() | {"chosen_nearest": np.array(self.chosen_nearest)}

    def load_arrays(self, arrays: dict[str, NDArray]) -> None:
        """Take back what ``arrays`` returned."""
        super().load_arrays(arrays)
        self.chosen_nearest = int(arrays["chosen_nearest"])


def nearest_weights(similarity: NDArray[np.floating], num_nearest: int, beta: float) -> NDArray[np.float64]:
    """``(N, K)`` weights ``softmax(-beta * (1 - cosine))`` of the nearest clusters, 0 for all others.

    Args:
        similarity: ``(N, K)`` cosines.
        num_nearest: p, at most K.
        beta: at least 0.

    Example:
        >>> nearest_weights(np.array([[0.9, 0.1, 0.8]]), num_nearest=2, beta=6).round(6).tolist()
        [[0.645656, 0.0, 0.354344]]
    """
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :num_nearest]
    cosines = np.take_along_axis(similarity, nearest, axis=1)
    weights = np.zeros(similarity.shape)
    np.put_along_axis(weights, nearest, np.exp(beta * (cosines - cosines.max(axis=1, keepdims=True))), axis=1)
    return weights / weights.sum(axis=1, keepdims=True)


def rank_scores(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(K, M)`` scores ``1 / (rank + 0.1)`` of models by their quality in each cluster.

    Example:
        >>> rank_scores(np.array([[0.2, 0.9, 0.2]])).round(3).tolist()  # ranks 2.5, 1, 2.5
        [[0.385, 0.909, 0.385]]
    """
    from scipy.stats import rankdata

    return 1 / (rankdata(-quality, axis=1) + 0.1)
