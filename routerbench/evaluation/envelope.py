"""Upper envelopes of the lines ``lambda * quality - cost`` of many prompts at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Replaces a cost difference of 0 in a slope, so that equal costs rank by quality without a division by 0.
_NO_COST = 1e-300
# Lines that meet in one point give breakpoints that differ only by rounding; they are merged.
_SAME_LAMBDA = 1 + 8 * np.finfo(np.float64).eps


def trace_chunk(
    first: int, predicted_quality: NDArray[Any], predicted_cost: NDArray[Any], quality: NDArray[Any], cost: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Compute start and switches of ``(n, M)`` prompts, which start at index ``first``.

    Returns:
        Start model, its quality and cost, each ``(n,)``; then for every switch: lambda, prompt, source, target, change
        of quality, change of cost, each ``(e,)``.
    """
    index = np.min_scalar_type(quality.shape[1] - 1)
    start = predicted_cost.argmin(axis=1)
    prompts = np.arange(len(start))
    events: list[tuple[NDArray[Any], ...]] = []
    for lambdas, rows, source, target in _switches(predicted_quality, predicted_cost, start):
        gain = quality[rows, target] - quality[rows, source]
        price = cost[rows, target] - cost[rows, source]
        number = (rows + first).astype(np.int32)
        events.append((lambdas, number, source.astype(index), target.astype(index), gain, price))
    if not events:
        none = np.empty(0)
        events = [(none, none.astype(np.int32), none.astype(index), none.astype(index), none, none)]
    joined = (np.concatenate(parts) for parts in zip(*events, strict=True))
    return start.astype(index), quality[prompts, start], cost[prompts, start], *joined


def _switches(
    quality: NDArray[Any], cost: NDArray[Any], start: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Walk all ``(n, M)`` prompts along their envelopes at once: per step lambda, row, source and target.

    The current model is on the envelope, so a better model is never cheaper. The next model is therefore the one with
    the largest slope ``max(dq, 0) / max(dc, tiny)``, which is 0 for models that are not better.
    """
    rows = np.flatnonzero(np.take_along_axis(quality, start[:, None], 1)[:, 0] < quality.max(axis=1))
    current, reached = start[rows], np.zeros(len(rows))
    quality, cost = quality[rows], cost[rows]
    best = quality.max(axis=1)
    while len(rows):
        local = np.arange(len(rows))
        current_quality, current_cost = quality[local, current], cost[local, current]
        slope = quality - current_quality[:, None]
        np.maximum(slope, 0, out=slope)
        price = cost - current_cost[:, None]
        np.maximum(price, _NO_COST, out=price)
        with np.errstate(over="ignore"):
            slope /= price
            target = slope.argmax(axis=1)
            target_quality = quality[local, target]
            lambdas = (cost[local, target] - current_cost) / (target_quality - current_quality)
            lambdas = np.where(lambdas <= reached * _SAME_LAMBDA, reached, lambdas)
        np.minimum(lambdas, np.finfo(np.float64).max, out=lambdas)  # finite, so that inf chooses the best model
        yield lambdas, rows, current, target
        active = np.flatnonzero(target_quality < best)
        rows, current, reached, best = rows[active], target[active], lambdas[active], best[active]
        if len(active) < len(local):
            quality, cost = quality[active], cost[active]
