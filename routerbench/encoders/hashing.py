"""Hashed n-grams: an encoder without weights, fast and the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed
from routerbench.encoders.murmur import murmur3
from routerbench.errors import InputError

# Single letters and digits count as words: "b" and "7" are common in exam questions.
WORD = re.compile(r"\b\w+\b")
BLOCK = 256  # prompts per block, to limit memory


class HashingEncoder(Encoder):
    """Embeds prompts by hashed n-grams with signs: one half of D for characters, one for words.

    Each half is scaled to length 1 before they are joined, because a text has many more character n-grams than words.
    The embedding has length 1; a text without n-grams, such as an empty one, is the zero vector.

    Args:
        dim: D, an even number; larger values cause fewer collisions.
        char_ngrams: minimum and maximum size of character n-grams, within word boundaries.
        word_ngrams: minimum and maximum size of word n-grams.
        lowercase: convert texts to lower case.

    Raises:
        InputError: an option is invalid.
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
        """Embedding size D."""
        return self._dim

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the vectors."""
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
    """Character n-grams of each word, padded by a space on both sides; a word shorter than n counts once."""
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
    """``(N, num_features)`` counts of terms, with positions and signs given by their hashes.

    Same as ``sklearn.feature_extraction.FeatureHasher`` (Weinberger et al., arXiv 0902.2206), which takes seconds to
    import.
    """
    rows = np.repeat(np.arange(len(terms)), [len(row) for row in terms])
    numbers: dict[str, int] = {}  # most terms occur often
    number = [numbers.setdefault(term, len(numbers)) for row in terms for term in row]
    hashes = murmur3([term.encode() for term in numbers]).astype(np.int64)[np.array(number, np.int64)]
    places = rows * num_features + np.abs(hashes) % num_features
    counts = np.bincount(places, np.where(hashes < 0, -1.0, 1.0), len(terms) * num_features)
    return counts.reshape(len(terms), num_features).astype(np.float64, copy=False)


def _normalized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to length 1; zero rows are unchanged."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
