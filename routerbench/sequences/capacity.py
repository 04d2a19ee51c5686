"""OmniRouter's plan: the least cost that keeps a mean quality, with no model overloaded (arXiv 2502.20576)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene

# Share of the way to the best plan that the last floor stops short of it, so that rounding leaves it within reach.
_SHORT = 1e-7
_WHOLE = 1e-6  # a share of a prompt that is this close to 0 or 1 is meant to be
_TOLERANCE = 1e-6  # of a sum of qualities; that of the solver is 1e-7


@dataclass(frozen=True)
class CapacityBudget:
    """Plans all prompts at once: least predicted cost, at least so much mean predicted quality, loads within capacity.

    The paper adjusts Lagrange multipliers by steps and leaves open how to meet the limits where prompts tie. Here the
    linear programme is solved exactly.

    Args:
        capacity: largest share of the prompts that a model may answer, in (0, 1], rounded up to whole prompts: one for
            all models, or by model name, the others having no limit; None for no limits.
        num_settings: S floors of mean predicted quality, evenly from that of the cheapest plan to that of the best one.

    Raises:
        InputError: a capacity is no share, or there are fewer than two settings.
    """

    capacity: float | Mapping[str, float] | None = None
    num_settings: int = 16

    def __post_init__(self) -> None:
        """Refuse what is no option."""
        shares = self.capacity.values() if isinstance(self.capacity, Mapping) else [self.capacity]
        for share in shares:
            if share is not None and not 0 < share <= 1:
                raise InputError(f"budget.capacity.capacity must be shares above 0 and at most 1, got {share}")
        if self.num_settings < 2:
            raise InputError(f"budget.capacity.num_settings must be at least 2, got {self.num_settings}")

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Plan the test prompts at each floor; neither validation nor chance has a part in it.

        Raises:
            InputError: a capacity is of an unknown model, or all together are too small.
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
        """``(M,)`` numbers of prompts that the models may answer.

        Raises:
            InputError: a capacity is of an unknown model, or all together are too small.
        """
        shares = self.capacity if isinstance(self.capacity, Mapping) else dict.fromkeys(models, self.capacity or 1.0)
        for model in shares:
            if model not in models:
                raise InputError(f"budget.capacity.capacity names {model!r}; the table has {', '.join(models)}")
        # Not one prompt more for 0.1 * 30 = 3.0000000000000004.
        limits = np.ceil([shares.get(model, 1.0) * num_prompts - 1e-9 for model in models]).astype(np.int64)
        if limits.sum() < num_prompts:
            raise InputError(
                f"budget.capacity.capacity leaves room for {limits.sum()} of {num_prompts} prompts; raise it"
            )
        return limits


def plan(prediction: Prediction, limits: NDArray[np.int64], floor: float) -> NDArray[np.int64]:
    """The model for each prompt: least cost with a mean quality of at least ``floor`` and loads within ``limits``.

    A vertex of the linear programme splits at most M + 1 prompts between models. An integer programme of these alone
    sends each to one of the models it was split between. It always has a solution: with the whole prompts fixed, the
    split is a fractional assignment to the places that are left, and the best whole one has no less quality. So the
    plan keeps both floor and limits, and costs at most M + 1 calls more than the linear programme.

    Args:
        prediction: for N prompts and M models, on the scale "quality".
        limits: ``(M,)`` numbers of prompts, N together at least.
        floor: mean predicted quality.

    Returns:
        ``(N,)`` index of the model.

    Raises:
        ValueError: the floor is out of reach.

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
    """Least cost with a sum of qualities of at least ``floor``: a vertex of the linear programme, or whole prompts.

    Args:
        prediction: for N prompts and M models.
        limits: ``(M,)`` numbers of prompts.
        floor: sum of predicted qualities.
        may_answer: ``(N, M)`` models that may answer each prompt, all of it; None for any models and shares.

    Returns:
        ``(N, M)`` shares of each prompt.
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
        # With a crossover to a vertex; ten times as fast as the simplex method on 5,000 prompts.
        method="highs-ipm" if may_answer is None else "highs",
        integrality=None if may_answer is None else 1,
    )
    if solved.x is None:
        raise ValueError(f"no plan keeps a total quality of {floor} within capacities {limits.tolist()}")
    return solved.x.reshape(num_prompts, num_models)
