"""Routing decisions: which model answers a prompt, given predictions and the willingness to pay."""

import numpy as np
from numpy.typing import NDArray

from routerbench.routers.base import Prediction


def select(
    quality: NDArray[np.float64], cost: NDArray[np.float64], willingness_to_pay: float | NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose, for every prompt, the model with the largest ``willingness_to_pay * quality - cost``.

    Ties go to the cheaper model, then to the lower index, so choices do not depend on the platform. The orientation is
    RouterBench's (arXiv 2403.12031, section 3): a higher lambda spends more.

    Args:
        quality: ``(N, M)`` predicted quality in [0, 1].
        cost: ``(N, M)`` predicted cost in USD per prompt.
        willingness_to_pay: lambda, in USD per unit of quality, a scalar or ``(N,)``; 0 always chooses the cheapest
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


def choose(prediction: Prediction, willingness_to_pay: float) -> NDArray[np.int64]:
    """Choose the model for each prompt: the router's own choice if it sees lambda, otherwise that of `select`.

    Args:
        prediction: prediction for N prompts and M models, on the scale "quality".
        willingness_to_pay: lambda, in USD per unit of quality; ``inf`` ignores cost.

    Returns:
        ``(N,)`` index of the chosen model.

    Raises:
        ValueError: lambda is negative or not a number.

    Example:
        >>> from routerbench.routers.base import Choices
        >>> linear = Prediction(np.array([[0.6, 0.9]]), np.array([[0.001, 0.010]]))
        >>> own = linear._replace(choices=Choices(np.array([0.05, np.inf]), np.array([[0, 1]])))
        >>> choose(linear, 0.04).item(), choose(own, 0.04).item()
        (1, 0)
    """
    if prediction.choices is None:
        return select(prediction.quality, prediction.cost, willingness_to_pay)
    if not willingness_to_pay >= 0:
        raise ValueError(f"willingness_to_pay must be at least 0, got {willingness_to_pay}")
    return prediction.choices.at(np.array(willingness_to_pay))[:, 0].astype(np.int64)


def guard(prediction: Prediction, best: int, z: float, standard_error: NDArray[np.float64] | float) -> Prediction:
    """Leave the best single model only for a predicted gain of more than ``z`` standard errors.

    The largest of M noisy predictions tends to have a positive error (Smith and Winkler 2006, The Optimizer's Curse).
    Every other model's quality is therefore lowered by ``z`` times the standard error of its difference to the best
    single model. The choice remains the largest of M functions that are linear in lambda, so the sweep over lambda
    remains exact.

    Args:
        prediction: prediction for N prompts and M models, on the scale "quality".
        best: index of the best single model.
        z: number of standard errors, at least 0; 0 changes nothing.
        standard_error: ``(N, M)``, ``(M,)`` or a scalar, in units of quality; the value for ``best`` is ignored.

    Returns:
        The prediction with lowered quality, which may be negative.

    Raises:
        ValueError: ``z`` is negative or not finite.

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


def strong_share_threshold(win_rate: NDArray[np.float64], share: float) -> float:
    """Calibrate RouteLLM's threshold: win rates of at least this go to the strong model (arXiv 2406.18665).

    With two models, a router that predicts the probability that the strong one answers better needs no lambda. The
    threshold is the ``1 - share`` quantile of these win rates on calibration prompts, so that ``share`` of the calls
    are strong on similar prompts. A prompt exactly at the quantile is also a strong call, as are all ties.

    Args:
        win_rate: ``(N,)`` predicted probabilities that the strong model wins, or any increasing function of them.
        share: desired share of strong calls, above 0 and at most 1.

    Returns:
        A win rate.

    Raises:
        ValueError: there are no prompts, a win rate is not finite, or the share is not in (0, 1].

    Example:
        >>> win_rate = np.array([0.1, 0.3, 0.5, 0.9])
        >>> threshold = strong_share_threshold(win_rate, share=0.5)
        >>> round(threshold, 3), (win_rate >= threshold).mean().item()
        (0.4, 0.5)
    """
    if not (len(win_rate) and np.isfinite(win_rate).all()):
        raise ValueError("a threshold is calibrated on the finite win rates of at least one prompt")
    if not 0 < share <= 1:
        raise ValueError(f"share of strong calls must be above 0 and at most 1, got {share}")
    return float(np.quantile(win_rate, 1 - share))
