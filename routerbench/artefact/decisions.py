"""Choose models by name from predictions and lambda, among the allowed models and at current prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.policy import choose
from routerbench.routers.base import Prediction


class Decision(NamedTuple):
    """Model chosen for a prompt.

    Attributes:
        model: name of the model.
        quality: predicted quality in [0, 1].
        cost: predicted cost in USD; NaN if the router was trained without costs.
    """

    model: str
    quality: float
    cost: float

    @property
    def known_cost(self) -> float | None:
        """The cost, or None if it is NaN, which JSON lacks."""
        return None if np.isnan(self.cost) else self.cost


def decide(
    prediction: Prediction,
    willingness_to_pay: float,
    names: Sequence[str],
    allowed: Sequence[str] | None = None,
    price_factors: Mapping[str, float] | None = None,
) -> list[Decision]:
    """Choose a model for each of N prompts; see ``TrainedRouter.decide``.

    Args:
        prediction: ``(N, M)`` prediction.
        willingness_to_pay: as in ``TrainedRouter.decide``.
        names: names of the M models.
        allowed: its ``models``.
        price_factors: as there.
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
    """Refuse names of unknown models.

    Raises:
        InputError: a name is not one of the router's models.
    """
    for name in asked:
        if name not in names:
            raise InputError(f"no model {name!r}; the router has {', '.join(names)}")


def _columns(names: Sequence[str], allowed: Sequence[str] | None) -> NDArray[np.int64]:
    """Return the column indices of the allowed models, in the router's order."""
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
