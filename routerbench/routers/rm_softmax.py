"""RM-Softmax and RM-Interval: a network that sees lambda and chooses the model itself (arXiv 2505.16037)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import Choices, Prediction
from routerbench.routers.families.neural import Heads, PolicyScores
from routerbench.routers.mlp import MLPRouter

CHUNK = 1024  # prompts per chunk in which all lambdas are evaluated
LEAST_GAIN = 0.01  # quality; at the largest finite knot, this gain is worth the cost of the most expensive model


class RMSoftmaxRouter(MLPRouter):
    """A policy ``f(prompt, lambda)`` that chooses the largest score, trained by `Regret` on what its choices yield.

    The policy has separate scores, computed from the last hidden layer of a perceptron, for each knot of lambda: 0,
    infinity, and a geometric series in between that starts at the cheapest model's mean cost per unit of quality. The
    scores start at the models' average utilities. Between knots they are interpolated linearly in
    ``lambda / (lambda + mean cost)``, in which utilities are linear: this is RM-Interval; with ``steps=1`` there is no
    interpolation, as in RM-Softmax.

    The paper learns from logs in which one model answered each prompt, and corrects for the choice of that model; an
    outcome table has the responses of all models, so no correction is needed. Expected quality and cost are two
    additional heads, trained jointly, which do not influence the choice. Without known costs there is one decision for
    all lambdas.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        hidden: width of each hidden layer, or of the only one.
        dropout: share of units dropped after each hidden layer, in [0, 1).
        num_lambdas: K knots at which the policy is trained, at least 2.
        steps: number of decisions from one knot to the next, at least 1.
    """

    chooses_itself = True
    worth: Tensor
    unit_cost: Tensor

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        hidden: Sequence[int] | int,
        dropout: float,
        num_lambdas: int,
        steps: int,
    ) -> None:
        super().__init__(embedding_dim, num_models, hidden, dropout)
        self.num_lambdas = num_lambdas
        self.steps = steps
        if num_lambdas < 2 or steps < 1:
            raise InputError(
                f"router.num_lambdas must be at least 2 and router.steps at least 1, got {num_lambdas}, {steps}"
            )
        self.policy = nn.Linear(self.hidden[-1] if self.hidden else embedding_dim, num_lambdas * num_models)
        for parameter in (*self.policy.parameters(), *self.network[-1].parameters()):
            nn.init.zeros_(parameter)  # no model starts ahead of another because of its position
        self.register_buffer("worth", torch.ones(num_lambdas, dtype=torch.float64))
        self.register_buffer("unit_cost", torch.ones((), dtype=torch.float64))

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train and the knots."""
        super().prepare(train)
        costs = self.mean_cost[self.mean_cost > 0].double()
        if len(costs):
            self.unit_cost.copy_(costs.mean())
            knots = np.geomspace(costs.min().item(), costs.max().item() / LEAST_GAIN, self.num_lambdas - 2)
            self.worth[0], self.worth[-1] = 0, 1
            self.worth[1:-1] = torch.from_numpy(knots / (knots + self.unit_cost.item()))

    def heads(self, inputs: Tensor) -> Heads:
        """Compute the policy and both heads from the last hidden layer."""
        hidden = self.network[:-1](inputs)
        price = (1 - self.worth) / self.unit_cost
        # Unknown costs have a price of 0.
        utility = self.worth[:, None] * self.quality_bias.sigmoid() - price[:, None] * self.mean_cost.nan_to_num()
        scores = self.policy(hidden).unflatten(-1, utility.shape) + utility.float()
        quality, cost = self.network[-1](hidden).chunk(2, dim=-1)
        return Heads(quality, cost, policy=PolicyScores(scores, self.worth, price))

    def to_prediction(self, heads: Heads) -> Prediction:
        """Return the choices at and between all knots, with expected quality and cost."""
        assert heads.policy is not None
        worth = self._interpolated(self.worth[None, :, None]).flatten().cpu().numpy()
        with np.errstate(divide="ignore"):
            lambdas, first = np.unique(self.unit_cost.item() * worth / (1 - worth), return_index=True)
        scores = heads.policy.scores.split(CHUNK)
        chosen = [self._interpolated(part).argmax(dim=-1).short().cpu().numpy() for part in scores]
        return super().to_prediction(heads)._replace(choices=Choices(lambdas, np.concatenate(chosen)[:, first]))

    def _interpolated(self, values: Tensor) -> Tensor:
        """Interpolate ``(B, K, X)`` values at the knots to ``(B, 1 + (K - 1) * steps, X)`` at and between the knots."""
        share = torch.arange(self.steps, dtype=values.dtype, device=values.device)[:, None] / self.steps
        between = values[:, :-1, None].lerp(values[:, 1:, None], share)
        return torch.cat([between.flatten(1, 2), values[:, -1:]], dim=1)
