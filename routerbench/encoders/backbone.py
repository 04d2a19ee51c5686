"""The trainable part of an encoder: a pretrained transformer and the pooling of its tokens."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from routerbench.encoders.tokens import TokenTensors


class Backbone(nn.Module):
    """Embeds token ids with the last hidden states of a transformer.

    Args:
        model: a transformers model that returns ``last_hidden_state`` for ``input_ids`` and ``attention_mask``.
        pooling: "mean" over the tokens, "cls" for the first token, or "last" for the last one; padding is excluded.
        normalize: scale embeddings to length 1.

    Shape:
        - Input: ``(B, T)`` token ids, padded on the right, and ``(B,)`` lengths, at least 1.
        - Output: ``(B, D)`` float32 embeddings.
    """

    def __init__(self, model: Any, pooling: str, normalize: bool) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.normalize = normalize

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Embed B prompts."""
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        hidden = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if self.pooling == "mean":
            pooled = (hidden * mask[:, :, None]).sum(dim=1, dtype=torch.float32) / lengths[:, None]
        else:
            position = lengths - 1 if self.pooling == "last" else torch.zeros_like(lengths)
            pooled = hidden[torch.arange(ids.shape[0], device=ids.device), position].float()
        return normalize(pooled, dim=-1) if self.normalize else pooled

    def take(self, tokens: TokenTensors, rows: NDArray[np.int64]) -> Tensor:
        """``(B, D)`` embeddings of the prompts in ``rows``."""
        return self(*tokens.gather(rows))
