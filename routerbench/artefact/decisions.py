"""From a prediction and a lambda to decisions by name, among the models that may be called and at today's prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.policy import choose
from routerbench.routers.base import Prediction


class Decision(NamedTuple):
    """Where one prompt goes.

    Attributes:
        model: name of the chosen model.
        quality: its expected quality in [0, 1].
        cost: its expected cost in USD; NaN if the router was trained without costs.
    """

    model: str
    quality: float
    cost: float

    @property
    def known_cost(self) -> float | None:
        """The cost as JSON has it: None where it is NaN."""
        return None if np.isnan(self.cost) else self.cost


def decide(
    prediction: Prediction,
    willingness_to_pay: float,
    names: Sequence[str],
    allowed: Sequence[str] | None = None,
    price_factors: Mapping[str, float] | None = None,
) -> list[Decision]:
    """Decide for N prompts; see ``TrainedRouter.decide``.

    Args:
        prediction: ``(N, M)``.
        willingness_to_pay: lambda in USD per unit of quality, at least 0, ``inf`` allowed.
        names: of the M models.
        allowed: names of those that may be called; None for all.
        price_factors: by name, what a model costs now as a multiple of what it cost in training.

    Raises:
        InputError: a model is unknown or none is left, a factor is negative or no number, or costs are not known.
    """
    columns, factors = _columns(names, allowed), _factors(names, price_factors)
    cost = prediction.cost * factors
    if np.isnan(cost).any() and not np.isinf(willingness_to_pay):
        raise InputError("the router was trained without costs; it can only route by willingness_to_pay=inf")
    is_changed = len(columns) < len(names) or (factors != 1).any()
    offered = prediction._replace(
        quality=prediction.quality[:, columns],
        cost=np.nan_to_num(cost)[:, columns],
        choices=None if is_changed else prediction.choices,
    )
    chosen = columns[choose(offered, willingness_to_pay)]
    return [
        Decision(names[model], float(prediction.quality[i, model]), float(cost[i, model]))
        for i, model in enumerate(chosen)
    ]


def check_names(asked: Iterable[str], names: Sequence[str]) -> None:
    """Refuse names of models that the router does not have.

    Raises:
        InputError: names the first such.
    """
    for name in asked:
        if name not in names:
            raise InputError(f"no model {name!r}; the router has {', '.join(names)}")


def _columns(names: Sequence[str], allowed: Sequence[str] | None) -> NDArray[np.int64]:
    """Columns of the models that may be called, in the router's order."""
    if allowed is None:
        return np.arange(len(names))
    if isinstance(allowed, str):
        raise InputError(f"models must be a list of names, got one text; write [{allowed!r}]")
    check_names(allowed, names)
    columns = np.flatnonzero(np.isin(names, list(allowed)))
    if not len(columns):
        raise InputError(f"models is empty; allow at least one of {', '.join(names)}")
    return columns


def _factors(names: Sequence[str], price_factors: Mapping[str, float] | None) -> NDArray[np.float64]:
    """``(M,)`` price factors."""
    factors = dict(price_factors or {})
    check_names(factors, names)
    for name, factor in factors.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor < np.inf:
            raise InputError(f"the price factor of {name!r} is a number, at least 0, got {factor!r}")
    return np.array([factors.get(name, 1.0) for name in names], np.float64)
