"""EmbedLLM: model vectors multiplied with the projected prompt (arXiv 2410.02223)."""

import torch
from torch import Tensor, nn

from routerbench.errors import InputError
from routerbench.routers.families.neural import QualityNetwork


class EmbedLLMRouter(QualityNetwork):
    """Matrix factorisation: the logit of model m on prompt x is ``v . (P_m * W (x + noise))``, with noise in training.

    The paper's classifier has two logits and a softmax. Only their difference matters, so one logit with binary
    cross-entropy is equivalent, and can also learn from soft labels. The model vectors start at 0, where the paper
    initialises them randomly: every model then starts at its mean, independent of the order of the models. The paper
    does not predict cost; ours is linear in the embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: d, the size of a model's vector.
        noise: standard deviation of the noise, relative to that of the embeddings on train. The paper adds 0.05 to unit
            vectors of size 768, which is 1.4 times the standard deviation ``768 ** -0.5`` of their coordinates.
    """

    def __init__(self, embedding_dim: int, num_models: int, dim: int, noise: float) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim = dim
        self.noise = noise
        if dim < 1 or not noise >= 0:
            raise InputError(f"router.dim must be at least 1 and router.noise at least 0, got {dim}, {noise}")
        self.models = nn.Parameter(torch.zeros(num_models, dim))
        self.prompt = nn.Linear(embedding_dim, dim)
        self.classifier = nn.Linear(dim, 1)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` logits of quality."""
        if self.training:
            inputs = inputs + self.noise * torch.randn_like(inputs)
        return self.prompt(inputs) * self.classifier.weight @ self.models.T + self.classifier.bias
