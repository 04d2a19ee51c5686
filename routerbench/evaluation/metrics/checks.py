"""Validation of the arguments of metrics."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Sums of many measurements may differ by rounding; that is not a lack of quality.
ROUNDING = 1e-9


def finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Convert to float64; refuse empty arrays and missing or infinite numbers. ``name`` is for the message."""
    checked = np.asarray(values, np.float64)
    if not checked.size:
        raise ValueError(f"{name} is empty")
    if not np.isfinite(checked).all():
        raise ValueError(f"{name} has {checked[~np.isfinite(checked)][0]} in it; leave such cells out")
    return checked


def pairs(**named: ArrayLike) -> list[NDArray[np.float64]]:
    """Convert to finite arrays of one shape, such as the cost and quality of points."""
    arrays = {name: finite(name, values) for name, values in named.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"shapes differ: {shapes}")
    return list(arrays.values())


def outcomes(quality: ArrayLike, chosen: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Validate ``(N, M)`` measured quality and the ``(N,)`` index of the model chosen for each prompt."""
    checked, choice = finite("quality", quality), np.asarray(chosen)
    if checked.ndim != 2 or choice.shape != checked.shape[:1]:
        raise ValueError(f"quality must be (N, M) and chosen (N,), got {checked.shape} and {choice.shape}")
    return checked, indices(choice, checked.shape[1])


def indices(chosen: ArrayLike, num_models: int) -> NDArray[np.int64]:
    """Validate the indices of at least one chosen model, each from 0 to M - 1."""
    choice = np.asarray(chosen)
    if not choice.size or choice.dtype.kind not in "iu" or choice.min() < 0 or choice.max() >= num_models:
        raise ValueError(f"chosen must be integers from 0 to {num_models - 1}, got {choice}")
    return choice.astype(np.int64)
