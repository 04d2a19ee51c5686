"""RouterBench's MLP router, as one network for all models and with a cost head."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads, NeuralRouter


class MLPRouter(NeuralRouter):
    """A multilayer perceptron from the embedding to the quality and cost heads of all models.

    RouterBench fits one perceptron per model (arXiv 2403.12031, section 4); shared hidden layers are M times cheaper
    and let the models learn from each other's outcomes.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        hidden: width of each hidden layer, or of the only one.
        dropout: share of units dropped after each hidden layer, in [0, 1).
    """

    def __init__(self, embedding_dim: int, num_models: int, hidden: Sequence[int] | int, dropout: float) -> None:
        super().__init__(embedding_dim, num_models)
        self.hidden = [hidden] if isinstance(hidden, int) else list(hidden)
        self.dropout = dropout
        if min(self.hidden, default=1) < 1 or not 0 <= dropout < 1:
            raise InputError(f"router.hidden must be widths and router.dropout in [0, 1), got {self.hidden}, {dropout}")
        widths = [embedding_dim, *self.hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout))]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], 2 * num_models))

    def heads(self, inputs: Tensor) -> Heads:
        """Compute both heads from the last hidden layer."""
        return Heads(*self.network(inputs).chunk(2, dim=-1))
