"""Whether an embedding gives the benchmark away, so that a router may learn formats instead of difficulty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import duplicate_groups

_MAX_PROMPTS = 3000  # more of them cost time and change the third decimal
_NUM_FOLDS = 5


@dataclass(frozen=True)
class Leakage:
    """How well a linear classifier reads the benchmark off the embedding of an unseen prompt.

    Attributes:
        num_prompts: prompts looked at.
        num_benchmarks: benchmarks told apart, K.
        accuracy: share of the prompts whose benchmark is recognised.
        majority_share: the same share if every prompt is said to be of the largest benchmark.
        balanced_accuracy: mean over benchmarks of the share that is recognised; guessing gives 1 / K.
    """

    num_prompts: int
    num_benchmarks: int
    accuracy: float
    majority_share: float
    balanced_accuracy: float


def benchmark_leakage(
    table: OutcomeTable, embed: Callable[[OutcomeTable], NDArray[np.float32]], rng: np.random.Generator
) -> Leakage | None:
    """Predict the benchmark of each prompt from its embedding, by ridge classification in 5-fold cross-validation.

    Of prompts that are copies of each other one is looked at, at most 3,000 in all; a benchmark with fewer than five
    of them is left out.

    Args:
        table: N outcomes; prompts and benchmarks are read.
        embed: gives the ``(n, D)`` embeddings of some of its prompts.
        rng: draws the prompts and the folds.

    Returns:
        What was recognised, or None if fewer than two benchmarks are left.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = np.unique(duplicate_groups(table.prompts), return_index=True)[1]
    rows = np.sort(rng.permutation(rows)[:_MAX_PROMPTS])
    _, label, counts = np.unique(table.benchmark[rows].astype(str), return_inverse=True, return_counts=True)
    is_large = (counts >= _NUM_FOLDS)[label]
    rows, label = rows[is_large], label[is_large]
    counts = counts[counts >= _NUM_FOLDS]
    if len(counts) < 2:
        return None
    folds = StratifiedKFold(_NUM_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    embeddings = embed(table.take(rows))
    guess = cross_val_predict(RidgeClassifier(class_weight="balanced"), embeddings, label, cv=folds)
    return Leakage(
        num_prompts=len(rows),
        num_benchmarks=len(counts),
        accuracy=float((guess == label).mean()),
        majority_share=float(counts.max() / counts.sum()),
        balanced_accuracy=float(balanced_accuracy_score(label, guess)),
    )
