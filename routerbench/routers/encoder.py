"""Linear heads on an encoder that is trained with them."""

from torch import Tensor, nn

from routerbench.routers.families.neural import Heads, NeuralRouter


class EncoderRouter(NeuralRouter):
    """Linear quality and cost heads on the embedding, which ``finetune=full`` trains as well.

    This is what CARROT's RoBERTa (arXiv 2502.03261) and most routers with fine-tuning have in common. With
    ``finetune=none`` it is a linear router on frozen embeddings, the starting point of end-to-end training.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
    """

    def __init__(self, embedding_dim: int, num_models: int) -> None:
        super().__init__(embedding_dim, num_models)
        self.linear = nn.Linear(embedding_dim, 2 * num_models)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def heads(self, inputs: Tensor) -> Heads:
        """Compute both heads."""
        return Heads(*self.linear(inputs).chunk(2, dim=-1))
