"""One lambda for one purpose, chosen on validation: at most so much money, or at least so much quality."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.sweep import Sweep


class Setting(NamedTuple):
    """A lambda, and what becomes of the prompts that are tied at just that lambda.

    Attributes:
        willingness_to_pay: lambda in USD per unit of quality; infinite if money is no object.
        dearer_share: share of the tied prompts, drawn at random, that go to the dearer model.
        cost: mean USD per prompt where it was chosen.
        quality: mean quality where it was chosen, in [0, 1].
    """

    willingness_to_pay: float
    dearer_share: float
    cost: float
    quality: float


def within_budget(curve: Sweep, budget: float) -> Setting | None:
    """The largest lambda whose mean cost stays within a budget, met exactly by mixing at the tie.

    The exact curve takes the place of a bisection: two neighbouring points enclose the budget (the mixture is that of
    cascade routing, arXiv 2410.10347).

    Args:
        curve: of the router on validation.
        budget: mean USD per prompt.

    Returns:
        The setting, or None if even the cheapest choice costs more.

    Example:
        >>> from routerbench.evaluation.sweep import sweep
        >>> curve = sweep(np.array([[0.5, 1.0]]), np.array([[1.0, 2.0]]), np.array([[0, 1]]), np.array([[1, 3]]))
        >>> within_budget(curve, 1.5)
        Setting(willingness_to_pay=2.0, dearer_share=0.25, cost=1.5, quality=0.25)
    """
    affordable = np.flatnonzero(curve.cost <= budget)
    if not len(affordable):
        return None
    last = int(affordable[-1])
    if last == len(curve.cost) - 1:
        return Setting(float("inf"), 0.0, float(curve.cost[-1]), float(curve.quality[-1]))
    return _between(curve, last, (budget - curve.cost[last]) / (curve.cost[last + 1] - curve.cost[last]))


def keeping_quality(curve: Sweep, floor: float) -> Setting | None:
    """The smallest lambda whose mean quality reaches a floor, met exactly by mixing at the tie.

    Args:
        curve: of the router on validation.
        floor: mean quality in [0, 1].

    Returns:
        The setting, or None if no lambda reaches the floor.
    """
    reaching = np.flatnonzero(curve.quality >= floor)
    if not len(reaching):
        return None
    first = int(reaching[0])
    if first == 0:
        return Setting(0.0, 0.0, float(curve.cost[0]), float(curve.quality[0]))
    step = curve.quality[first] - curve.quality[first - 1]
    return _between(curve, first - 1, (floor - curve.quality[first - 1]) / step)


def realise(curve: Sweep, setting: Setting, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a setting means for each prompt, in expectation over the draw at the tie.

    Args:
        curve: of the same router on the N prompts to be answered.
        setting: chosen elsewhere.
        cells: ``(N, M)`` measured cost or quality.

    Returns:
        ``(N,)`` expected cost or quality.
    """
    prompts = np.arange(len(cells))
    cheaper = cells[prompts, curve.choices(setting.willingness_to_pay)]
    dearer = cells[prompts, curve.choices(setting.willingness_to_pay, is_after=True)]
    return (1 - setting.dearer_share) * cheaper + setting.dearer_share * dearer


def _between(curve: Sweep, point: int, share: float) -> Setting:
    """The mixture of a point of the curve and the next one, which part at the next one's lambda."""
    cost = (1 - share) * curve.cost[point] + share * curve.cost[point + 1]
    quality = (1 - share) * curve.quality[point] + share * curve.quality[point + 1]
    return Setting(float(curve.lambdas[point + 1]), float(share), float(cost), float(quality))
