"""Hashed n-grams: an encoder without weights, at once and the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed
from routerbench.encoders.murmur import murmur3
from routerbench.errors import InputError

# Single letters and digits are words too: "b" and "7" are what exam questions are made of.
WORD = re.compile(r"\b\w+\b")
BLOCK = 256  # prompts at a time, whose n-grams fit into memory


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
        parts = [prompts[start : start + BLOCK] for start in range(0, len(prompts), BLOCK)]
        return np.concatenate([self._encode(part) for part in parts])

    def _encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        texts = [well_formed(prompt) for prompt in prompts]
        texts = [text.lower() for text in texts] if self.lowercase else texts
        halves = (
            _hashed([_char_ngrams(text, *self.char_ngrams) for text in texts], self.dim // 2),
            _hashed([_word_ngrams(text, *self.word_ngrams) for text in texts], self.dim // 2),
        )
        return _normalized(np.hstack([_normalized(half) for half in halves])).astype(np.float32)


def _char_ngrams(text: str, shortest: int, longest: int) -> list[str]:
    """The n-grams of each word between two spaces; a word shorter than n counts once, as it is."""
    terms = []
    for word in text.split():
        word, size = f" {word} ", len(word) + 2
        for n in range(shortest, longest + 1):
            terms += [word[start : start + n] for start in range(max(1, size - n + 1))]
            if n >= size:
                break
    return terms


def _word_ngrams(text: str, shortest: int, longest: int) -> list[str]:
    words = WORD.findall(text)
    return [" ".join(words[i : i + n]) for n in range(shortest, longest + 1) for i in range(len(words) - n + 1)]


def _hashed(terms: Sequence[list[str]], num_features: int) -> NDArray[np.float64]:
    """``(N, num_features)`` counts of terms, each at the place and with the sign that its hash says.

    As ``sklearn.feature_extraction.FeatureHasher`` does it (Weinberger et al., arXiv 0902.2206), which takes seconds to
    import.
    """
    rows = np.repeat(np.arange(len(terms)), [len(row) for row in terms])
    numbers: dict[str, int] = {}  # most terms come often
    number = [numbers.setdefault(term, len(numbers)) for row in terms for term in row]
    hashes = murmur3([term.encode() for term in numbers]).astype(np.int64)[np.array(number, np.int64)]
    places = rows * num_features + np.abs(hashes) % num_features
    counts = np.bincount(places, np.where(hashes < 0, -1.0, 1.0), len(terms) * num_features)
    return counts.reshape(len(terms), num_features).astype(np.float64, copy=False)


def _normalized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
