"""What the learned routers share: two heads per model on an embedding, and how they become a prediction."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.routers.base import Prediction, Router

CHUNK = 65_536  # embeddings that pass through the network at once


class PolicyScores(NamedTuple):
    """What a network that sees lambda decides for B prompts at K knots, lambda's only trace being two weights.

    Attributes:
        scores: ``(B, K, M)``; the largest is chosen. Like utilities, they are ``worth * quality - price * cost``.
        worth: ``(K,)`` what one unit of quality counts for, in [0, 1]: ``lambda / (lambda + u)`` with a unit of cost u.
        price: ``(K,)`` what one USD counts for: ``1 / (lambda + u)``; 0 at an infinite lambda.
    """

    scores: Tensor
    worth: Tensor
    price: Tensor


class Heads(NamedTuple):
    """What a network says about B prompts and M models.

    Attributes:
        quality_logit: ``(B, M)`` logit of the expected quality.
        cost_log_ratio: ``(B, M)`` natural logarithm of the expected cost over the model's mean cost on train.
        representation: ``(B, H)`` what the network makes of the prompts, for objectives that look behind the scores, or
            None.
        policy: the decisions of a network that sees lambda, or None.
        cluster: ``(B,)`` number of the cluster that each prompt is in, for objectives that compare prompts, or None.
    """

    quality_logit: Tensor
    cost_log_ratio: Tensor
    representation: Tensor | None = None
    policy: PolicyScores | None = None
    cluster: Tensor | None = None

    def float(self) -> "Heads":
        """The same in single precision, whatever the network computed in: losses need it."""
        representation = None if self.representation is None else self.representation.float()
        policy = None if self.policy is None else PolicyScores(*(tensor.float() for tensor in self.policy))
        return Heads(self.quality_logit.float(), self.cost_log_ratio.float(), representation, policy, self.cluster)


def join(parts: Sequence[Heads]) -> Heads:
    """The heads of several chunks of prompts, one after the other, without representations."""
    quality = torch.cat([part.quality_logit for part in parts])
    cost = torch.cat([part.cost_log_ratio for part in parts])
    policies = [part.policy for part in parts if part.policy is not None]
    policy = policies[0]._replace(scores=torch.cat([part.scores for part in policies])) if policies else None
    return Heads(quality, cost, policy=policy)


class NeuralRouter(Router, nn.Module):
    """A network on embeddings with two heads; subclasses say which one by ``heads``.

    Embeddings are standardised with the statistics of train, and the cost head is relative to each model's mean
    cost, so that every input and output has about unit scale whatever the encoder and the price list.

    Shape:
        - Input: ``(B, D)`` embeddings.
        - Output: ``Heads`` of ``(B, M)`` each.
    """

    chooses_itself: ClassVar[bool] = False  # whether the heads hold one, which only some objectives train

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
        """Map standardised ``(B, D)`` embeddings to both heads, without the models' mean quality."""

    def prepare(self, train: Examples) -> None:
        """Take the statistics of train; the untrained network then starts from every model's means."""
        self.mean.copy_(torch.from_numpy(train.embeddings.mean(axis=0)))
        std = torch.from_numpy(train.embeddings.std(axis=0))
        # A column that is constant on train says nothing; divided by nothing it would drown all others elsewhere.
        self.std.copy_(torch.where(std > 1e-6, std, 1.0))
        mean_quality = torch.from_numpy(train.table.quality).nanmean(dim=0)
        self.quality_bias.copy_(torch.logit(mean_quality, eps=1e-3))
        self.mean_cost.copy_(torch.from_numpy(train.table.cost).nanmean(dim=0))

    def forward(self, embeddings: Tensor) -> Heads:
        """Predict in the units that the losses use."""
        heads = self.heads((embeddings - self.mean) / self.std)
        return heads._replace(quality_logit=heads.quality_logit + self.quality_bias)

    def to_prediction(self, heads: Heads) -> Prediction:
        """Quality in [0, 1], or a ranking as it is, and cost in USD per prompt, as NumPy arrays."""
        score = heads.quality_logit.double()
        cost = (heads.cost_log_ratio.double().exp() * self.mean_cost).cpu().numpy()
        if self.is_ranking:
            return Prediction(score.cpu().numpy(), cost, scale="ranking")
        return Prediction(score.sigmoid().cpu().numpy(), cost)

    @torch.inference_mode()
    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict ``(N, D)`` embeddings, on the device the router is on."""
        self.eval()
        inputs = torch.from_numpy(np.ascontiguousarray(embeddings, np.float32))
        chunks = inputs.split(CHUNK)
        return Prediction.concatenate([self.to_prediction(self(chunk.to(self.mean.device))) for chunk in chunks])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state dict, on the CPU."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back the state dict."""
        self.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


class QualityNetwork(NeuralRouter):
    """A network whose paper predicts quality alone; subclasses say which one by ``scores``.

    All of them get the same cost head, linear in the embedding, so that they differ in quality only.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.cost = nn.Linear(embedding_dim, num_models)
        nn.init.zeros_(self.cost.weight)
        nn.init.zeros_(self.cost.bias)

    @abstractmethod
    def scores(self, inputs: Tensor) -> Tensor:
        """Map standardised ``(B, D)`` embeddings to ``(B, M)``: logits of quality, or whatever the objective ranks."""

    def heads(self, inputs: Tensor) -> Heads:
        """The scores beside the shared cost head."""
        return Heads(self.scores(inputs), self.cost(inputs))
