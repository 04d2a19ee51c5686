"""RouterArena's score (arXiv 2510.00202)."""

import numpy as np

# Costs of the best and worst grade, in USD per 1,000 prompts.
_BEST_COST, _WORST_COST = 0.0044, 200.0


def arena_score(quality: float, cost: float, beta: float = 0.1) -> float:
    """Compute the weighted harmonic mean of quality and cost (arXiv 2510.00202): ``(1 + beta) A C / (beta A + C)``.

    A is the quality and C the cost score, ``(log c_max - log c) / (log c_max - log c_min)`` with c between $0.0044 and
    $200 per 1,000 prompts. Only one of the original's two scripts clips costs to this range; the other then scores
    outside [0, 1]. Here they are clipped. If A and C are both 0, the score is 0.

    Args:
        quality: mean quality in [0, 1].
        cost: mean cost in USD per prompt, at least 0; the leaderboard shows it per 1,000 prompts.
        beta: weight of the cost score relative to quality; 0.1 on the leaderboard.

    Returns:
        In [0, 1]; the leaderboard shows it in per cent.

    Raises:
        ValueError: the quality is outside [0, 1], the cost negative, or beta not positive.

    Example:
        >>> round(arena_score(quality=0.7123, cost=0.06 / 1000), 6)  # R2-Router: 71.60
        0.716093
    """
    if not 0 <= quality <= 1:
        raise ValueError(f"quality must lie in [0, 1], got {quality}")
    if not cost >= 0 or not beta > 0:
        raise ValueError(f"cost must be at least 0 and beta above 0, got {cost} and {beta}")
    price = np.clip(1000 * cost, _BEST_COST, _WORST_COST)
    thrift = float(np.log(_WORST_COST / price) / np.log(_WORST_COST / _BEST_COST))
    weight = beta * quality + thrift
    return (1 + beta) * quality * thrift / weight if weight > 0 else 0.0
