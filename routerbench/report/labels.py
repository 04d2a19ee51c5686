"""Where to put labels in a picture so that none hides another."""

import numpy as np
from numpy.typing import NDArray

# Directions in which a label may stand off its point, the favourites first; then farther away.
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
    """Place labels one by one, the first ones first; none overlaps an earlier label, an obstacle or the frame.

    Args:
        points: ``(P, 2)`` what the labels belong to, in pixels.
        sizes: ``(P, 2)`` width and height of the labels in pixels.
        obstacles: ``(Q, 2)`` spots that no label may cover, such as all points and the dots of lines, in pixels.
        frame: left, bottom, right and top of the space in pixels.
        gap: distance in pixels between a point and its label.
        num_needed: so many of the first labels cover obstacles, as few as possible, rather than stay away.

    Returns:
        Per label its lower left corner, or None where there is no room.

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
    """Move heights apart to at least ``gap``, as little as that takes, and inside ``[low, high]`` if they fit.

    Args:
        heights: ``(P,)`` wanted heights, in any order.
        gap: the least distance between two of them.
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
    # With the steps taken off, "apart" becomes "non-decreasing": pool neighbours that violate it.
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
    """Left, bottom, right and top of a label that stands off its point in a direction."""
    shift = np.array(direction)
    centre = point + shift * (gap * (0.7 if shift.all() else 1.0) + size / 2)
    return np.concatenate([centre - size / 2, centre + size / 2])


def _is_open(
    box: NDArray[np.float64], taken: list[NDArray[np.float64]], frame: tuple[float, float, float, float]
) -> bool:
    """Whether a label lies inside the frame and over no other label."""
    if box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]:
        return False
    return not any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken)


def _num_inside(box: NDArray[np.float64], obstacles: NDArray[np.float64]) -> int:
    return int(((obstacles > box[:2]) & (obstacles < box[2:])).all(axis=1).sum())
