"""RouteLLM's BERT classifier: win, tie or loss between two models, trained together with any encoder."""

import torch
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.routers.families.neural import Heads, NeuralRouter


class BertClassifierRouter(NeuralRouter):
    """Predicts three classes per pair of models: win, tie or loss (RouteLLM, arXiv 2406.18665).

    RouteLLM classifies prompts for one pair, a strong and a weak model. Here each model has a strength s on a prompt
    and the prompt has a tie parameter t; the class probabilities are the softmax of ``(s_i, (s_i + s_j) / 2 + t, s_j)``
    (Davidson 1970, On Extending the Bradley-Terry Model to Accommodate Ties). For two models this can represent any
    three probabilities; for more models, one network serves all pairs. It is trained by ``training=three_classes``.

    The score of a model is its mean probability of winning. For two models it is RouteLLM's strong win rate, one minus
    the probabilities of a tie and of the weak model. It is a ranking, and is calibrated. The paper does not predict
    cost; ours is linear in the embedding. ``finetune=full``, this router's default, trains the encoder as in the paper.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.linear = nn.Linear(embedding_dim, 2 * num_models + 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def prepare(self, train: Examples) -> None:
        """Set the statistics of train; a win rate has no mean quality to start from."""
        super().prepare(train)
        self.quality_bias.zero_()

    def heads(self, inputs: Tensor) -> Heads:
        """Compute win rates and costs; strengths and the tie parameter are the representation."""
        strength, tie, cost = self.linear(inputs).split([self.num_models, 1, self.num_models], dim=-1)
        log_shares = pair_log_shares(strength, tie)
        others = 1 - torch.eye(self.num_models, device=inputs.device)
        win_rate = (log_shares[..., 0].exp() * others).sum(dim=-1) / (self.num_models - 1)
        return Heads(win_rate, cost, representation=torch.cat([strength, tie], dim=-1))


def pair_log_shares(strength: Tensor, tie: Tensor) -> Tensor:
    """``(B, M, M, 3)`` log probabilities that the first model of a pair wins, ties and loses.

    Args:
        strength: ``(B, M)``.
        tie: ``(B, 1)`` tie parameter.

    Example:
        >>> shares = pair_log_shares(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0]])).exp()
        >>> [round(share, 3) for share in shares[0, 0, 1].tolist()]
        [0.506, 0.307, 0.186]
    """
    first, second = torch.broadcast_tensors(strength[:, :, None], strength[:, None, :])
    return torch.stack([first, (first + second) / 2 + tie[..., None], second], dim=-1).log_softmax(dim=-1)
