"""RouterBench's cascading router: models from the cheapest on, until a judge accepts (arXiv 2403.12031)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.evaluation.rollout import Rollout
from routerbench.sequences.base import Scene


@dataclass(frozen=True)
class ThresholdCascade:
    """Cascade from the cheapest model on, until a judge accepts an answer or the budget of the prompt is spent.

    The judge is simulated: it knows whether an answer succeeded, and is wrong at an error rate. This bounds what a
    judge can achieve and is not a deployable router, as the report says. The judge is free, the first call is always
    made, and the answer is that of the last call, as in the paper.

    RouterBench's code stops before a call whose measured cost exceeds the remaining budget, although that cost is
    unknown before the call; here the router's prediction of it is used. Its code defines success by the .95 quantile of
    the test scores; here it is an option.

    Attributes:
        error_rates: error rates of the judge, each in [0, 0.5]; one variant each.
        success: quality from which an answer counts as a success, in (0, 1].
        num_settings: number of budgets per prompt, at least 2.
        num_draws: number of draws of the judge's errors, at least 1.
    """

    error_rates: Sequence[float]
    success: float
    num_settings: int
    num_draws: int

    def __post_init__(self) -> None:
        """Validate the options."""
        if (
            isinstance(self.error_rates, int | float)
            or not self.error_rates
            or not all(0 <= rate <= 0.5 for rate in self.error_rates)
        ):
            raise InputError(f"cascade.threshold.error_rates must list numbers in [0, 0.5], got {self.error_rates}")
        if not 0 < self.success <= 1:
            raise InputError(f"cascade.threshold.success must be in (0, 1], got {self.success}")
        if self.num_settings < 2 or self.num_draws < 1:
            raise InputError(
                "cascade.threshold.num_settings must be at least 2 and cascade.threshold.num_draws at least 1, got "
                f"{self.num_settings} and {self.num_draws}"
            )

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Run at budgets from the cheapest call to twice the cost of all calls; error rates share the draws."""
        mean_cost = val.table.cost.mean(axis=0)
        order = np.argsort(mean_cost, kind="stable")
        low = max(mean_cost.min(), mean_cost.sum() * 1e-6)  # positive even if a model is free
        budgets = np.geomspace(low, 2 * mean_cost.sum(), self.num_settings)
        draws = [rng.random(test.table.quality.shape) for _ in range(self.num_draws)]
        return {
            f"{rate:g}": [self._run(test, order, budgets, rate, draw) for draw in draws[: None if rate else 1]]
            for rate in self.error_rates
        }

    def _run(
        self,
        test: Scene,
        order: NDArray[np.int64],
        budgets: NDArray[np.float64],
        error_rate: float,
        draw: NDArray[np.float64],
    ) -> Rollout:
        measured = test.table
        accepts = (measured.quality >= self.success) ^ (draw < error_rate)
        shape = len(measured), len(budgets)
        spent, quality, calls = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
        goes_on = np.ones(shape, bool)
        for step, model in enumerate(order):
            if step:
                goes_on &= test.prediction.cost[:, [model]] < budgets - spent
            spent += np.where(goes_on, measured.cost[:, [model]], 0)
            quality = np.where(goes_on, measured.quality[:, [model]], quality)
            calls += goes_on
            goes_on &= ~accepts[:, [model]]
        return Rollout(
            setting="budget of a prompt in USD",
            settings=budgets,
            cost=spent,
            quality=quality,
            calls=calls,
            information=f"quality of the answers it paid for, wrong at {error_rate:.0%}",
        )
