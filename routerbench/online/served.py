"""What came of serving a stream: a frozen record that the report writes down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Evaluation, Figure


@dataclass(frozen=True)
class StreamOutcomes:
    """How one policy served S orders of n prompts at one lambda.

    Attributes:
        regret: ``(S, n)`` reward that each prompt fell short of the best model's for it, in hindsight: a quality.
        quality: ``(S, n)`` measured quality of the answers, in [0, 1].
        cost: ``(S, n)`` measured cost in USD.
    """

    regret: NDArray[np.float64]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class Served:
    """A bandit beside policies that learn nothing or know everything, on the same prompts in the same orders.

    Attributes:
        name: of the bandit.
        willingness_to_pay: lambda of the reward, in USD per unit of quality.
        num_offline: prompts whose outcomes the bandit was told for all models before it served.
        best_arm: the model with the largest mean reward in hindsight, in most of the orders.
        services: of the bandit, then of "full_information", "best_arm" and "random".
        evaluation: of the bandit, frozen after each order, and of "full_information" on the test prompts.
        seconds: that serving all orders took.
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
        """``(S, n)`` reward that a policy fell short of the best single arm's; negative where it did better."""
        return self.services[name].regret - self.services["best_arm"].regret


def over_orders(values: NDArray[np.float64]) -> Figure:
    """Mean of one number per order, with Student's 95 % interval if there are several.

    Args:
        values: ``(S,)``.

    Example:
        >>> over_orders(np.array([1.0, 3.0])), over_orders(np.array([2.0]))
        (Figure(value=2.0, low=-10.706..., high=14.706...), Figure(value=2.0, low=None, high=None))
    """
    if len(values) < 2:
        return Figure(float(values.mean()))
    reach = float(half_width(values[:, None])[0])
    return Figure(mean := float(values.mean()), mean - reach, mean + reach)


def half_width(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(P,)`` half of Student's 95 % interval of the mean over the S rows of ``(S, P)`` values, S of at least 2."""
    from scipy.stats import t

    return t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
