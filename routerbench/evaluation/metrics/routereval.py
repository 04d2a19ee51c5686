"""RouterEval's quality metrics (arXiv 2503.10657). Its selection entropy is in ``choices``."""

import numpy as np
from numpy.typing import ArrayLike

from routerbench.evaluation.metrics.checks import outcomes


def mean_chosen_quality(quality: ArrayLike, chosen: ArrayLike) -> float:
    """Compute the mean measured quality of the chosen models, RouterEval's mu (arXiv 2503.10657).

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model chosen for each prompt.

    Returns:
        Mean quality in [0, 1].

    Raises:
        ValueError: shapes do not match, a quality is missing, or an index is out of range.

    Example:
        >>> mean_chosen_quality([[1.0, 0.0], [0.5, 1.0]], [0, 0])
        0.75
    """
    quality, chosen = outcomes(quality, chosen)
    return float(quality[np.arange(len(chosen)), chosen].mean())


def v_r(quality: ArrayLike, chosen: ArrayLike, reference_quality: float) -> float:
    """Compute the quality relative to a fixed reference, RouterEval's V_R, ``mu / reference`` (arXiv 2503.10657).

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model chosen for each prompt.
        reference_quality: mean quality of a reference on the same benchmark, above 0. RouterEval uses published results
            of strong models, such as 0.864 on MMLU; on other prompts, measure your own.

    Returns:
        At least 0; above 1 if the router beats the reference.

    Raises:
        ValueError: see ``mean_chosen_quality``; or the reference is not positive.

    Example:
        >>> v_r([[1.0, 0.0], [0.5, 1.0]], [0, 0], reference_quality=0.5)
        1.5
    """
    if not reference_quality > 0:
        raise ValueError(f"reference_quality must be positive, got {reference_quality}")
    return mean_chosen_quality(quality, chosen) / reference_quality


def v_b(quality: ArrayLike, chosen: ArrayLike) -> float:
    """Compute the quality relative to the best single model, RouterEval's V_B (arXiv 2503.10657).

    ``mu / max_m mean_n quality[n, m]``. As in the original, that model is selected on the scored prompts, where the
    best of M means is biased upwards; ``best_single`` of the references is selected on train.

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model chosen for each prompt.

    Returns:
        At least 0; above 1 if the router beats every single model.

    Raises:
        ValueError: see ``mean_chosen_quality``; or the quality of all models is 0.

    Example:
        >>> v_b([[1.0, 0.0], [0.5, 0.5]], [0, 1]), v_b([[1.0, 0.0], [0.5, 0.5]], [1, 1])
        (1.0, 0.3333333333333333)
    """
    checked, _ = outcomes(quality, chosen)
    return v_r(quality, chosen, reference_quality=float(checked.mean(axis=0).max()))
