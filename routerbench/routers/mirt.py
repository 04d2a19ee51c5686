"""Multidimensional item response theory: prompts have difficulties, models have abilities (arXiv 2506.01048)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from routerbench.errors import InputError
from routerbench.routers.families.neural import QualityNetwork


class MIRTRouter(QualityNetwork):
    """IRT-Router's MIRT: ``quality = sigmoid(a(x) . theta_m - b(x))`` with discriminations ``a = softplus(A x)``.

    The paper derives the abilities theta from a text that describes each model, which an outcome table lacks: here they
    are free parameters that start at 0. The logit of the model's mean quality on train is added, as in all our
    networks, so that an ability of 0 means the model's own average. The paper's warm-up of prompts by their neighbours
    is left out. The paper uses one price per model as cost; ours is linear in the embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        dim: number of abilities.
    """

    def __init__(self, embedding_dim: int, num_models: int, dim: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.dim = dim
        if dim < 1:
            raise InputError(f"router.dim must be at least 1, got {dim}")
        self.abilities = nn.Parameter(torch.zeros(num_models, dim))
        self.discrimination = nn.Linear(embedding_dim, dim, bias=False)
        self.item_difficulty = nn.Linear(embedding_dim, 1, bias=False)

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` logits of quality."""
        return softplus(self.discrimination(inputs)) @ self.abilities.T - self.item_difficulty(inputs)

    @property
    def ability(self) -> NDArray[np.float32]:
        """``(M, dim)`` abilities theta of the models."""
        return self.abilities.detach().cpu().numpy()

    @torch.inference_mode()
    def difficulty(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(N,)`` difficulties b of ``(N, D)`` embeddings, which are subtracted from every model's logit."""
        inputs = torch.from_numpy(np.asarray(embeddings, np.float32)).to(self.mean.device)
        return self.item_difficulty((inputs - self.mean) / self.std)[:, 0].cpu().numpy()
