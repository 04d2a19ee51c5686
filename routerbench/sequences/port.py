"""PORT: a budget over a stream of prompts, split between the models and enforced by prices (arXiv 2509.02718)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.operating import OperatingPoint, within_budget
from routerbench.evaluation.rollout import Rollout
from routerbench.evaluation.sweep import Sweep, sweep
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene

# Width of the rounded corners of a maximum, in units of quality. L-BFGS-B stops at sharp corners, before the optimum.
_ROUNDING = 0.003
_FREE = 1000  # if a model is free, the lowest budget is the highest one divided by this


@dataclass(frozen=True)
class PortBudget:
    """Policy for a stream with a total budget, in which each model has a part of the budget and a matching price.

    A prompt goes to the model with the largest predicted quality minus price times predicted cost. Prices are learned
    on validation or, as in the paper, on the first prompts of the stream, which are then sent to random models. A model
    is not called after its part is spent, nor is any model after the total is spent. The cost of a call is known only
    afterwards, so the total is exceeded by less than one call. As in the paper, the length of the stream is known.

    The paper's code differs in three ways: it leaves a share of the random prompts unanswered, it bounds prices by 1 in
    units that depend on the currency, and its optimiser stops at the corners of the objective.

    Args:
        learn: "validation" learns the prices there; "stream" learns them, as in the paper, from the first prompts of
            the stream, which go to random models.
        epsilon: share of the stream that is sent to random models, in (0, 1); ignored with "validation".
        split: "routed" splits the budget as lambda-routing of validation with that budget does; "uniform" gives all
            models the same.
        when_spent: how to answer prompts after the total is spent: "decline" gives no answer, of quality 0; "cheapest"
            calls the cheapest single model of validation, beyond the budget.
        num_settings: number S of budgets, geometrically spaced between the mean validation costs of the single models.
        num_draws: number of random orders of the stream.

    Raises:
        InputError: an option is out of range.
    """

    learn: Literal["stream", "validation"] = "validation"
    epsilon: float = 0.025
    split: Literal["routed", "uniform"] = "routed"
    when_spent: Literal["decline", "cheapest"] = "decline"
    num_settings: int = 16
    num_draws: int = 5

    def __post_init__(self) -> None:
        """Validate the options."""
        words = {
            "learn": ("stream", "validation"),
            "split": ("routed", "uniform"),
            "when_spent": ("decline", "cheapest"),
        }
        for option, accepted in words.items():
            if getattr(self, option) not in accepted:
                raise InputError(f"budget.port.{option} must be {' or '.join(accepted)}, got {getattr(self, option)!r}")
        if not 0 < self.epsilon < 1:
            raise InputError(f"budget.port.epsilon must be a share of the prompts between 0 and 1, got {self.epsilon}")
        if self.num_settings < 1 or self.num_draws < 1:
            raise InputError(
                "budget.port.num_settings and budget.port.num_draws must be at least 1, got "
                f"{self.num_settings} and {self.num_draws}"
            )

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Serve the test prompts in random order, at each budget.

        Raises:
            InputError: validation has no cost.
        """
        means = val.table.cost.mean(axis=0)
        if not means.max() > 0:  # NaN, too
            raise InputError(f"{val.table.source}: budget=port needs a table with costs")
        budgets = np.geomspace(max(means.min(), means.max() / _FREE), means.max(), self.num_settings)
        curve = sweep(val.prediction.quality, val.prediction.cost, val.table.quality, val.table.cost)
        parts = np.stack([self._part(val.table, curve, budget) for budget in budgets])
        orders = [rng.permutation(len(test.table)) for _ in range(self.num_draws)]
        return {"": [self._play_once(val, test, budgets, parts, order, rng) for order in orders]}

    def _part(self, table: OutcomeTable, curve: Sweep, budget: float) -> NDArray[np.float64]:
        """Split a budget into ``(M,)`` parts in USD per prompt of the stream. A free model may use all of it."""
        spend = _spend(table, curve, budget)
        if self.split == "uniform" or not spend.any():
            spend = np.ones_like(spend)
        return np.where((table.cost == 0).all(axis=0), budget, budget * spend / spend.sum())

    def _play_once(
        self,
        val: Scene,
        test: Scene,
        budgets: NDArray[np.float64],
        parts: NDArray[np.float64],
        order: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Rollout:
        stream, cost = test.prediction.take(order), test.table.cost[order]
        num_random = int(np.ceil(self.epsilon * len(order))) if self.learn == "stream" else 0
        seen = stream.take(np.arange(num_random)) if num_random else val.prediction
        unit = price_unit(seen)
        # The model with the largest value is a uniformly random one of those that may still be called.
        at_random = rng.random((num_random, cost.shape[1]))
        chosen = np.empty((len(order), len(budgets)), np.int64)
        for setting, (budget, part) in enumerate(zip(budgets, parts, strict=True)):
            worth = stream.quality - prices(seen, part, unit) * unit * stream.cost
            worth[:num_random] = at_random
            chosen[order, setting] = serve(worth, stream.cost, cost, part * len(order), budget * len(order))
        if self.when_spent == "cheapest":
            chosen[chosen < 0] = val.table.cost.mean(axis=0).argmin()
        is_answered = chosen >= 0
        return Rollout(
            setting="budget in mean USD per prompt",
            settings=budgets,
            cost=np.where(is_answered, np.take_along_axis(test.table.cost, chosen, 1), 0.0),
            quality=np.where(is_answered, np.take_along_axis(test.table.quality, chosen, 1), 0.0),
            calls=is_answered.astype(np.int64),
            information="prompt only, and what its calls have cost so far",
        )


def price_unit(seen: Prediction) -> NDArray[np.float64]:
    """Compute the ``(M,)`` unit of the prices: the largest predicted quality per USD of each model on any prompt.

    At a price of 1 in this unit, no model is worth more than no answer on any prompt. So 1 bounds the prices in any
    currency, unless the parts of the budget cannot pay for an answer to each prompt.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(seen.cost > 0, seen.quality / seen.cost, 0.0).max(axis=0)


def prices(seen: Prediction, part: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the dual prices at which the models spend their parts, in one problem for the whole stream.

    Minimises ``sum_m gamma_m B_m + sum_t max_m (d_tm - gamma_m g_tm)`` over gamma in [0, 1], with budgets B scaled down
    to the n prompts seen (arXiv 2509.02718, whose alpha is the unit here). The maximum is smoothed to
    ``tau log sum exp(x / tau)``, so that it has a gradient everywhere; the error is at most 0.003 log M.

    Args:
        seen: predicted quality d and cost g of n prompts.
        part: ``(M,)`` budget of each model, in USD per prompt of the stream.
        unit: ``(M,)`` quality per USD at a price of 1.

    Returns:
        ``(M,)`` prices in [0, 1], in ``unit``.
    """
    from scipy.optimize import minimize

    budget, cost = part * unit * len(seen.cost), seen.cost * unit

    def objective(gamma: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        worth = (seen.quality - gamma * cost) / _ROUNDING
        top = worth.max(axis=1, keepdims=True)
        weight = np.exp(worth - top)
        total = weight.sum(axis=1, keepdims=True)
        value = gamma @ budget + _ROUNDING * (top + np.log(total)).sum()
        return float(value), budget - (weight / total * cost).sum(axis=0)

    start = np.full(len(part), 1 / len(part))
    return minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(part)).x


def serve(
    worth: NDArray[np.float64],
    predicted_cost: NDArray[np.float64],
    cost: NDArray[np.float64],
    part: NDArray[np.float64],
    total: float,
) -> NDArray[np.int64]:
    """Answer the prompts of a stream in order, each by the best model that has budget left.

    The set of open models changes at most M times, so the stream is served in at most M + 1 vectorised pieces.

    Args:
        worth: ``(N, M)`` score of each model; the highest one answers, and ties go to the lower predicted cost.
        predicted_cost: ``(N, M)`` in USD.
        cost: ``(N, M)`` in USD, read only after a call.
        part: ``(M,)`` in USD; a model is called while it has spent less.
        total: in USD; calls are made while less is spent.

    Returns:
        ``(N,)`` index of the model, -1 for prompts after the total or every part is spent.

    Example:
        >>> worth, cost = np.array([[0.9, 0.5]] * 5), np.array([[2.0, 1.0]] * 5)
        >>> serve(worth, cost, cost, part=np.array([3.0, 2.0]), total=5.0).tolist()
        [0, 0, 1, -1, -1]
    """
    chosen, spent, first = np.full(len(worth), -1), np.zeros(len(part)), 0
    while first < len(worth) and spent.sum() < total and (is_open := spent < part).any():
        offered = np.where(is_open, worth[first:], -np.inf)
        is_best = offered == offered.max(axis=1, keepdims=True)
        best = np.where(is_best, predicted_cost[first:], np.inf).argmin(axis=1)
        is_called = best[:, None] == np.arange(len(part))
        running = spent + np.where(is_called, cost[first:], 0.0).cumsum(axis=0)
        closes = (is_open & (running >= part)).any(axis=1) | (running.sum(axis=1) >= total)
        last = int(closes.argmax()) if closes.any() else len(best) - 1
        chosen[first : first + last + 1] = best[: last + 1]
        spent, first = running[last], first + last + 1
    return chosen


def _spend(table: OutcomeTable, curve: Sweep, budget: float) -> NDArray[np.float64]:
    """Compute the ``(M,)`` USD that lambda-routing within a budget spends on each model; at lambda 0 if none fits."""
    point = within_budget(curve, budget) or OperatingPoint(0.0, 0.0, float("nan"), float("nan"))
    spend = np.zeros(table.num_models)
    for is_after, share in ((False, 1 - point.dearer_share), (True, point.dearer_share)):
        chosen = curve.choices(point.willingness_to_pay, is_after)
        spend += share * np.bincount(chosen, table.cost[np.arange(len(chosen)), chosen], table.num_models)
    return spend
