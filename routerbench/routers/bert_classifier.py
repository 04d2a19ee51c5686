"""RouteLLM's BERT classifier: of two models, does one win or is it a tie? On any encoder, trained with it."""

import torch
from torch import Tensor, nn

from routerbench.data.outcomes import Examples
from routerbench.routers.families.neural import Heads, NeuralRouter


class BertClassifierRouter(NeuralRouter):
    """Three classes per pair of models: one wins, a tie, the other wins (RouteLLM, arXiv 2406.18665).

    RouteLLM classifies prompts for one pair, a strong and a weak model. Here each model has a strength s on a prompt
    and the prompt has a readiness t for ties, with classes by the softmax of ``(s_i, (s_i + s_j) / 2 + t, s_j)``
    (Davidson 1970, On Extending the Bradley-Terry Model to Accommodate Ties): for two models any three probabilities
    can be had so, and for more of them one network serves all pairs. Trained by ``training=three_classes``.

    A model's score is its mean probability to win. For two models it is RouteLLM's strong win rate, one minus the
    probabilities of a tie and of the weak model; it ranks, and is calibrated. The paper predicts no cost; ours is
    linear in the embedding. ``finetune=full``, which this router chooses itself, trains the encoder as the paper does.

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
        """Take the statistics of train; a win rate starts from no mean quality."""
        super().prepare(train)
        self.quality_bias.zero_()

    def heads(self, inputs: Tensor) -> Heads:
        """Win rates and costs; the strengths and the readiness for ties are the representation."""
        strength, tie, cost = self.linear(inputs).split([self.num_models, 1, self.num_models], dim=-1)
        log_shares = pair_log_shares(strength, tie)
        others = 1 - torch.eye(self.num_models, device=inputs.device)
        win_rate = (log_shares[..., 0].exp() * others).sum(dim=-1) / (self.num_models - 1)
        return Heads(win_rate, cost, representation=torch.cat([strength, tie], dim=-1))


def pair_log_shares(strength: Tensor, tie: Tensor) -> Tensor:
    """``(B, M, M, 3)`` log probabilities that the first model of a pair wins, that there is a tie, that it loses.

    Args:
        strength: ``(B, M)``.
        tie: ``(B, 1)`` readiness for ties.

    Example:
        >>> shares = pair_log_shares(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0]])).exp()
        >>> [round(share, 3) for share in shares[0, 0, 1].tolist()]
        [0.506, 0.307, 0.186]
    """
    first, second = torch.broadcast_tensors(strength[:, :, None], strength[:, None, :])
    return torch.stack([first, (first + second) / 2 + tie[..., None], second], dim=-1).log_softmax(dim=-1)
