"""Which prompts pass through a transformer together: texts of like length, as many as a budget of tokens allows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW = 64  # batches' worth of prompts that are sorted by length together
MAX_PADDING = 1 / 64  # of a batch's budget


def longest_first(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Batches of all N prompts for inference, the longest first: what does not fit fails at once, not after an hour.

    A few prompts of all lengths, as they come to a service, are not padded to the longest: starting another batch costs
    less. That was measured for the default budgets, 64 tokens of 4096 on a CPU; many prompts pad little as it is.

    Args:
        lengths: ``(N,)`` tokens of each prompt.
        budget: most tokens of a batch, padding included; a prompt that is longer has a batch of its own.

    Returns:
        Row numbers of each batch.

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
    """Batches of all N prompts for one epoch of training, in random order and of random company, yet of like length.

    All prompts are shuffled, windows of them are sorted by length, up and down in turn so that neighbours fit at the
    seams, too, and the whole is cut where the tokens so far are an equal part of all tokens. So every epoch has the
    same number of batches, each with about as many tokens.

    Args:
        lengths: ``(N,)`` tokens of each prompt.
        num_batches: K, from 1 to N.
        rng: draws the order.

    Returns:
        Row numbers of each of the K batches, none of them empty.
    """
    num_prompts = len(lengths)
    order = rng.permutation(num_prompts)
    window = -(-num_prompts * WINDOW // num_batches)
    for number, start in enumerate(range(0, num_prompts, window)):
        rows = order[start : start + window]
        order[start : start + window] = rows[np.argsort(lengths[rows] * (-1) ** number, kind="stable")]
    done = np.cumsum(lengths[order])
    cuts = np.searchsorted(done, done[-1] * np.arange(1, num_batches) / num_batches)
    place = np.arange(1, num_batches)  # a prompt longer than a batch's part must not leave the next one empty
    cuts = np.maximum.accumulate(np.maximum(cuts, place) - place) + place
    cuts = np.minimum(cuts, num_prompts - num_batches + place)
    batches = np.split(order, cuts)
    return [batches[i] for i in rng.permutation(num_batches)]


def padding_share(lengths: NDArray[np.int64], batches: Sequence[NDArray[np.int64]]) -> float:
    """Share of all positions that hold no token, in [0, 1).

    Example:
        >>> round(padding_share(np.array([2, 4, 2]), [np.array([0, 1]), np.array([2])]), 3)
        0.2
    """
    positions = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    return 1 - int(lengths.sum()) / positions
