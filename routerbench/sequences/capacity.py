"""OmniRouter's plan: minimal cost for a mean quality, within the capacity of each model (arXiv 2502.20576)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene

# The last floor is below the best quality by this fraction of the range, so that rounding keeps it feasible.
_SHORT = 1e-7
_WHOLE = 1e-6  # shares this close to 0 or 1 are rounded
_TOLERANCE = 1e-6  # on a sum of qualities; the solver's is 1e-7


@dataclass(frozen=True)
class CapacityBudget:
    """Plan for all prompts at once: minimal predicted cost, a floor on mean predicted quality, and limits on load.

    The paper adjusts Lagrange multipliers in steps and does not say how to satisfy the limits where prompts tie. Here
    the linear programme is solved exactly.

    Args:
        capacity: maximum share of the prompts per model, in (0, 1], rounded up to whole prompts: one for all models, or
            by model name, without a limit for the others; None for no limits.
        num_settings: number S of floors, evenly spaced between the mean predicted quality of cheapest and best plan.

    Raises:
        InputError: a capacity is out of range, or there are fewer than two settings.
    """

    capacity: float | Mapping[str, float] | None = None
    num_settings: int = 16

    def __post_init__(self) -> None:
        """Validate the options."""
        shares = self.capacity.values() if isinstance(self.capacity, Mapping) else [self.capacity]
        for share in shares:
            if share is not None and not 0 < share <= 1:
                raise InputError(f"budget.capacity.capacity must be shares above 0 and at most 1, got {share}")
        if self.num_settings < 2:
            raise InputError(f"budget.capacity.num_settings must be at least 2, got {self.num_settings}")

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Plan the test prompts at each floor. Validation and random numbers are not used.

        Raises:
            InputError: a capacity names an unknown model, or the capacities are too small in total.
        """
        limits = self.limits(test.table.models, len(test.table))
        quality = test.prediction.quality
        prompts = np.arange(len(quality))
        none = float(quality.min())  # a guarded quality may be below 0
        best = plan(Prediction(quality, quality.max() - quality), limits, none)
        cheapest = plan(test.prediction, limits, none)
        low, high = quality[prompts, cheapest].mean(), quality[prompts, best].mean()
        floors = np.linspace(low, high - _SHORT * (high - low), self.num_settings)
        plans = [plan(test.prediction, limits, floor) if floor > low else cheapest for floor in floors]
        chosen = np.stack(plans, axis=1)
        rollout = Rollout(
            setting="floor of mean predicted quality",
            settings=floors,
            cost=np.take_along_axis(test.table.cost, chosen, 1),
            quality=np.take_along_axis(test.table.quality, chosen, 1),
            calls=np.ones(chosen.shape, np.int64),
            information="prompt only, all prompts at once",
        )
        return {"": [rollout]}

    def limits(self, models: Sequence[str], num_prompts: int) -> NDArray[np.int64]:
        """Compute the ``(M,)`` maximum number of prompts of each model.

        Raises:
            InputError: a capacity names an unknown model, or the capacities are too small in total.
        """
        shares = self.capacity if isinstance(self.capacity, Mapping) else dict.fromkeys(models, self.capacity or 1.0)
        for model in shares:
            if model not in models:
                raise InputError(f"budget.capacity.capacity names {model!r}; the table has {', '.join(models)}")
        # Do not round up 0.1 * 30 = 3.0000000000000004.
        limits = np.ceil([shares.get(model, 1.0) * num_prompts - 1e-9 for model in models]).astype(np.int64)
        if limits.sum() < num_prompts:
            raise InputError(
                f"budget.capacity.capacity leaves room for {limits.sum()} of {num_prompts} prompts; raise it"
            )
        return limits


def plan(prediction: Prediction, limits: NDArray[np.int64], floor: float) -> NDArray[np.int64]:
    """Choose a model for each prompt at minimal cost, with mean quality at least ``floor`` and loads within ``limits``.

    A vertex of the linear programme splits at most M + 1 prompts between models. An integer programme over these sends
    each to one of the models it was split between. It always has a solution: with the other prompts fixed, the split is
    a fractional assignment to the remaining capacity, and the best integral one has no less quality. So the plan
    satisfies floor and limits, and costs at most M + 1 calls more than the linear programme.

    Args:
        prediction: prediction for N prompts and M models, on the scale "quality".
        limits: ``(M,)`` maximum numbers of prompts, at least N in total.
        floor: minimum mean predicted quality.

    Returns:
        ``(N,)`` index of the model.

    Raises:
        ValueError: the floor cannot be reached.

    Example:
        >>> quality, cost = np.array([[0.5, 0.75], [0.5, 1.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])
        >>> plan(Prediction(quality, cost), np.array([2, 2]), floor=0.75).tolist()
        [0, 1]
    """
    share = _programme(prediction, limits, floor * len(prediction.quality))
    chosen = share.argmax(axis=1)
    is_split = share.max(axis=1) < 1 - _WHOLE
    if is_split.any():
        whole = np.flatnonzero(~is_split)
        left = limits - np.bincount(chosen[whole], minlength=len(limits))
        missing = floor * len(chosen) - prediction.quality[whole, chosen[whole]].sum()
        matched = _programme(prediction.take(is_split), left, missing, may_answer=share[is_split] > _WHOLE)
        chosen[is_split] = matched.argmax(axis=1)
    return chosen


def _programme(
    prediction: Prediction, limits: NDArray[np.int64], floor: float, may_answer: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Minimise cost with a sum of qualities of at least ``floor``, as a linear or an integer programme.

    Args:
        prediction: prediction for N prompts and M models.
        limits: ``(M,)`` maximum numbers of prompts.
        floor: minimum sum of predicted qualities.
        may_answer: ``(N, M)`` models allowed for each prompt, without splitting it; None allows all, and shares.

    Returns:
        ``(N, M)`` shares of each prompt, a vertex of the linear programme.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, kron, vstack

    quality, cost = prediction.quality, prediction.cost
    num_prompts, num_models = quality.shape
    loads = kron(np.ones((1, num_prompts)), eye_array(num_models))
    upper = np.ones(cost.size) if may_answer is None else may_answer.ravel().astype(float)
    solved = linprog(
        cost.ravel() / (cost.mean() or 1.0),
        A_ub=csr_array(vstack([-quality.reshape(1, -1), loads])),
        b_ub=np.append(_TOLERANCE - floor, limits),
        A_eq=csr_array(kron(eye_array(num_prompts), np.ones((1, num_models)))),
        b_eq=np.ones(num_prompts),
        bounds=np.column_stack([np.zeros(cost.size), upper]),
        # The interior point method with crossover to a vertex is ten times as fast as the simplex on 5,000 prompts.
        method="highs-ipm" if may_answer is None else "highs",
        integrality=None if may_answer is None else 1,
    )
    if solved.x is None:
        raise ValueError(f"no plan keeps a total quality of {floor} within capacities {limits.tolist()}")
    return solved.x.reshape(num_prompts, num_models)
