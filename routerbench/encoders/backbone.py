"""The part of an encoder that can be trained: a pretrained transformer, and how its tokens become one vector."""

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
        model: of transformers; gives ``last_hidden_state`` for ``input_ids`` and ``attention_mask``.
        pooling: "mean" over the real tokens, "cls" = the first, "last" = the last real one.
        normalize: scale every embedding to length 1.

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
        """``(B, D)`` embeddings of B of the prompts."""
        return self(*tokens.gather(rows))
