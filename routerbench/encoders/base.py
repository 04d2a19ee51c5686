"""Encoder interface: a fixed map from texts to vectors, identified by a fingerprint."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from routerbench.data.outcomes import OutcomeTable


class Store(Protocol):
    """Interface of a store of embeddings, see ``EmbeddingStore``."""

    def encode(self, encoder: Encoder, prompts: Sequence[str] | NDArray[np.object_]) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of texts; only texts that are not stored yet are encoded."""
        ...


class Encoder(ABC):
    """Maps prompts to embeddings.

    Every constructor argument is stored as an attribute of the same name, so that an artefact can rebuild the encoder.
    The exception is ``device``, which depends on the machine.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Embedding size D; known without encoding."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that determines the vectors: weights, pooling, lengths, truncation side, normalisation, dtype."""

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.
        """

    @property
    def files(self) -> Path | None:
        """Folder that must be saved with an artefact; None if the constructor arguments are sufficient."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal hash of ``identity``; encoders with equal fingerprints give the same vectors."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]

    def embed(self, table: OutcomeTable, store: Store) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of a table's prompts; only prompts that are not in the store are encoded."""
        return store.encode(self, table.prompts)


def well_formed(text: str) -> str:
    r"""Replace lone halves of surrogate pairs by "?"; they occur in JSON logs, and tokenizers refuse them.

    Example:
        >>> well_formed("caf\u00e9 \ud83d")
        'café ?'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
