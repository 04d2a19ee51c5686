"""Shared by the neural routers: a quality and a cost head per model on an embedding."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.routers.base import Prediction, Router

CHUNK = 65_536  # embeddings per forward pass


class PolicyScores(NamedTuple):
    """Scores of a network that sees lambda, for B prompts at K knots.

    Attributes:
        scores: ``(B, K, M)``; the largest is chosen. Their scale is that of utilities
            ``worth * quality - price * cost``.
        worth: ``(K,)`` weight of quality, in [0, 1]: ``lambda / (lambda + u)`` with a unit of cost u.
        price: ``(K,)`` weight of a USD of cost: ``1 / (lambda + u)``; 0 at an infinite lambda.
    """

    scores: Tensor
    worth: Tensor
    price: Tensor


class Heads(NamedTuple):
    """Outputs of a network for B prompts and M models.

    Attributes:
        quality_logit: ``(B, M)`` logit of the expected quality.
        cost_log_ratio: ``(B, M)`` natural logarithm of the expected cost relative to the model's mean cost on train.
        representation: ``(B, H)`` representation of the prompts, for objectives that need more than scores, or None.
        policy: scores of a network that sees lambda, or None.
        cluster: ``(B,)`` cluster of each prompt, for objectives that compare prompts, or None.
    """

    quality_logit: Tensor
    cost_log_ratio: Tensor
    representation: Tensor | None = None
    policy: PolicyScores | None = None
    cluster: Tensor | None = None

    def float(self) -> "Heads":
        """Convert to single precision, which losses require."""
        representation = None if self.representation is None else self.representation.float()
        policy = None if self.policy is None else PolicyScores(*(tensor.float() for tensor in self.policy))
        return Heads(self.quality_logit.float(), self.cost_log_ratio.float(), representation, policy, self.cluster)


def join(parts: Sequence[Heads]) -> Heads:
    """Concatenate the heads of several chunks of prompts, without representations."""
    quality = torch.cat([part.quality_logit for part in parts])
    cost = torch.cat([part.cost_log_ratio for part in parts])
    policies = [part.policy for part in parts if part.policy is not None]
    policy = policies[0]._replace(scores=torch.cat([part.scores for part in policies])) if policies else None
    return Heads(quality, cost, policy=policy)


class NeuralRouter(Router, nn.Module):
    """A network on embeddings with a quality and a cost head; subclasses define ``heads``.

    Embeddings are standardised with the statistics of train, and the cost head is relative to each model's mean cost,
    so that inputs and outputs have about unit scale for any encoder and price list.

    Shape:
        - Input: ``(B, D)`` embeddings.
        - Output: ``Heads`` of ``(B, M)`` each.
    """

    chooses_itself: ClassVar[bool] = False  # whether the heads include a policy, which only some objectives train

    mean: Tensor
    std: Tensor
    quality_bias: Tensor
    mean_cost: Tensor
    is_ranking: Tensor

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("std", torch.ones(embedding_dim))
        self.register_buffer("quality_bias", torch.zeros(num_models))
        self.register_buffer("mean_cost", torch.full((num_models,), torch.nan))
        self.register_buffer("is_ranking", torch.tensor(False))

    @abstractmethod
    def heads(self, inputs: Tensor) -> Heads:
        """Map standardised ``(B, D)`` embeddings to both heads, without adding the models' mean quality."""

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train, so that the untrained network predicts every model's means."""
        self.mean.copy_(torch.from_numpy(train.embeddings.mean(axis=0)))
        std = torch.from_numpy(train.embeddings.std(axis=0))
        # A column that is constant on train says nothing; dividing by its std would make it dominate elsewhere.
        self.std.copy_(torch.where(std > 1e-6, std, 1.0))
        mean_quality = torch.from_numpy(train.table.quality).nanmean(dim=0)
        self.quality_bias.copy_(torch.logit(mean_quality, eps=1e-3))
        self.mean_cost.copy_(torch.from_numpy(train.table.cost).nanmean(dim=0))

    def forward(self, embeddings: Tensor) -> Heads:
        """Predict in the units of the losses."""
        heads = self.heads((embeddings - self.mean) / self.std)
        return heads._replace(quality_logit=heads.quality_logit + self.quality_bias)

    def to_prediction(self, heads: Heads) -> Prediction:
        """Convert to quality in [0, 1], or an unchanged ranking, and cost in USD per prompt, as NumPy arrays."""
        score = heads.quality_logit.double()
        cost = (heads.cost_log_ratio.double().exp() * self.mean_cost).cpu().numpy()
        if self.is_ranking:
            return Prediction(score.cpu().numpy(), cost, scale="ranking")
        return Prediction(score.sigmoid().cpu().numpy(), cost)

    @torch.inference_mode()
    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the outcomes of ``(N, D)`` embeddings, on the router's device."""
        self.eval()
        inputs = torch.from_numpy(np.ascontiguousarray(embeddings, np.float32))
        chunks = inputs.split(CHUNK)
        return Prediction.concatenate([self.to_prediction(self(chunk.to(self.mean.device))) for chunk in chunks])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state dict, on the CPU."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the state dict."""
        self.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


class QualityNetwork(NeuralRouter):
    """A network whose paper only predicts quality; subclasses define ``scores``.

    All of them have the same cost head, linear in the embedding, so that they only differ in quality.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.cost = nn.Linear(embedding_dim, num_models)
        nn.init.zeros_(self.cost.weight)
        nn.init.zeros_(self.cost.bias)

    @abstractmethod
    def scores(self, inputs: Tensor) -> Tensor:
        """Map standardised ``(B, D)`` embeddings to ``(B, M)`` logits of quality, or scores for a ranking objective."""

    def heads(self, inputs: Tensor) -> Heads:
        """Combine the scores with the shared cost head."""
        return Heads(self.scores(inputs), self.cost(inputs))
