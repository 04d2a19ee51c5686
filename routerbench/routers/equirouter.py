"""EquiRouter: one trunk modulated by every model, trained on the order of the models (arXiv 2602.03478)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.families.neural import QualityNetwork


class EquiRouter(QualityNetwork):
    """A trunk encodes the prompt, each model's vector scales and shifts the result (FiLM), and one head scores both.

    With the trunk's output z, ``z_m = gamma_m * z + beta_m`` and the model's vector e_m in the same space, the head's
    input is ``[z_m, e_m, z_m * e_m, |z_m - e_m|]``. All models share the head, so none is preferred for its position.

    With ``training=ranking``, scores stay close to qualities, but the order has fifty times the weight: they are a
    ranking. The paper's trunk has widths 1024, 512, 512, for larger embeddings and a GPU; the default here is narrower.
    The cost head is the same as for all networks here, linear in the embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        hidden: width of each layer of the trunk.
        dim: size of a model's vector.
    """

    def __init__(self, embedding_dim: int, num_models: int, hidden: Sequence[int], dim: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.hidden = list(hidden)
        self.dim = dim
        if min(self.hidden, default=0) < 1 or dim < 1:
            raise InputError(f"router.hidden must be widths and router.dim at least 1, got {self.hidden}, {dim}")
        widths = [embedding_dim, *self.hidden]
        layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.GELU(), nn.LayerNorm(b))]
        width = widths[-1]
        self.trunk = nn.Sequential(*layers)
        self.models = nn.Parameter(0.02 * torch.randn(num_models, dim))
        self.film = nn.Linear(dim, 2 * width)
        self.place = nn.Linear(dim, width)
        self.head = nn.Sequential(nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, 1))
        for module in self.modules():
            if isinstance(module, nn.Linear) and module is not self.cost:
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.ones_(self.film.bias[:width])

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train; scores start from the mean quality, not from its logit."""
        super().prepare(train)
        self.quality_bias.sigmoid_()

    def scores(self, inputs: Tensor) -> Tensor:
        """``(B, M)`` scores, on the scale of quality except for the influence of the ranking loss."""
        gamma, beta = self.film(self.models).chunk(2, dim=-1)
        modulated = self.trunk(inputs)[:, None] * gamma + beta
        place = self.place(self.models).expand_as(modulated)
        seen = torch.cat([modulated, place, modulated * place, (modulated - place).abs()], dim=-1)
        return self.head(seen).squeeze(-1)
