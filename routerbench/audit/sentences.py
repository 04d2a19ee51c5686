"""Findings of an audit, and helpers to word them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Headings of the levels, in order of urgency.
LEVELS = {"act": "before training", "mind": "when reading results", "fine": "nothing to do"}
_MAX_NAMES = 5


@dataclass(frozen=True)
class Finding:
    """A finding of an audit.

    Attributes:
        level: "act" before training, keep in "mind", or "fine".
        title: the finding in a few words.
        text: the finding with its numbers, in sentences.
        advice: what to do, in a sentence; empty if there is nothing to do.
    """

    level: Literal["act", "mind", "fine"]
    title: str
    text: str
    advice: str = ""


def count(number: int, noun: str) -> str:
    """Format a number and its noun.

    Example:
        >>> count(1, "prompt"), count(1200, "prompt")
        ('1 prompt', '1,200 prompts')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Join the first five names, and count the others.

    Example:
        >>> listed(["a", "b"]), listed(list("abcdefgh"))
        ('a, b', 'a, b, c, d, e and 3 more')
    """
    shown = ", ".join(names[:_MAX_NAMES])
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES} more"
