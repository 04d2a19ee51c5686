"""The decision: which model answers a prompt, given predictions and the willingness to pay."""

import numpy as np
from numpy.typing import NDArray


def select(
    quality: NDArray[np.float64], cost: NDArray[np.float64], willingness_to_pay: float | NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose, for every prompt, the model with the largest ``willingness_to_pay * quality - cost``.

    Ties go to the cheaper model, then to the lower index, so a choice never depends on the platform. The orientation
    is RouterBench's (arXiv 2403.12031, section 3): a higher lambda spends more.

    Args:
        quality: ``(N, M)`` predicted quality in [0, 1].
        cost: ``(N, M)`` predicted cost in USD per prompt.
        willingness_to_pay: lambda, in USD per unit of quality, one number or ``(N,)``; 0 always picks the cheapest
            model, ``inf`` the best one.

    Returns:
        ``(N,)`` index of the chosen model.

    Raises:
        ValueError: lambda is negative or not a number.

    Example:
        >>> quality, cost = np.array([[0.6, 0.9]]), np.array([[0.001, 0.010]])
        >>> [select(quality, cost, willingness_to_pay).item() for willingness_to_pay in (0, 0.02, 0.10, np.inf)]
        [0, 0, 1, 1]
    """
    quality, cost = np.asarray(quality, np.float64), np.asarray(cost, np.float64)
    lambdas = np.broadcast_to(np.asarray(willingness_to_pay, np.float64), quality.shape[:1])[:, None]
    if not (lambdas >= 0).all():
        raise ValueError(f"willingness_to_pay must be at least 0, got {willingness_to_pay}")
    unlimited = np.isinf(lambdas)
    utility = np.where(unlimited, quality, np.where(unlimited, 0, lambdas) * quality - cost)
    is_best = utility == utility.max(axis=1, keepdims=True)
    return np.where(is_best, cost, np.inf).argmin(axis=1)
