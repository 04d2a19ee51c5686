"""Metrics of the chosen models: spread of the calls, collapse onto the strongest model, and recall."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.metrics.checks import finite, indices, outcomes


def selection_entropy(probability: ArrayLike) -> float:
    """Compute the mean entropy of a router's choice in bits, RouterEval's E_p (arXiv 2503.10657).

    ``-1/N sum_n sum_m p log2 p``. It measures the certainty about each single prompt: a router that is certain of a
    different model each time has 0, as has one that always calls the same model; ``call_entropy`` separates the two.

    Args:
        probability: ``(N, M)`` probability of choosing each model, rows summing to 1, such as a softmax of scores.

    Returns:
        From 0, always certain, to log2 M, always uniform.

    Raises:
        ValueError: the array is not ``(N, M)`` probabilities.

    Example:
        >>> selection_entropy([[0.5, 0.5], [1.0, 0.0]])
        0.5
    """
    chance = finite("probability", probability)
    if chance.ndim != 2 or (chance < 0).any() or not np.allclose(chance.sum(axis=1), 1):
        raise ValueError(f"probability must be (N, M), at least 0, with rows that sum to 1; got shape {chance.shape}")
    bits = -np.log2(np.where(chance > 0, chance, 1))
    return abs(float((chance * bits).sum() / len(chance)))  # never -0.0


def call_shares(chosen: ArrayLike, num_models: int) -> NDArray[np.float64]:
    """Compute the share of the prompts for which each model is called.

    Args:
        chosen: ``(N,)`` index of the model chosen for each prompt.
        num_models: M.

    Returns:
        ``(M,)`` shares that sum to 1.

    Raises:
        ValueError: there is no prompt, or an index is out of range.

    Example:
        >>> call_shares([0, 0, 2, 0], num_models=3).tolist()
        [0.75, 0.0, 0.25]
    """
    choice = indices(chosen, num_models)
    return np.bincount(choice, minlength=num_models) / len(choice)


def call_entropy(chosen: ArrayLike, num_models: int) -> float:
    """Compute the entropy of the call shares in bits, the spread of the calls over models.

    Args:
        chosen: ``(N,)`` index of the model chosen for each prompt.
        num_models: M.

    Returns:
        From 0, one model only, to log2 M, all models equally often.

    Raises:
        ValueError: see ``call_shares``.

    Example:
        >>> call_entropy([0, 1, 0, 1], num_models=4), call_entropy([3, 3], num_models=4)
        (1.0, 0.0)
    """
    return selection_entropy(call_shares(chosen, num_models)[None])


class Collapse(NamedTuple):
    """Degree of collapse onto the strongest model.

    Attributes:
        collapse_index: in [0, 1], lower is better.
        strong_call_rate: share of prompts sent to the strongest model, which separates collapse from other errors.
    """

    collapse_index: float
    strong_call_rate: float


def routing_collapse(quality: ArrayLike, chosen: ArrayLike) -> Collapse:
    """Compute EquiRouter's routing collapse index (arXiv 2602.03478), for choices at an unlimited budget.

    One minus the share of prompts on which the router calls one of the best models, and the strongest one only if no
    other is among the best. The strongest model has the highest mean quality on these prompts; ties go to the lower
    index. A wrong choice counts the same as a needless call of the strongest model.

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model chosen for each prompt, at the largest budget.

    Returns:
        The index and the share of calls of the strongest model.

    Raises:
        ValueError: shapes do not match, a quality is missing, or an index is out of range.

    Example:
        >>> quality = [[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
        >>> routing_collapse(quality, [0, 1, 1, 0]), routing_collapse(quality, [1, 1, 1, 1])
        (Collapse(collapse_index=0.0, strong_call_rate=0.5), Collapse(collapse_index=0.5, strong_call_rate=1.0))
    """
    quality, chosen = outcomes(quality, chosen)
    strongest = quality.mean(axis=0).argmax()
    is_best = quality == quality.max(axis=1, keepdims=True)
    is_needed = is_best[:, strongest] & (is_best.sum(axis=1) == 1)
    is_well_chosen = is_best[np.arange(len(chosen)), chosen] & ((chosen != strongest) | is_needed)
    return Collapse(float(1 - is_well_chosen.mean()), float((chosen == strongest).mean()))


class Recall(NamedTuple):
    """Recall of models that solve the prompt, by the number k of models that do.

    Attributes:
        num_prompts: ``(M + 1,)`` number of prompts that exactly k models solve, k from 0 to M.
        recall: ``(M + 1,)`` share of them sent to a model that solves them, in [0, 1]; NaN if there are none.
    """

    num_prompts: NDArray[np.int64]
    recall: NDArray[np.float64]


def recall_by_difficulty(quality: ArrayLike, chosen: ArrayLike, threshold: float = 0.5) -> Recall:
    """Compute top-1 recall on prompts that exactly k of M models solve.

    LLMRouterBench (arXiv 2601.07206) finds that the gap to the oracle mostly comes from prompts that few models solve.
    Random choice has recall ``k / M``; recall is always 0 at k = 0 and 1 at k = M.

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model chosen for each prompt.
        threshold: quality from which a prompt counts as solved. RouterBench grades grade-school-math in quarters,
            mostly 0.25 for wrong and 0.75 for right; other benchmarks may need a stricter one.

    Returns:
        Counts and recalls, indexed by k.

    Raises:
        ValueError: shapes do not match, a quality is missing, or an index is out of range.

    Example:
        >>> found = recall_by_difficulty([[1.0, 0.0], [1.0, 0.0], [0.75, 0.5]], chosen=[0, 1, 1])
        >>> found.num_prompts.tolist(), found.recall.tolist()
        ([0, 2, 1], [nan, 0.5, 1.0])
    """
    quality, chosen = outcomes(quality, chosen)
    num_prompts, num_models = quality.shape
    is_solved = quality >= threshold
    num_solvers = is_solved.sum(axis=1)
    count = np.bincount(num_solvers, minlength=num_models + 1)
    found = np.bincount(num_solvers, is_solved[np.arange(num_prompts), chosen], minlength=num_models + 1)
    return Recall(count, np.divide(found, count, out=np.full(num_models + 1, np.nan), where=count > 0))
