"""Leakage of the benchmark by an embedding, from which a router may learn formats instead of difficulty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import duplicate_groups

_MAX_PROMPTS = 3000  # more take time and only change the third decimal
_NUM_FOLDS = 5


@dataclass(frozen=True)
class Leakage:
    """Accuracy of a linear classifier that predicts the benchmark from the embedding of an unseen prompt.

    Attributes:
        num_prompts: number of prompts used.
        num_benchmarks: number K of benchmarks.
        accuracy: share of the prompts whose benchmark is predicted correctly.
        majority_share: accuracy of always predicting the largest benchmark.
        balanced_accuracy: mean over benchmarks of their recall; random guessing gives 1 / K.
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

    At most 3,000 prompts are used, one of each set of copies. A benchmark with fewer than five of them is left out.

    Args:
        table: N outcomes; only prompts and benchmarks are read.
        embed: computes the ``(n, D)`` embeddings of some of its prompts.
        rng: random number generator for the sample and the folds.

    Returns:
        Accuracies, or None if fewer than two benchmarks are left.
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
