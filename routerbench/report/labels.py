"""Placement of labels in a plot without overlap."""

import numpy as np
from numpy.typing import NDArray

# Directions of a label from its point, in order of preference, at each multiple of the gap.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_REACH = (1.0, 2.2, 3.6)


def place(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    obstacles: NDArray[np.float64],
    frame: tuple[float, float, float, float],
    gap: float,
    num_needed: int = 0,
) -> list[tuple[float, float] | None]:
    """Place labels greedily, in order, without overlapping an earlier label, an obstacle or the frame.

    Args:
        points: ``(P, 2)`` points that the labels belong to, in pixels.
        sizes: ``(P, 2)`` width and height of the labels in pixels.
        obstacles: ``(Q, 2)`` positions that labels avoid, such as all points and points on lines, in pixels.
        frame: left, bottom, right and top limits in pixels.
        gap: smallest distance between a point and its label in pixels.
        num_needed: number of labels, from the first, that are placed over as few obstacles as possible if necessary.

    Returns:
        The lower left corner of each label, or None if it does not fit.

    Example:
        >>> place(np.array([[50.0, 50.0]]), np.array([[20.0, 10.0]]), np.empty((0, 2)), (0, 0, 100, 100), gap=4)
        [(54.0, 45.0)]
    """
    taken: list[NDArray[np.float64]] = []
    corners: list[tuple[float, float] | None] = []
    for number, (point, size) in enumerate(zip(points, sizes, strict=True)):
        boxes = [_box(point, size, way, gap * reach) for reach in _REACH for way in _DIRECTIONS]
        boxes = [box for box in boxes if _is_open(box, taken, frame)]
        hidden = [_num_inside(box, obstacles) for box in boxes]
        if not boxes or (min(hidden) and number >= num_needed):
            corners.append(None)
            continue
        box = boxes[int(np.argmin(hidden))]
        taken.append(box)
        corners.append((float(box[0]), float(box[1])))
    return corners


def spread(heights: NDArray[np.float64], gap: float, low: float, high: float) -> NDArray[np.float64]:
    """Move heights as little as possible to be at least ``gap`` apart, inside ``[low, high]`` if they fit.

    Args:
        heights: ``(P,)`` desired heights, in any order.
        gap: smallest distance between two heights.
        low: lower bound.
        high: upper bound.

    Returns:
        ``(P,)`` heights in the order of the input.

    Example:
        >>> spread(np.array([5.0, 5.0]), gap=2.0, low=0.0, high=10.0).tolist()
        [4.0, 6.0]
    """
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    # After subtracting the steps this is isotonic regression: pool adjacent violators.
    pools: list[list[float]] = []
    for height in heights[order] - steps:
        pools.append([float(height), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (last, many), (before, few) = pools.pop(), pools.pop()
            pools.append([(last * many + before * few) / (many + few), many + few])
    flat = np.concatenate([np.empty(0), *(np.full(int(count), mean) for mean, count in pools)])
    moved = np.empty(len(heights))
    moved[order] = np.clip(flat, low, max(low, high - gap * max(len(heights) - 1, 0))) + steps
    return moved


def _box(
    point: NDArray[np.float64], size: NDArray[np.float64], direction: tuple[int, int], gap: float
) -> NDArray[np.float64]:
    """Compute left, bottom, right and top of a label in a given direction from its point."""
    shift = np.array(direction)
    centre = point + shift * (gap * (0.7 if shift.all() else 1.0) + size / 2)
    return np.concatenate([centre - size / 2, centre + size / 2])


def _is_open(
    box: NDArray[np.float64], taken: list[NDArray[np.float64]], frame: tuple[float, float, float, float]
) -> bool:
    """Return whether a label is inside the frame and overlaps no other label."""
    if box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]:
        return False
    return not any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken)


def _num_inside(box: NDArray[np.float64], obstacles: NDArray[np.float64]) -> int:
    return int(((obstacles > box[:2]) & (obstacles < box[2:])).all(axis=1).sum())
