"""RouteLLM's matrix factorisation: which of two models wins on a prompt (arXiv 2406.18665)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from routerbench.errors import InputError
from routerbench.routers.families.neural import QualityNetwork


class MatrixFactorizationRouter(QualityNetwork):
    """The strength of model m on prompt x is ``w . (v_m * W (x + noise))``, with unit vectors v and noise in training.

    Model i beats model j with probability ``sigmoid(strength_i - strength_j)``, the objective of
    ``training=bradley_terry``. No part of the product has a bias, so this is one minus the probability that j beats i.
    RouteLLM's embeddings have a non-zero mean, which encodes the models' overall strengths; ours are centred, so each
    model has a scalar offset instead, which preserves the antisymmetry.

    RouteLLM has two models and applies a threshold to the probability that the strong one wins. For any number of
    models the strengths are a ranking, and are calibrated. Only their differences within a prompt are learned, so their
    mean is subtracted. The paper does not predict cost; ours is linear in the embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: size of a model's vector.
        noise: standard deviation of the noise, relative to that of the embeddings on train.
    """

    def __init__(self, embedding_dim: int, num_models: int, dim: int, noise: float) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim = dim
        self.noise = noise
        if dim < 1 or not noise >= 0:
            raise InputError(f"router.dim must be at least 1 and router.noise at least 0, got {dim}, {noise}")
        self.models = nn.Parameter(torch.randn(num_models, dim))
        self.offset = nn.Parameter(torch.zeros(num_models))
        self.prompt = nn.Linear(embedding_dim, dim, bias=False)
        self.weight = nn.Parameter(torch.randn(dim) / dim**0.5)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` strengths, with mean 0 over the models."""
        if self.training:
            inputs = inputs + self.noise * torch.randn_like(inputs)
        strength = self.prompt(inputs) * self.weight @ normalize(self.models, dim=-1).T + self.offset
        return strength - strength.mean(dim=-1, keepdim=True)
