"""RouterDC on frozen embeddings: prompts and models in one space, with two contrastive losses (arXiv 2409.19886)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.families.clusters import Clusters
from routerbench.routers.families.neural import Heads, QualityNetwork

MODEL_STD = 0.78  # of the initial model vectors' coordinates, as in the paper's code


class RouterDCRouter(QualityNetwork):
    """Scores a model by the cosine of its vector and the projected prompt, divided by a temperature.

    Trained by ``training=contrastive``. The paper fine-tunes mDeBERTa; this version puts a two-layer projector on
    frozen embeddings. The clusters for the contrastive loss between prompts are k-means on the embeddings themselves,
    without the paper's t-SNE. The paper does not use cost at inference; ours is linear in the embedding, and the
    cosines, which are a ranking, are calibrated.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        hidden: width of the projector.
        dim: size of the common space.
        temperature: temperature of the cosine, above 0.
        num_clusters: number of clusters of the train prompts.
        seed: random seed of the clusters.
    """

    centroids: Tensor

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        hidden: int,
        dim: int,
        temperature: float,
        num_clusters: int,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.hidden = hidden
        self.dim = dim
        self.temperature = temperature
        self.num_clusters = num_clusters
        self.seed = seed
        if min(hidden, dim, num_clusters) < 1 or not temperature > 0:
            raise InputError(
                "router.hidden, router.dim and router.num_clusters must be at least 1 and router.temperature above 0, "
                f"got {hidden}, {dim}, {num_clusters}, {temperature}"
            )
        self.projector = nn.Sequential(nn.Linear(embedding_dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.models = nn.Parameter(MODEL_STD * torch.randn(num_models, dim))
        self.register_buffer("centroids", torch.zeros(num_clusters, embedding_dim))

    def prepare(self, train: Examples) -> None:
        """Set the statistics and clusters of train; a cosine has no mean quality to start from."""
        super().prepare(train)
        self.quality_bias.zero_()
        centroids = Clusters.fit(train, self.num_clusters, self.seed).centroids
        self.centroids[: len(centroids)] = torch.from_numpy(centroids)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` cosines divided by the temperature."""
        return self._similarity(self.projector(inputs))

    def _similarity(self, projected: Tensor) -> Tensor:
        return normalize(projected, dim=-1) @ normalize(self.models, dim=-1).T / self.temperature

    def heads(self, inputs: Tensor) -> Heads:
        """Compute the scores, the shared cost head, and the inputs of the contrastive loss between prompts."""
        projected = self.projector(inputs)
        cluster = ((inputs * self.std + self.mean) @ self.centroids.T).argmax(dim=-1)
        return Heads(self._similarity(projected), self.cost(inputs), representation=projected, cluster=cluster)
