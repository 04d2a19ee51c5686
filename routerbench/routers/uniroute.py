"""UniRoute (arXiv 2502.08773): a model is what it scores on clusters of prompts, so that one can join at any time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import Score
from routerbench.routers.families.clusters import ClusterRouter, Clusters, one_hot
from routerbench.routers.families.neighbors import normalized

FEATURES = ("kmeans", "learned")
SHARPNESS = 10.0  # of the softmax that a learned map starts from, per unit of cosine similarity
RATE = 0.1  # of Adam
STEPS, PATIENCE = 300, 10  # at most so many steps, and at most so many without improvement on validation


class UniRouteRouter(ClusterRouter):
    """Predicts ``Phi(x) . Psi(m)``: the features of the prompt times the means of the model on K clusters.

    With ``features="kmeans"`` Phi is the prompt's cluster; with "learned" it is ``softmax(Theta' x)`` of the unit
    vector x, where Theta minimises the log loss of the mixture over the observed cells of train, the means of the
    clusters kept as they are. How many clusters are best is chosen on validation.

    Adaptations: the paper takes the clusters from unlabelled prompts and the means from a small labelled set, where we
    take both from train; it weighs quality against each model's mean cost, where we have a mean for each cluster, as
    for quality; and our means are shrunken, as few prompts of a new model fall into one cluster.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_clusters: candidates for K, or one; those above the number of train prompts count as that number.
        features: "kmeans" or "learned".
        seed: of the clusters.
    """

    def __init__(
        self, embedding_dim: int, num_models: int, num_clusters: Sequence[int] | int, features: str, seed: int
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_clusters = [num_clusters] if isinstance(num_clusters, int) else list(num_clusters)
        self.features = features
        self.seed = seed
        if not self.num_clusters or min(self.num_clusters) < 1:
            raise InputError(f"router.num_clusters must be a list of numbers of at least 1, got {self.num_clusters}")
        if features not in FEATURES:
            raise InputError(f"router.features must be one of {', '.join(FEATURES)}, got {features!r}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Cluster the train prompts, learn the map if there is one, and choose the number of clusters on ``val``."""
        best = -np.inf
        for num_clusters in sorted({min(k, len(train.table)) for k in self.num_clusters}):
            self.clusters = Clusters.fit(train, num_clusters, self.seed)
            self.map = self.clusters.centroids.T
            if self.features == "learned":
                self.map = learn_map(self.clusters, train, val)
            value = score(self.predict(val.embeddings), val.table)
            if value > best:
                best, chosen = value, (self.clusters, self.map)
        self.clusters, self.map = chosen

    def membership(self, embeddings: NDArray[np.float32]) -> NDArray[np.floating]:
        """The nearest cluster, or the softmax of the learned map."""
        activation = normalized(embeddings) @ self.map
        if self.features == "kmeans":
            return one_hot(activation)
        shares = np.exp(activation - activation.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The clusters, and the ``(D, K)`` map from unit vectors: Theta, or the centroids."""
        return super().arrays() | {"map": self.map}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back the clusters and the map."""
        super().load_arrays(arrays)
        self.map = arrays["map"]


def learn_map(clusters: Clusters, train: Examples, val: Examples) -> NDArray[np.float32]:
    """Minimise the log loss of ``softmax(Theta' x) . Psi`` against quality over the observed cells, Psi as it is.

    Adam on all prompts at once, from a softmax of the cosines to the centroids; ``val`` says when to stop.

    Returns:
        ``(D, K)`` Theta of the step with the least loss on ``val``.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy

    psi = torch.from_numpy(clusters.quality.clip(1e-4, 1 - 1e-4)).float()
    theta = torch.from_numpy(SHARPNESS * clusters.centroids.T).requires_grad_()

    def loss(part: Examples) -> torch.Tensor:
        quality = torch.from_numpy(part.table.quality).float()
        mixture = (torch.from_numpy(normalized(part.embeddings)) @ theta).softmax(dim=1) @ psi
        return binary_cross_entropy(mixture, quality.nan_to_num(), weight=quality.isfinite().float())

    optimizer = torch.optim.Adam([theta], lr=RATE)
    least, best_step, best = np.inf, 0, theta.detach().clone()
    for step in range(STEPS):
        with torch.no_grad():
            held_out = loss(val).item()
        if held_out < least:
            least, best_step, best = held_out, step, theta.detach().clone()
        if step - best_step >= PATIENCE:
            break
        optimizer.zero_grad()
        loss(train).backward()
        optimizer.step()
    return best.numpy()
