"""A light version of Model-SAT: a network reads a model's results in an aptitude test."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.families.clusters import Clusters
from routerbench.routers.families.neural import Heads, NeuralRouter
from routerbench.routers.families.onboarding import Onboarding

SHARPNESS = 20.0  # of the softmax over clusters, per unit of cosine similarity


class ModelSATRouter(NeuralRouter, Onboarding):
    """One network for all models; its inputs are the prompt, the model's capabilities, and their average on the prompt.

    Model-SAT (arXiv 2502.17282) writes a model's accuracy on 50 tasks as text before the prompt of a language model,
    which predicts whether the model will succeed. The light version uses numbers: a capability is the shrunk mean
    quality on a cluster of train prompts, and the input is ``[x, capabilities, promise]``, where the promise is the
    average of the capabilities over the clusters of the prompt. The network's output, initially 0, corrects the logit
    of the promise. The capabilities come from the prompts that the network is trained on, where the paper uses separate
    tasks; each cluster has many prompts.

    Because no parameter belongs to a single model, a new model only needs its capabilities. In training, the
    capabilities of some models are replaced by the mean of all, so that the network can handle unknown models. Cost is
    the mean on the clusters.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_clusters: K, the number of capabilities of a model.
        hidden: width of the hidden layer.
        dropout: share of models, and of units, dropped in training, in [0, 1).
        seed: random seed of the clusters.
    """

    centroids: Tensor
    capabilities: Tensor
    costs: Tensor

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_clusters: int,
        hidden: int,
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_clusters = num_clusters
        self.hidden = hidden
        self.dropout = dropout
        self.seed = seed
        if min(num_clusters, hidden) < 1 or not 0 <= dropout < 1:
            raise InputError(
                "router.num_clusters and router.hidden must be at least 1 and router.dropout in [0, 1), got "
                f"{num_clusters}, {hidden}, {dropout}"
            )
        self.prompt = nn.Linear(embedding_dim, hidden)
        self.model = nn.Linear(num_clusters, hidden, bias=False)
        self.promise = nn.Linear(1, hidden, bias=False)
        correction = nn.Linear(hidden, 1)
        nn.init.zeros_(correction.weight)
        nn.init.zeros_(correction.bias)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), correction)
        self.register_buffer("centroids", torch.zeros(num_clusters, embedding_dim))
        self.register_buffer("capabilities", torch.full((num_models, num_clusters), 0.5))
        self.register_buffer("costs", torch.full((num_models, num_clusters), torch.nan))

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train and the capabilities; the promise replaces the mean quality."""
        super().prepare(train)
        self.quality_bias.zero_()
        self._take(Clusters.fit(train, self.num_clusters, self.seed))

    def _take(self, clusters: Clusters) -> None:
        """Copy centroids and outcomes; with fewer prompts than clusters, the other entries keep their defaults."""
        number = len(clusters.centroids)
        self.centroids[:number] = torch.from_numpy(clusters.centroids)
        self.capabilities[:, :number] = torch.from_numpy(clusters.quality.T)
        self.costs.copy_(self.mean_cost[:, None])
        self.costs[:, :number] = torch.from_numpy(clusters.cost.T)

    def heads(self, inputs: Tensor) -> Heads:
        """Compute the corrected promise, and the mean cost on the clusters."""
        unit = normalize(inputs * self.std + self.mean, dim=-1)
        member = (SHARPNESS * unit @ self.centroids.T).softmax(dim=-1)
        capabilities = self.capabilities
        if self.training:
            is_dropped = torch.rand(self.num_models, 1, device=inputs.device) < self.dropout
            capabilities = torch.where(is_dropped, capabilities.mean(dim=0), capabilities)
        promise = torch.logit(member @ capabilities.T, eps=1e-3)
        seen = self.prompt(inputs)[:, None] + self.model(capabilities - 0.5) + self.promise(promise[..., None])
        ratio = (member @ self.costs.T / self.mean_cost).nan_to_num(1.0)  # 0 / 0 for a model that costs nothing
        return Heads(promise + self.head(seen).squeeze(-1), ratio.clamp(min=1e-6).log())

    def _append_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        known = Clusters(*(part.double().cpu().numpy() for part in (self.centroids, self.capabilities.T, self.costs.T)))
        grown = known.with_model(embeddings, quality, cost)
        self.capabilities, self.costs = (
            torch.from_numpy(part.T.copy()).to(self.capabilities) for part in (grown.quality, grown.cost)
        )
        self.quality_bias = torch.cat([self.quality_bias, self.quality_bias.new_zeros(1)])
        self.mean_cost = torch.cat([self.mean_cost, self.mean_cost.new_tensor([cost.mean()])])
