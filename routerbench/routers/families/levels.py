"""How well the models do on a prompt on the whole: what a ranking of them leaves out."""

import numpy as np
from numpy.typing import NDArray

LOWEST = 0.01  # share of success, and of failure, that is believed of any neighbourhood; 0 has no logit


def levels(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean quality of all models on each prompt; a model that was not observed counts as if it were as usual.

    A ranking of the models says which of them is better, not whether any is good, and so a model's rank on one prompt
    does not compare with its rank on another: hard prompts spread the models out, easy ones draw them together. With
    the logit of the level added to every model, a higher score promises a higher quality across prompts as well, which
    is what a calibration per model needs.

    Args:
        quality: ``(N, M)`` in [0, 1], NaN where it was not observed.

    Returns:
        ``(N,)`` levels, between those that any set of models could have.

    Example:
        >>> levels(np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 0.0]])).round(2).tolist()  # means .67 and 0
        [0.5, 0.67, 0.0]
    """
    means = np.nanmean(quality, axis=0)
    surprise = np.nan_to_num(quality - means).sum(axis=1)
    return means.mean() + surprise / np.maximum(np.isfinite(quality).sum(axis=1), 1)


def logit(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of levels, clipped to [0.01, 0.99].

    Example:
        >>> logit(np.array([0.5, 0.75, 1.0])).round(3).tolist()
        [0.0, 1.099, 4.595]
    """
    level = np.clip(level, LOWEST, 1 - LOWEST)
    return np.log(level / (1 - level))
