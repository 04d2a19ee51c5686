"""Logistic regression of quality and log-linear regression of cost: the strongest simple router."""

from torch import Tensor, nn

from routerbench.routers.neural import NeuralRouter


class LinearRouter(NeuralRouter):
    """One linear map from the embedding to both heads of all models.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.linear = nn.Linear(embedding_dim, 2 * num_models)
        # From zero, the only noise in the weights is that of the data.
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def heads(self, inputs: Tensor) -> Tensor:
        """``(B, D)`` to ``(B, 2 M)``."""
        return self.linear(inputs)
