"""Transformers on packed prompts, concatenated without padding, for architectures that support it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize, pad, scaled_dot_product_attention

from routerbench.encoders.backbone import Backbone
from routerbench.encoders.tokens import TokenTensors

ATTENTION = "routerbench_packed"
ROBERTAS = {"roberta", "xlm-roberta", "camembert"}  # their position ids start after the padding token's id
ARCHITECTURES = {"bert", *ROBERTAS}


class PackedBackbone(Backbone):
    """Embeds packed token ids, without computing anything for padding.

    Padded batches also work. Attention weights have no dropout, not even in training.

    Args:
        model: a transformers model for which ``can_pack`` is true.
        pooling: "mean" over the tokens, "cls" for the first token, or "last" for the last one.
        normalize: scale embeddings to length 1.

    Shape:
        - Input: ``(T,)`` token ids of B concatenated prompts, their ``(B,)`` lengths, and the maximum length.
        - Output: ``(B, D)`` float32 embeddings.
    """

    def __init__(self, model: Any, pooling: str, normalize: bool) -> None:
        super().__init__(model, pooling, normalize)
        self.first: int = model.config.pad_token_id + 1 if model.config.model_type in ROBERTAS else 0
        _register()
        model.set_attn_implementation(ATTENTION)

    def forward(self, ids: Tensor, lengths: Tensor, longest: int | None = None) -> Tensor:
        """Embed B prompts."""
        if longest is None:
            return super().forward(ids, lengths)
        ends = lengths.cumsum(0)
        starts = ends - lengths
        position = torch.arange(len(ids), device=ids.device)
        position = position - starts.repeat_interleave(lengths, output_size=len(ids)) + self.first
        hidden = self.model(
            input_ids=ids[None],
            position_ids=position[None],
            token_type_ids=torch.zeros_like(ids)[None],
            cu_seq_lens_q=pad(ends, (1, 0)).int(),
            max_length_q=longest,
        ).last_hidden_state[0]
        if self.pooling == "mean":
            pooled = torch.segment_reduce(hidden.float(), "mean", lengths=lengths, unsafe=True)
        else:
            pooled = hidden[ends - 1 if self.pooling == "last" else starts].float()
        return normalize(pooled, dim=-1) if self.normalize else pooled

    def take(self, tokens: TokenTensors, rows: NDArray[np.int64]) -> Tensor:
        """``(B, D)`` embeddings of the prompts in ``rows``."""
        return self(*tokens.gather_packed(rows))


def can_pack(model: Any) -> bool:
    """Whether a transformer supports packed prompts with the installed version of transformers."""
    import transformers

    # Before transformers 5, some architectures ignored the caller's attention arguments and mixed the prompts.
    return model.config.model_type in ARCHITECTURES and int(transformers.__version__.split(".")[0]) >= 5


def has_kernel(model: Any, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether packed prompts are supported and fast: flash attention in half precision on an Ampere or newer GPU."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16) or not can_pack(model):
        return False
    head_dim = model.config.hidden_size // model.config.num_attention_heads
    return _flash() is not None and head_dim % 8 == 0 and torch.cuda.get_device_capability(device)[0] >= 8


def _register() -> None:
    """Register the attention with transformers; padded batches use the same mask as SDPA."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    **options: Any,
) -> tuple[Tensor, None]:
    """``(1, T, H, C)`` attention of ``(1, H, T, C)`` packed heads within each prompt."""
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    if query.device.type == "cuda":
        attended = _flash()(query, key, value, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q)
    else:
        attended = _by_length(query, key, value, cu_seq_lens_q.diff().tolist())
    return attended[None], None


def _flash() -> Any:
    try:
        from torch.nn.attention.varlen import varlen_attn  # since torch 2.10
    except ImportError:
        return None
    return varlen_attn


def _by_length(query: Tensor, key: Tensor, value: Tensor, lengths: list[int]) -> Tensor:
    """Attention of ``(T, H, C)`` heads; consecutive prompts of equal length are computed together."""
    pieces, start, first = [], 0, 0
    for row in range(1, len(lengths) + 1):
        if row == len(lengths) or lengths[row] != lengths[first]:
            shape = (row - first, lengths[first], *query.shape[1:])
            stop = start + shape[0] * shape[1]
            q, k, v = (states[start:stop].view(shape).transpose(1, 2) for states in (query, key, value))
            pieces.append(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(0, 1))
            start, first = stop, row
    return torch.cat(pieces)
