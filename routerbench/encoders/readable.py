"""Interpretable surface features of a prompt: an encoder without weights, mainly for trees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed

_WORD = re.compile(r"\w+")
_COUNTS = {
    "numbers": r"\d+(?:\.\d+)?",
    "question_marks": r"\?",
    "options": r"(?m)^\s*\(?[A-J1-9][).:]\s",
    "equations": r"[=<>≤≥≈]",
    "math": r"\\[a-zA-Z]+|[$^∑∫√π]",
    "code": r"(?m)```|\b(?:def|return|import|class|function|print|for|while)\b|[{};]",
    "brackets": r"[()\[\]]",
    "quotes": r"[\"“”]",
    "negations": r"(?i)\b(?:not|no|never|except|least|false)\b",
    "asks_why": r"(?i)\b(?:why|how|explain|prove|derive|show that)\b",
    "asks_which": r"(?i)\b(?:which|what|who|when|where)\b",
    "foreign_letters": r"[^\x00-\x7f]",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _COUNTS.items()}
_SIZES = ("characters", "words", "lines", "last_line")
_SHARES = ("digits", "capitals", "punctuation", "distinct_words", "long_words", "mean_word")
FEATURES = (*_SIZES, *_SHARES, *_COUNTS)


class ReadableEncoder(Encoder):
    """Embeds a prompt by the 22 named features in `FEATURES`: sizes, shares of character and word types, and counts.

    The features are similar to those of LLMRank (arXiv 2510.01234), without its proxy solver, which is a language
    model. Sizes and counts are ``log(1 + n)``, so that long prompts do not dominate; shares are in [0, 1]; the mean
    word length is in tens of letters.
    """

    @property
    def dim(self) -> int:
        """Embedding size D, the number of features."""
        return len(FEATURES)

    @property
    def identity(self) -> dict[str, Any]:
        """Names and patterns of the features."""
        return {"encoder": "readable", "features": list(FEATURES), "patterns": _COUNTS}

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 features, in the order of ``FEATURES``.

        Example:
            >>> features = dict(zip(FEATURES, ReadableEncoder().encode(["What is 7 + 5?"])[0].tolist()))
            >>> features["numbers"], features["question_marks"], features["code"]  # log 3, log 2, log 1
            (1.098..., 0.693..., 0.0)
        """
        return np.array([_features(well_formed(prompt)) for prompt in prompts], np.float32).reshape(-1, self.dim)


def _features(text: str) -> list[float]:
    words, letters = _WORD.findall(text), max(len(text), 1)
    sizes = (len(text), len(words), text.count("\n") + 1, len(text.rsplit("\n", 1)[-1]))
    number = max(len(words), 1)
    shares = (
        sum(map(str.isdigit, text)) / letters,
        sum(map(str.isupper, text)) / letters,
        sum(not (letter.isalnum() or letter.isspace()) for letter in text) / letters,
        len({word.lower() for word in words}) / number,
        sum(len(word) > 8 for word in words) / number,
        sum(map(len, words)) / number / 10,
    )
    counts = (len(pattern.findall(text)) for pattern in _PATTERNS.values())
    return [*np.log1p(sizes), *shares, *(float(np.log1p(count)) for count in counts)]
