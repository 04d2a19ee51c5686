"""Neural item response theory: a monotone network compares a model's abilities with a prompt's (arXiv 2506.01048)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, normalize

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.families.neural import QualityNetwork

SHARPNESS = 10.0  # of the clusters' posterior, per unit of cosine similarity


class NIRTRouter(QualityNetwork):
    """IRT-Router's NIRT: ``f(9 sigmoid(d(x)) (sigmoid(theta_m) - sigmoid(k(x))) * relevance(x))``, f monotone.

    ``theta`` are a model's abilities, ``k`` the prompt's demands on them, and ``d`` the prompt's discrimination. k and
    d are linear in the embedding; the abilities are free parameters that start at 0. f has positive weights, so that
    more ability never makes a prompt harder. The paper's relevance comes from a language model that tags prompts with
    the required abilities; here it is the posterior of clusters of the train prompts, one per ability. The logit of the
    model's mean quality is added. The paper uses one price per model as cost; ours is linear in the embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of abilities, and of clusters.
        hidden: width of f. The paper uses 512, which takes much longer.
        dropout: share of the hidden units dropped in training, in [0, 1).
        seed: random seed of the clusters.
    """

    centroids: Tensor

    def __init__(self, embedding_dim: int, num_models: int, dim: int, hidden: int, dropout: float, seed: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim = dim
        self.hidden = hidden
        self.dropout = dropout
        self.seed = seed
        if min(dim, hidden) < 1 or not 0 <= dropout < 1:
            raise InputError(
                "router.dim and router.hidden must be at least 1 and router.dropout in [0, 1), "
                f"got {dim}, {hidden}, {dropout}"
            )
        self.register_buffer("centroids", torch.zeros(dim, embedding_dim))
        self.abilities = nn.Parameter(torch.zeros(num_models, dim))
        self.demand = nn.Linear(embedding_dim, dim, bias=False)
        self.discrimination = nn.Linear(embedding_dim, 1, bias=False)
        self.first, self.last = nn.Linear(dim, hidden), nn.Linear(hidden, 1)

    def prepare(self, train: Examples) -> None:
        """Set the statistics and clusters of train; centroids repeat if there are fewer prompts than clusters."""
        from sklearn.cluster import KMeans

        super().prepare(train)
        inputs = (torch.from_numpy(train.embeddings) - self.mean) / self.std
        means = KMeans(min(self.dim, len(inputs)), n_init=1, random_state=self.seed).fit(normalize(inputs).numpy())
        centroids = np.resize(means.cluster_centers_, (self.dim, self.embedding_dim))
        self.centroids.copy_(normalize(torch.from_numpy(centroids)))

    def relevance(self, inputs: Tensor) -> Tensor:
        """``(B, dim)`` posterior of the clusters, as for von Mises-Fisher distributions, of standardised embeddings."""
        return (SHARPNESS * normalize(inputs) @ self.centroids.T).softmax(dim=-1)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` logits of quality."""
        scale = 9 * self.discrimination(inputs).sigmoid() * self.relevance(inputs)
        gap = self.abilities.sigmoid() - self.demand(inputs).sigmoid()[:, None]
        hidden = linear(gap * scale[:, None], self.first.weight.abs(), self.first.bias).tanh()
        hidden = dropout(hidden, self.dropout, self.training)
        return linear(hidden, self.last.weight.abs(), self.last.bias)[:, :, 0]
