"""Shared by the cluster routers: k-means on train prompts, and the models' mean outcomes on each cluster."""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.routers.base import ClosedFormRouter, Prediction
from routerbench.routers.families.neighbors import normalized
from routerbench.routers.families.onboarding import Onboarding, shrunk_mean

PRIOR_PROMPTS = 20  # number of prompts that the expected value counts for in a cluster's mean


class Clusters(NamedTuple):
    """K clusters of train prompts with the outcomes of M models.

    A model's mean over its n known cells in a cluster, with sum s, is shrunk to ``(s + 20 a) / (n + 20)``, where a is
    the value expected without them.

    Attributes:
        centroids: ``(K, D)`` unit vectors.
        quality: ``(K, M)`` shrunk mean quality in [0, 1]; a is the model's mean over all train prompts.
        cost: ``(K, M)`` the same for cost, in USD per prompt; NaN for a model without any known cost.
    """

    centroids: NDArray[np.float32]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Examples, num_clusters: int, seed: int) -> "Clusters":
        """Cluster the N prompts of ``train`` by k-means on unit vectors, and compute the models' means.

        Args:
            train: the train prompts.
            num_clusters: K, limited to N.
            seed: random seed of the initial centroids.
        """
        from sklearn.cluster import KMeans

        vectors = normalized(train.embeddings)
        kmeans = KMeans(min(num_clusters, len(vectors)), n_init=1, random_state=seed).fit(vectors)
        centroids = normalized(kmeans.cluster_centers_)
        member = one_hot(vectors @ centroids.T)
        table = train.table
        return cls(centroids, *(shrunken(member, cells, _means(cells)) for cells in (table.quality, table.cost)))

    def similarity(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(N, K)`` cosines between ``(N, D)`` embeddings and the centroids."""
        return normalized(embeddings) @ self.centroids.T

    def mixture(self, membership: NDArray[np.floating]) -> Prediction:
        """Average the clusters' outcomes with the memberships of N prompts.

        Args:
            membership: ``(N, K)`` weights that sum to 1 over the clusters.
        """
        return Prediction(membership @ self.quality, membership @ self.cost)

    def with_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> "Clusters":
        """Add a model with k scored prompts; the other models are unchanged.

        The expected quality in a cluster is the mean quality of the known models there, plus the new model's advantage
        over these on the scored prompts, as far as chance does not explain it (`shrunk_mean`): a cluster that is hard
        for all models is hard for a new one. The expected cost is the new model's mean cost.

        Args:
            embeddings: ``(k, D)``.
            quality: ``(k,)`` in [0, 1].
            cost: ``(k,)`` in USD per prompt, or all NaN.
        """
        member = one_hot(self.similarity(embeddings))
        known_means = (member @ self.quality).mean(axis=0)
        lead = shrunk_mean(quality, known_means) - known_means.mean()
        expected = (self.quality.mean(axis=1, keepdims=True) + lead).clip(0, 1)
        quality = shrunken(member, quality[:, None], expected)
        cost = shrunken(member, cost[:, None], cost.mean(keepdims=True))
        return self._replace(quality=np.hstack([self.quality, quality]), cost=np.hstack([self.cost, cost]))


class ClusterRouter(ClosedFormRouter, Onboarding):
    """Predicts the outcomes of a prompt's clusters; subclasses define ``membership``.

    A model is added by its shrunk means on the clusters of its scored prompts, without retraining.
    """

    clusters: Clusters

    @abstractmethod
    def membership(self, embeddings: NDArray[np.float32]) -> NDArray[np.floating]:
        """``(N, K)`` weights of the clusters for ``(N, D)`` embeddings, summing to 1."""

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the mean outcomes of the clusters of ``(N, D)`` embeddings."""
        return self.clusters.mixture(self.membership(embeddings))

    def _append_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        self.clusters = self.clusters.with_model(embeddings, quality, cost)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Centroids and outcomes of the clusters."""
        return self.clusters._asdict()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the clusters; other arrays are ignored."""
        self.clusters = Clusters(*(arrays[name] for name in Clusters._fields))


def one_hot(similarity: NDArray[np.floating]) -> NDArray[np.float64]:
    """``(N, K)`` one-hot membership in the nearest cluster.

    Example:
        >>> one_hot(np.array([[0.2, 0.9], [0.3, 0.1]])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    return np.eye(similarity.shape[1])[similarity.argmax(axis=1)]


def shrunken(
    member: NDArray[np.float64], cells: NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(K, M)`` means of the known cells of each cluster, shrunk to expected values, which count as 20 cells.

    Args:
        member: ``(N, K)`` one-hot.
        cells: ``(N, M)``, NaN if unknown.
        expected: ``(M,)`` or ``(K, M)``.

    Example:
        Twenty cells of 1 and one cell of 0, with expected value 0.5.

        >>> member = one_hot(np.array([[1.0, 0.0]] * 20 + [[0.0, 1.0]]))
        >>> shrunken(member, np.array([[1.0]] * 20 + [[0.0]]), np.array([0.5])).round(3).tolist()
        [[0.75], [0.476]]
    """
    known = np.isfinite(cells)
    total = member.T @ np.where(known, cells, 0) + PRIOR_PROMPTS * expected
    return total / (member.T @ known + PRIOR_PROMPTS)


def _means(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(M,)`` means of the known cells, NaN if there are none."""
    known = np.isfinite(cells)
    return np.where(known, cells, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
