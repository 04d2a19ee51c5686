"""The decision: which model answers a prompt, given predictions and the willingness to pay."""

import numpy as np
from numpy.typing import NDArray

from routerbench.routers.base import Prediction


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


def guard(prediction: Prediction, best: int, z: float, standard_error: NDArray[np.float64] | float) -> Prediction:
    """Leave the best single model only for a predicted gain of more than ``z`` standard errors.

    Whoever takes the largest of M noisy predictions takes the luckiest error with it (Smith and Winkler 2006, The
    Optimizer's Curse). So every other model's quality is lowered by ``z`` times the standard error of its difference to
    the best single model. What is chosen stays the largest of M functions that are linear in lambda, and the sweep
    over lambda stays exact.

    Args:
        prediction: for N prompts and M models, on the scale "quality".
        best: index of the best single model.
        z: standard errors, at least 0; 0 changes nothing.
        standard_error: ``(N, M)``, ``(M,)`` or one number, in units of quality; that of ``best`` does not matter.

    Returns:
        The prediction with lowered quality, which may fall below 0.

    Raises:
        ValueError: ``z`` is negative or no finite number.

    Example:
        >>> prediction = Prediction(np.array([[0.80, 0.70], [0.95, 0.70]]), np.array([[0.001, 0.010]] * 2))
        >>> guarded = guard(prediction, best=1, z=2, standard_error=np.array([0.1, 0.1]))
        >>> guarded.quality.round(2).tolist()
        [[0.6, 0.7], [0.75, 0.7]]
    """
    if not 0 <= z < np.inf:
        raise ValueError(f"z must be a number of standard errors, at least 0, got {z}")
    if z == 0:
        return prediction
    others = np.arange(prediction.quality.shape[1]) != best
    return prediction._replace(quality=np.where(others, prediction.quality - z * standard_error, prediction.quality))
