"""RouterEval's metrics of quality alone (arXiv 2503.10657). Its selection entropy is in ``choices``."""

import numpy as np
from numpy.typing import ArrayLike

from routerbench.evaluation.metrics.checks import outcomes


def mean_chosen_quality(quality: ArrayLike, chosen: ArrayLike) -> float:
    """Mean measured quality of the chosen models: RouterEval's mu (arXiv 2503.10657).

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model that each prompt was sent to.

    Returns:
        Mean quality in [0, 1].

    Raises:
        ValueError: shapes do not fit, a quality is missing, or an index is none of a model.

    Example:
        >>> mean_chosen_quality([[1.0, 0.0], [0.5, 1.0]], [0, 0])
        0.75
    """
    quality, chosen = outcomes(quality, chosen)
    return float(quality[np.arange(len(chosen)), chosen].mean())


def v_r(quality: ArrayLike, chosen: ArrayLike, reference_quality: float) -> float:
    """Quality relative to a fixed reference: RouterEval's V_R, ``mu / reference`` (arXiv 2503.10657).

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model that each prompt was sent to.
        reference_quality: mean quality of a reference on the same benchmark, above 0. RouterEval's are published
            results of strong models, as 0.864 on MMLU; on other prompts than theirs measure your own.

    Returns:
        At least 0; above 1 if the router beats the reference.

    Raises:
        ValueError: as ``mean_chosen_quality``, or the reference is not positive.

    Example:
        >>> v_r([[1.0, 0.0], [0.5, 1.0]], [0, 0], reference_quality=0.5)
        1.5
    """
    if not reference_quality > 0:
        raise ValueError(f"reference_quality must be positive, got {reference_quality}")
    return mean_chosen_quality(quality, chosen) / reference_quality


def v_b(quality: ArrayLike, chosen: ArrayLike) -> float:
    """Quality relative to the best single model: RouterEval's V_B (arXiv 2503.10657).

    ``mu / max_m mean_n quality[n, m]``. As in the original, that model is picked on the very prompts it is scored on,
    where chance flatters the best of M means; ``best_single`` of the references is picked on train.

    Args:
        quality: ``(N, M)`` measured quality in [0, 1].
        chosen: ``(N,)`` index of the model that each prompt was sent to.

    Returns:
        At least 0; above 1 if the router beats every single model.

    Raises:
        ValueError: as ``mean_chosen_quality``, or no model has any quality.

    Example:
        >>> v_b([[1.0, 0.0], [0.5, 0.5]], [0, 1]), v_b([[1.0, 0.0], [0.5, 0.5]], [1, 1])
        (1.0, 0.3333333333333333)
    """
    checked, _ = outcomes(quality, chosen)
    return v_r(quality, chosen, reference_quality=float(checked.mean(axis=0).max()))
