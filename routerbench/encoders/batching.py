"""Batches of prompts of similar length, limited by a token budget."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW = 64  # number of batches whose prompts are sorted by length together
MAX_PADDING = 1 / 64  # of a batch's budget


def longest_first(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Batch N prompts for inference, longest first, so that running out of memory shows at once.

    In small requests of mixed lengths, prompts are not padded to the longest, because another batch is cheaper. The
    limit of 64 tokens per batch of 4096 was measured on a CPU; with many prompts there is little padding anyway.

    Args:
        lengths: ``(N,)`` number of tokens of each prompt.
        budget: maximum tokens per batch, including padding; a longer prompt gets its own batch.

    Returns:
        Row indices of each batch.

    Example:
        >>> [batch.tolist() for batch in longest_first(np.array([100, 990, 990, 100, 980]), budget=2000)]
        [[1, 2], [4], [0, 3]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        longest = int(lengths[order[start]])
        rows = order[start : start + max(1, budget // max(1, longest))]
        padding = np.cumsum(longest - lengths[rows])
        batches.append(rows[: np.searchsorted(padding, budget * MAX_PADDING, side="right")])
        start += len(batches[-1])
    return batches


def shuffled(lengths: NDArray[np.int64], num_batches: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Batch N prompts for one training epoch: random batches of prompts of similar length, in random order.

    The prompts are shuffled and sorted by length within windows, alternating ascending and descending order so that
    lengths also match where windows meet. The sequence is then cut into parts with equal numbers of tokens. Every epoch
    has the same number of batches, each with about as many tokens.

    Args:
        lengths: ``(N,)`` number of tokens of each prompt.
        num_batches: K, from 1 to N.
        rng: random number generator.

    Returns:
        Row indices of each of the K batches, none of them empty.
    """
    num_prompts = len(lengths)
    order = rng.permutation(num_prompts)
    window = -(-num_prompts * WINDOW // num_batches)
    for number, start in enumerate(range(0, num_prompts, window)):
        rows = order[start : start + window]
        order[start : start + window] = rows[np.argsort(lengths[rows] * (-1) ** number, kind="stable")]
    done = np.cumsum(lengths[order])
    cuts = np.searchsorted(done, done[-1] * np.arange(1, num_batches) / num_batches)
    place = np.arange(1, num_batches)  # a prompt longer than a batch's share must not leave the next batch empty
    cuts = np.maximum.accumulate(np.maximum(cuts, place) - place) + place
    cuts = np.minimum(cuts, num_prompts - num_batches + place)
    batches = np.split(order, cuts)
    return [batches[i] for i in rng.permutation(num_batches)]


def padding_share(lengths: NDArray[np.int64], batches: Sequence[NDArray[np.int64]]) -> float:
    """Compute the share of padding among all positions, in [0, 1).

    Example:
        >>> round(padding_share(np.array([2, 4, 2]), [np.array([0, 1]), np.array([2])]), 3)
        0.2
    """
    positions = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    return 1 - int(lengths.sum()) / positions
