"""A light version of CSCR, which moves prompts towards the fingerprints of models that succeed for their price."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.families.clusters import Clusters
from routerbench.routers.families.neural import QualityNetwork


class CSCRRouter(QualityNetwork):
    """Scores a model by the cosine of its fingerprint and a two-layer projection of the prompt.

    Trained by ``training=cost_spectrum`` (arXiv 2508.12491). The paper's fingerprints are next-token logits, or the
    perplexity of a model's responses, on probe prompts. An outcome table has neither: here a fingerprint is the model's
    mean quality on each cluster of train prompts, minus its own mean and that of all models on the cluster. It is not
    trained. The paper's policy chooses the best of the four nearest models by ``similarity - lambda * cost``; here the
    cosines, which are a ranking, are calibrated and the policy is the same as for every router.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        hidden: width of the first layer.
        num_clusters: size of a fingerprint, at least 2.
        seed: random seed of the clusters.
    """

    fingerprints: Tensor

    def __init__(self, embedding_dim: int, num_models: int, hidden: int, num_clusters: int, seed: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.hidden = hidden
        self.num_clusters = num_clusters
        self.seed = seed
        if hidden < 1 or num_clusters < 2:
            raise InputError(
                f"router.hidden must be at least 1 and router.num_clusters at least 2, got {hidden}, {num_clusters}"
            )
        self.projector = nn.Sequential(nn.Linear(embedding_dim, hidden), nn.ReLU(), nn.Linear(hidden, num_clusters))
        self.register_buffer("fingerprints", torch.zeros(num_models, num_clusters))

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train and the fingerprints; a cosine has no mean quality to start from."""
        super().prepare(train)
        self.quality_bias.zero_()
        quality = torch.from_numpy(Clusters.fit(train, self.num_clusters, self.seed).quality.T)
        surplus = quality - quality.mean(dim=0) - quality.mean(dim=1, keepdim=True) + quality.mean()
        self.fingerprints[:, : quality.shape[1]] = normalize(surplus, dim=-1).to(self.fingerprints)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` cosines."""
        return normalize(self.projector(inputs), dim=-1) @ self.fingerprints.T
