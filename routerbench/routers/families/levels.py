"""The mean quality of all models on a prompt, which a ranking of the models does not contain."""

import numpy as np
from numpy.typing import NDArray

LOWEST = 0.01  # minimum share of successes and failures, because 0 has no logit


def levels(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the mean quality of all models on each prompt; models that were not observed count as average.

    A ranking says which model is better, not whether any is good, so a model's ranks on two prompts are not comparable:
    hard prompts spread the models out, easy ones draw them together. After adding the logit of the level to every
    model, higher scores mean higher quality across prompts as well, which a calibration per model requires.

    Args:
        quality: ``(N, M)`` in [0, 1], NaN if not observed.

    Returns:
        ``(N,)`` levels, possibly outside [0, 1] if qualities are missing.

    Example:
        >>> levels(np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 0.0]])).round(2).tolist()  # means .67 and 0
        [0.5, 0.67, 0.0]
    """
    means = np.nanmean(quality, axis=0)
    surprise = np.nan_to_num(quality - means).sum(axis=1)
    return means.mean() + surprise / np.maximum(np.isfinite(quality).sum(axis=1), 1)


def logit(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the log odds of levels clipped to [0.01, 0.99].

    Example:
        >>> logit(np.array([0.5, 0.75, 1.0])).round(3).tolist()
        [0.0, 1.099, 4.595]
    """
    level = np.clip(level, LOWEST, 1 - LOWEST)
    return np.log(level / (1 - level))
