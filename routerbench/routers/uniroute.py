"""UniRoute (arXiv 2502.08773): a model is represented by its scores on prompt clusters, so new models can be added."""

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
SHARPNESS = 10.0  # of the initial softmax of a learned map, per unit of cosine similarity
RATE = 0.1  # learning rate of Adam
STEPS, PATIENCE = 300, 10  # maximum number of steps, and of steps without improvement on validation


class UniRouteRouter(ClusterRouter):
    """Predicts ``Phi(x) . Psi(m)``: the features of the prompt times the means of the model on K clusters.

    With ``features="kmeans"``, Phi is the prompt's cluster; with "learned", it is ``softmax(Theta' x)`` of the unit
    vector x, where Theta minimises the log loss of the mixture over the observed cells of train, with fixed cluster
    means. The number of clusters is selected on validation.

    Adaptations: the paper takes the clusters from unlabelled prompts and the means from a small labelled set; we take
    both from train. It weighs quality against each model's mean cost; we use a mean cost per cluster, as for quality.
    Our means are shrunk, because few prompts of a new model fall into one cluster.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_clusters: one or more candidates for K, limited by the number of train prompts.
        features: "kmeans" or "learned".
        seed: random seed of the clusters.
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
        """Cluster the train prompts, learn the map if requested, and select the number of clusters on ``val``."""
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
        """``(N, K)`` one-hot nearest cluster, or softmax of the learned map."""
        activation = normalized(embeddings) @ self.map
        if self.features == "kmeans":
            return one_hot(activation)
        shares = np.exp(activation - activation.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The clusters, and the ``(D, K)`` map from unit vectors: Theta, or the centroids."""
        return super().arrays() | {"map": self.map}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        super().load_arrays(arrays)
        self.map = arrays["map"]


def learn_map(clusters: Clusters, train: Examples, val: Examples) -> NDArray[np.float32]:
    """Minimise the log loss of ``softmax(Theta' x) . Psi`` over the observed cells, with fixed Psi.

    Uses full-batch Adam, starting from a softmax of the cosines to the centroids; stops early on ``val``.

    Returns:
        ``(D, K)`` Theta with the least loss on ``val``.
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
