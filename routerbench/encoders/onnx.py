"""Exported transformers that only need ONNX Runtime and tokenizers, so that a service starts fast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed
from routerbench.encoders.batching import longest_first
from routerbench.onnx_runtime import Graph

BATCH_TOKENS = 4096


class OnnxEncoder(Encoder):
    """Embeds prompts with a graph written by ``python -m routerbench export``.

    Args:
        graph: maps ``(B, T)`` token ids and attention mask to ``(B, D)`` embeddings.
        tokenizer: tokenizer file, which includes the truncation length and side.
        dim: embedding size D.
        filler: padding token id, also used for a text without tokens.
        exported: identity of the exported encoder.
    """

    def __init__(self, graph: Graph, tokenizer: Path, dim: int, filler: int, exported: dict[str, Any]) -> None:
        self.graph = graph
        self.tokenizer = tokenizer
        self._dim = dim
        self.filler = filler
        self.exported = exported

    @property
    def dim(self) -> int:
        """Embedding size D."""
        return self._dim

    @property
    def identity(self) -> dict[str, Any]:
        """Identity of the exported encoder, marked as ONNX: its vectors differ from torch's by rounding."""
        return {"encoder": "onnx", "exported": self.exported, "dtype": "float32"}

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts, longest first, in batches of similar length.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.
        """
        encodings = self._tokenizer.encode_batch([well_formed(prompt) for prompt in prompts])
        tokens = [encoding.ids or [self.filler] for encoding in encodings]
        lengths = np.array([len(ids) for ids in tokens], np.int64)
        embeddings = np.empty((len(tokens), self.dim), np.float32)
        for rows in longest_first(lengths, BATCH_TOKENS):
            mask = np.arange(lengths[rows].max()) < lengths[rows, None]
            ids = np.full(mask.shape, self.filler, np.int64)
            ids[mask] = np.concatenate([tokens[row] for row in rows])
            (embeddings[rows],) = self.graph(input_ids=ids, attention_mask=mask.astype(np.int64))
        return embeddings

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # installed with transformers, but also usable on its own

        return Tokenizer.from_file(str(self.tokenizer))
