"""Ensemble weights: out-of-fold predictions, and weights chosen by how the mean routes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.data.split import draw_folds
from routerbench.routers.base import Prediction, Score

ROUNDS = 10  # members selected per bag, with repetition
BAGS = 8


def routing_weights(
    quality: NDArray[np.float64],
    cost: NDArray[np.float64],
    table: OutcomeTable,
    score: Score,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Weights of ``(K, N, M)`` predictions by how well their mean routes the prompts without missing values."""
    complete = np.flatnonzero(table.is_complete)
    if not len(complete):
        return np.full(len(quality), 1 / len(quality))

    def area(mean: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
        return score(Prediction(mean, cost[complete[rows]]), table.take(complete[rows]))

    return ensemble_selection(quality[:, complete], area, rng)


def ensemble_selection(
    quality: NDArray[np.float64],
    score: Callable[[NDArray[np.float64], NDArray[np.int64]], float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Weights of members by bagged greedy selection (Caruana et al. 2004, Ensemble Selection from Libraries of Models).

    On a random half of the prompts, the member that improves the mean most is added, ten times, with repetition; the
    best mean on the way counts. The weights are averaged over eight such halves.

    Args:
        quality: ``(K, N, M)`` predictions of the K members for N prompts.
        score: scores ``(n, M)`` predictions for n of the prompts, given their row indices; higher is better.
        rng: random number generator.

    Returns:
        ``(K,)`` non-negative weights that sum to 1.
    """
    num_members, num_prompts, _ = quality.shape
    weights = np.zeros(num_members)
    for _ in range(BAGS if num_members > 1 else 1):
        rows = np.sort(rng.permutation(num_prompts)[: (num_prompts + 1) // 2])
        total, picks, scores = np.zeros_like(quality[0, rows]), list[int](), list[float]()
        for count in range(1, ROUNDS + 1):
            reached = [score((total + member[rows]) / count, rows) for member in quality]
            picks.append(int(np.argmax(reached)))
            scores.append(max(reached))
            total += quality[picks[-1]][rows]
        best = int(np.argmax(scores)) + 1
        weights += np.bincount(picks[:best], minlength=num_members) / best
    return weights / weights.sum()


def folds(table: OutcomeTable, number: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Masks of ``number`` folds; duplicates of a prompt are in the same fold."""
    fold = draw_folds(table.prompts, rng, number)
    return (fold == k for k in np.unique(fold))


def joined(first: Examples, second: Examples) -> Examples:
    """Concatenate two sets of examples."""
    parts = first.table, second.table
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("prompts", "quality", "cost", "benchmark", "ids", "rows")
    }
    table = replace(first.table, **columns, split=None, responses=None)  # type: ignore[arg-type]
    return Examples(table, np.concatenate([first.embeddings, second.embeddings]))
