"""Hashed n-grams: an encoder without weights, at once and the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed
from routerbench.errors import InputError

# Single letters and digits are words too: "b" and "7" are what exam questions are made of.
WORD = r"(?u)\b\w+\b"


class HashingEncoder(Encoder):
    """Embeds prompts by the n-grams they contain, hashed with a sign: one half of D for characters, one for words.

    Each half has length 1 before the two are joined, since a text has many more character n-grams than words. The
    embedding has length 1; a text without any n-gram, such as an empty one, is the zero vector.

    Args:
        dim: D, an even number; more of it means fewer collisions.
        char_ngrams: shortest and longest character n-gram, inside word boundaries.
        word_ngrams: shortest and longest word n-gram.
        lowercase: fold case first.

    Raises:
        InputError: an option has no meaning.
    """

    def __init__(
        self,
        dim: int = 1024,
        char_ngrams: Sequence[int] = (3, 5),
        word_ngrams: Sequence[int] = (1, 2),
        lowercase: bool = True,
    ) -> None:
        if dim < 2 or dim % 2:
            raise InputError(f"encoder: dim {dim} must be even and at least 2")
        for option, span in (("char_ngrams", char_ngrams), ("word_ngrams", word_ngrams)):
            if len(span) != 2 or not 1 <= span[0] <= span[1]:
                raise InputError(f"encoder: {option} {list(span)} must be [shortest, longest], at least 1 each")
        self._dim = dim
        self.char_ngrams = list(char_ngrams)
        self.word_ngrams = list(word_ngrams)
        self.lowercase = lowercase

    @property
    def dim(self) -> int:
        """D, the size of an embedding."""
        return self._dim

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the vectors."""
        return {
            "encoder": "hashing",
            "dim": self.dim,
            "char_ngrams": self.char_ngrams,
            "word_ngrams": self.word_ngrams,
            "lowercase": self.lowercase,
        }

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.

        Example:
            >>> embeddings = HashingEncoder(dim=64).encode(["2 + 2 = ?", "2 + 3 = ?", "Name a poet."])
            >>> similarity = embeddings @ embeddings[0]
            >>> embeddings.shape, bool(similarity[1] > similarity[2])
            ((3, 64), True)
        """
        if not len(prompts):
            return np.empty((0, self.dim), np.float32)
        from sklearn.preprocessing import normalize

        texts = [well_formed(prompt) for prompt in prompts]
        halves = [vectorizer.transform(texts).toarray() for vectorizer in self._vectorizers]
        return normalize(np.hstack(halves)).astype(np.float32, copy=False)

    @cached_property
    def _vectorizers(self) -> list[Any]:
        from sklearn.feature_extraction.text import HashingVectorizer

        common = {"n_features": self.dim // 2, "norm": "l2", "lowercase": self.lowercase, "dtype": np.float32}
        return [
            HashingVectorizer(analyzer="char_wb", ngram_range=tuple(self.char_ngrams), **common),
            HashingVectorizer(analyzer="word", token_pattern=WORD, ngram_range=tuple(self.word_ngrams), **common),
        ]
