"""Single-head attention of the prompt over learned model vectors (arXiv 2509.09782)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads, NeuralRouter


class CrossAttentionRouter(NeuralRouter):
    """Single-head attention of the prompt (query) over the models (keys and values), with a quality and a cost head.

    A model's vector, initialised to 0, is both its key and its value. The abstract does not specify how one attended
    prompt becomes an outcome per model. Here both sides attend: the mean of the vectors, weighted by
    ``softmax(query . vector / sqrt(d))``, is added to the query, and each model computes its outcomes from the
    normalised sum: quality is the inner product with its vector, and cost the inner product with a linear map of its
    vector, both divided by ``sqrt(d)``. The paper's exponential reward is a policy, not part of the predictor.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: d, the size of queries and model vectors.
        dropout: share of the embedding dropped in training, in [0, 1).
    """

    def __init__(self, embedding_dim: int, num_models: int, dim: int, dropout: float) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim = dim
        self.dropout = dropout
        if dim < 1 or not 0 <= dropout < 1:
            raise InputError(f"router.dim must be at least 1 and router.dropout in [0, 1), got {dim}, {dropout}")
        self.models = nn.Parameter(torch.zeros(num_models, dim))
        self.query = nn.Linear(embedding_dim, dim)
        self.cost = nn.Linear(dim, dim, bias=False)
        self.drop = nn.Dropout(dropout)

    def heads(self, inputs: Tensor) -> Heads:
        """Compute both heads of the attended prompt."""
        query = self.query(self.drop(inputs))
        attention = (query @ self.models.T / self.dim**0.5).softmax(dim=-1)
        prompt = layer_norm(query + attention @ self.models, [self.dim])
        quality, cost = (prompt @ vectors.T / self.dim**0.5 for vectors in (self.models, self.cost(self.models)))
        return Heads(quality, cost)
