"""What every encoder is: a fixed map from texts to vectors that can say exactly which map it is."""

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
    """Where embeddings are kept: an ``EmbeddingStore``."""

    def encode(self, encoder: Encoder, prompts: Sequence[str] | NDArray[np.object_]) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of texts; only those that are not kept yet are encoded."""
        ...


class Encoder(ABC):
    """Maps prompts to embeddings.

    Every constructor argument is kept as an attribute of the same name, so that an artefact can build the encoder
    again; ``device`` is the one exception, it belongs to the machine.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the size of an embedding; known without encoding anything."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """All that decides the vectors: weights, pooling, max length, truncation side, normalisation, dtype."""

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
        """The folder that an artefact must take along, or None if the constructor's arguments are enough."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal hash of ``identity``: two encoders that agree on it give the same vectors."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]

    def embed(self, table: OutcomeTable, store: Store) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of a table's prompts; only what the store does not hold is encoded."""
        return store.encode(self, table.prompts)


def well_formed(text: str) -> str:
    r"""The text with "?" for every half of a surrogate pair, which JSON logs hold and tokenizers refuse.

    Example:
        >>> well_formed("caf\u00e9 \ud83d")
        'café ?'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
