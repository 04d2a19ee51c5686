"""Results of serving a stream, as frozen records for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Evaluation, Figure


@dataclass(frozen=True)
class StreamOutcomes:
    """Outcomes of one policy on S orders of n prompts at one lambda.

    Attributes:
        regret: ``(S, n)`` best reward of any model in hindsight minus the reward of each prompt, in units of quality.
        quality: ``(S, n)`` measured quality of the answers, in [0, 1].
        cost: ``(S, n)`` measured cost in USD.
    """

    regret: NDArray[np.float64]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class Served:
    """A bandit and its reference policies, on the same prompts in the same orders.

    Attributes:
        name: name of the bandit.
        willingness_to_pay: lambda of the reward, in USD per unit of quality.
        num_offline: number of prompts for which the bandit knew the outcomes of all models before it served.
        best_arm: the model with the largest mean reward in hindsight, in most of the orders.
        services: outcomes of the bandit, then of "full_information", "best_arm" and "random".
        evaluation: of the bandit, frozen after each order, and of "full_information" on the test prompts.
        seconds: time to serve all orders.
    """

    name: str
    willingness_to_pay: float
    num_offline: int
    best_arm: str
    services: Mapping[str, StreamOutcomes]
    evaluation: Evaluation
    seconds: float

    @property
    def num_served(self) -> int:
        """Number of prompts n of the stream."""
        return self.services[self.name].regret.shape[1]

    @property
    def num_orders(self) -> int:
        """Number of orders S."""
        return len(self.services[self.name].regret)

    def behind_best_arm(self, name: str) -> NDArray[np.float64]:
        """Compute the ``(S, n)`` reward of the best single arm minus that of a policy; negative if it did better."""
        return self.services[name].regret - self.services["best_arm"].regret


def over_orders(values: NDArray[np.float64]) -> Figure:
    """Compute the mean of one number per order, with Student's 95 % interval if there are several.

    Args:
        values: ``(S,)`` numbers.

    Example:
        >>> over_orders(np.array([1.0, 3.0])), over_orders(np.array([2.0]))
        (Figure(value=2.0, low=-10.706..., high=14.706...), Figure(value=2.0, low=None, high=None))
    """
    if len(values) < 2:
        return Figure(float(values.mean()))
    reach = float(half_width(values[:, None])[0])
    return Figure(mean := float(values.mean()), mean - reach, mean + reach)


def half_width(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ``(P,)`` half widths of Student's 95 % interval of the mean over S >= 2 rows of ``(S, P)`` values."""
    from scipy.stats import t

    return t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
