"""Train, validation and test splits in which no prompt occurs twice."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import SPLITS, OutcomeTable
from routerbench.errors import InputError

TEST_SHARE = 0.3
VAL_SHARE = 1 / 7  # of the prompts that are not test: 60/10/30 overall
NUM_FOLDS = 5

_SYNONYMS = {"valid": "val", "validation": "val", "dev": "val"}
_TRAIN, _VAL, _TEST, _UNUSED = range(4)
_NAMES = np.array([*SPLITS, ""], dtype=object)

log = logging.getLogger(__name__)


def assign_split(table: OutcomeTable, seed: int, holdout_benchmarks: Sequence[str] | str = ()) -> OutcomeTable:
    """Assign a split to every prompt: the published one, or 60/10/30 within each benchmark.

    Prompts that differ only in white space or case are duplicates and are kept in the same split. If a published split
    or a held-out benchmark separates them, the duplicates in the later split get "" and are not used: train takes
    precedence over val, and val over test. The random split does not depend on the order of the rows.

    Args:
        table: N outcomes.
        seed: random seed of the split; only of val if a split is published without one.
        holdout_benchmarks: benchmarks that are used for test only, to measure generalisation to unseen tasks.

    Returns:
        The table with its ``split``.

    Raises:
        InputError: a split has an unknown name, train or test would be empty, or a held-out benchmark is unknown.
    """
    if isinstance(holdout_benchmarks, str):  # data.holdout_benchmarks=coding
        holdout_benchmarks = [holdout_benchmarks]
    held_out = _held_out(table, holdout_benchmarks)
    group = duplicate_groups(table.prompts)
    rng = np.random.default_rng(seed)
    if table.split is None:
        split = np.full(len(table), _TRAIN)
        split[_carve(group, table.benchmark, ~held_out, TEST_SHARE, rng)] = _TEST
    else:
        split = _codes(read_split(table.split, table.rows, "split", table.source, allow_unused=True))
    split[held_out] = _TEST
    split = _unstraddle(split, group, table.source)
    if not (split == _VAL).any():
        split[_carve(group, table.benchmark, split == _TRAIN, VAL_SHARE, rng)] = _VAL
    _check_parts(split, table)
    return replace(table, split=_NAMES[split])


def read_split(
    cells: NDArray[np.object_], rows: NDArray[np.int64], name: str, source: str, allow_unused: bool = False
) -> NDArray[np.object_]:
    """Normalise the values of a published split to "train", "val" and "test".

    Args:
        cells: ``(N,)`` values in the file; "valid", "validation" and "dev" mean val.
        rows: ``(N,)`` index of each value's row in the file, for the error message.
        name: column name, for the error message.
        source: file name, for the error message.
        allow_unused: whether "" is allowed, for a prompt that no split uses.

    Raises:
        InputError: a value is none of these.
    """
    meaning = {
        word: _SYNONYMS.get(str(word).strip().lower(), str(word).strip().lower()) for word in set(cells.tolist())
    }
    allowed = (*SPLITS, "") if allow_unused else SPLITS
    for row, word in zip(rows, cells, strict=True):
        if meaning[word] not in allowed:
            raise InputError(
                f"{source}: row {row + 1}, column {name!r}: {word!r} is not a split; write train, val or test"
            )
    return np.fromiter((meaning[word] for word in cells), dtype=object, count=len(cells))


def duplicate_groups(prompts: NDArray[np.object_]) -> NDArray[np.int64]:
    """Number the prompts; duplicates, up to white space and case, share a number.

    Args:
        prompts: ``(N,)`` texts.

    Returns:
        ``(N,)`` group of each prompt; the number of a text does not depend on the order of the rows.

    Example:
        >>> a, b, c = duplicate_groups(np.array(["Why?", "How?", " why? "], dtype=object))
        >>> bool(a == c != b)
        True
    """
    return np.unique(prompt_keys(prompts), return_inverse=True)[1].astype(np.int64)


def prompt_keys(prompts: NDArray[np.object_]) -> NDArray[np.uint64]:
    """``(N,)`` hashes of the prompts, up to white space and case; equal for duplicates in any table."""
    folded = (" ".join(prompt.split()).casefold().encode(errors="surrogatepass") for prompt in prompts)
    keys = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in folded)
    return np.frombuffer(keys, dtype=np.uint64)


def draw_folds(prompts: NDArray[np.object_], rng: np.random.Generator, num_folds: int = NUM_FOLDS) -> NDArray[np.int64]:
    """Draw folds for cross-fitting; duplicates of a prompt are in the same fold.

    Args:
        prompts: ``(N,)`` texts.
        rng: random number generator.
        num_folds: number of folds; limited by the number of distinct prompts.

    Returns:
        ``(N,)`` fold of each prompt, starting at 0.
    """
    group = duplicate_groups(prompts)
    return (rng.permutation(group.max() + 1) % num_folds)[group]


def _carve(
    group: NDArray[np.int64],
    benchmark: NDArray[np.object_],
    eligible: NDArray[np.bool_],
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose a share of the eligible groups, stratified by benchmark; return the indices of their prompts."""
    rows = np.flatnonzero(eligible)
    _, label = np.unique(benchmark[rows].astype(str), return_inverse=True)
    groups, member = np.unique(group[rows], return_inverse=True)
    home = np.full(len(groups), np.iinfo(np.int64).max)
    np.minimum.at(home, member, label)  # a text in two benchmarks counts for the first one
    total = len(groups)
    picks = min(max(1, round(share * total)), total - 1)
    if picks < 1:
        return np.empty(0, dtype=np.int64)
    # Sort the groups by benchmark, shuffled within each, and take every (1 / share)-th: the share is exact overall
    # and, to within one group, in each benchmark, however small.
    order = np.lexsort((rng.random(total), home))
    steps = (np.arange(total + 1) * picks + rng.integers(total)) // total
    chosen = np.zeros(total, dtype=bool)
    chosen[order] = np.diff(steps) > 0
    return rows[chosen[member]]


def _unstraddle(split: NDArray[np.int64], group: NDArray[np.int64], source: str) -> NDArray[np.int64]:
    first = np.full(group.max() + 1, _UNUSED)
    np.minimum.at(first, group, split)
    straddles = (split != _UNUSED) & (split > first[group])
    if straddles.any():
        counts = ", ".join(f"{(straddles & (split == code)).sum()} of {_NAMES[code]}" for code in (_VAL, _TEST))
        log.info("%s: %s are copies of prompts of an earlier split and are not used", source, counts)
    return np.where(straddles, _UNUSED, split)


def _held_out(table: OutcomeTable, holdout_benchmarks: Sequence[str]) -> NDArray[np.bool_]:
    known = sorted(set(table.benchmark))
    for name in holdout_benchmarks:
        if name not in known:
            raise InputError(f"{table.source}: no benchmark {name!r} to hold out; the table has {', '.join(known)}")
    return np.isin(table.benchmark.astype(str), np.array(list(holdout_benchmarks), dtype=str))


def _codes(split: NDArray[np.object_]) -> NDArray[np.int64]:
    return np.fromiter((_NAMES.tolist().index(word) for word in split), dtype=np.int64, count=len(split))


def _check_parts(split: NDArray[np.int64], table: OutcomeTable) -> None:
    counts = {name: int((split == code).sum()) for code, name in enumerate(SPLITS)}
    for name in ("train", "test"):
        if not counts[name]:
            has = ", ".join(f"{other} {count}" for other, count in counts.items())
            advice = "it needs more prompts, or fewer held-out benchmarks"
            if table.split is not None:
                advice = "complete the split column or leave it out"
            raise InputError(f"{table.source}: no prompt of its {len(table)} is in {name} ({has}); {advice}")
    log.info("%s: %s", table.source, ", ".join(f"{name} {count}" for name, count in counts.items()))
