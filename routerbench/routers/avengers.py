"""Avengers: mean outcomes of the clusters nearest to a prompt (arXiv 2505.19797, 2508.12631)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import Prediction, Score
from routerbench.routers.families.clusters import ClusterRouter, Clusters

SCORES = ("mean", "rank")


class AvengersRouter(ClusterRouter):
    """Averages the outcomes of the nearest clusters with weights ``softmax(-beta (1 - cosine))``.

    The paper sums ``1 / (rank + 0.1)`` of a model over the clusters, which gives a ranking of the models
    (``score="rank"``). With ``score="mean"``, the mean quality of the clusters is used directly, in units that can be
    weighed against cost. Avengers-Pro combines accuracy and cost within each cluster with a weight alpha before
    ranking; here lambda combines them after the prediction.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_clusters: one or more candidates for K, selected on validation; limited by the number of train prompts.
        num_nearest: number of clusters that are averaged for a prompt.
        beta: weight of proximity, at least 0.
        score: "mean" or "rank".
        seed: random seed of the clusters.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_clusters: Sequence[int] | int,
        num_nearest: int,
        beta: float,
        score: str,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_clusters = [num_clusters] if isinstance(num_clusters, int) else list(num_clusters)
        self.num_nearest = num_nearest
        self.beta = beta
        self.score = score
        self.seed = seed
        if not self.num_clusters or min(*self.num_clusters, num_nearest) < 1 or not beta >= 0:
            raise InputError(
                "router.num_clusters and router.num_nearest must be at least 1 and router.beta at least 0, got "
                f"{self.num_clusters}, {num_nearest}, {beta}"
            )
        if score not in SCORES:
            raise InputError(f"router.score must be one of {', '.join(SCORES)}, got {score!r}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Cluster the train prompts; the number of clusters is selected on ``val``."""
        candidates = []
        for num_clusters in sorted({min(k, len(train.table)) for k in self.num_clusters}):
            self.clusters = Clusters.fit(train, num_clusters, self.seed)
            candidates.append((score(self.predict(val.embeddings), val.table), self.clusters))
        self.clusters = max(candidates, key=lambda candidate: candidate[0])[1]

    def membership(self, embeddings: NDArray[np.float32]) -> NDArray[np.floating]:
        """``(N, K)`` weights of the nearest clusters."""
        return nearest_shares(1 - self.clusters.similarity(embeddings).astype(np.float64), self.num_nearest, self.beta)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict mean outcomes, or the paper's scores, for ``(N, D)`` embeddings."""
        prediction = super().predict(embeddings)
        if self.score == "mean":
            return prediction
        order = (-self.clusters.quality).argsort(axis=1, kind="stable")
        rank = order.argsort(axis=1) + 1
        return prediction._replace(quality=self.membership(embeddings) @ (1 / (rank + 0.1)), scale="ranking")


def nearest_shares(distance: NDArray[np.float64], number: int, beta: float) -> NDArray[np.float64]:
    """Compute ``softmax(-beta * distance)`` over the nearest clusters; 0 for all others.

    Args:
        distance: ``(N, K)``.
        number: number of nearest clusters.
        beta: at least 0.

    Example:
        >>> nearest_shares(np.array([[0.1, 0.9, 0.2]]), number=2, beta=6.0).round(6).tolist()
        [[0.645656, 0.0, 0.354344]]
    """
    far = distance.argsort(axis=1, kind="stable")[:, number:]
    weight = np.exp(-beta * (distance - distance.min(axis=1, keepdims=True)))
    np.put_along_axis(weight, far, 0, axis=1)
    return weight / weight.sum(axis=1, keepdims=True)
