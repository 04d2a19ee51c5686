"""Replay of the train split as a stream, in which only the outcome of the chosen model is revealed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.resample import NUM_RESAMPLES
from routerbench.experiments.baselines import BASELINES
from routerbench.online.bandit import LinearBandit, ridge_weights, to_prediction
from routerbench.online.served import Served, StreamOutcomes
from routerbench.policy import select

DEAREST_WORTH = 0.5  # mean cost of the most expensive model in units of quality, at the default lambda
_LOGGED = 10  # messages per stream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replay:
    """Protocol that lets a bandit serve the train prompts in several random orders and evaluates it on test.

    The reward is ``quality - cost / lambda``, and regret is the reward lost to the best model of each prompt. Reference
    policies serve the same prompts: "random", the mean over all models; "best_arm", the single model with the largest
    mean reward in hindsight; and "full_information", the regression of the bandit fitted to the outcomes of all models
    on all other prompts (leave-one-out). The difference to "full_information" is the cost of partial feedback and of
    learning online.

    After the stream, the posterior means of the frozen bandit are evaluated on test. Each order counts as one seed.

    Attributes:
        bandit: bandit to train; it is reset first.
        num_orders: number of random orders of the stream, at least 1.
        willingness_to_pay: lambda of the reward in USD per unit of quality; None for the lambda at which the mean cost
            of the most expensive model on train equals half a unit of quality.
    """

    bandit: LinearBandit
    num_orders: int
    willingness_to_pay: float | None

    def __post_init__(self) -> None:
        if self.num_orders < 1:
            raise InputError(f"online.num_orders must be at least 1, got {self.num_orders}")
        if self.willingness_to_pay is not None and not self.willingness_to_pay > 0:
            raise InputError(f"online.willingness_to_pay must be above 0 or null, got {self.willingness_to_pay}")

    def run(self, name: str, parts: Parts, rng: np.random.Generator) -> tuple[Served, LinearBandit]:
        """Serve the stream in all orders, freeze the bandit, and evaluate it on test.

        Args:
            name: name of the bandit in the report.
            parts: splits of the table; validation is passed to the baseline "linear" only.
            rng: random number generator for the orders and the bandit.

        Returns:
            Results, and the bandit after the first order.

        Raises:
            InputError: the table has no cost, or too few train prompts are complete.
        """
        train, _, test = parts
        rows = np.flatnonzero(train.table.is_complete)
        if not train.table.has_cost:
            raise InputError(f"{train.table.source}: has no costs; online=... learns what a call costs, too")
        num_offline = round(self.bandit.offline_share * len(rows))
        if len(rows) < num_offline + 2:
            raise InputError(f"{train.table.source}: {len(rows)} complete train prompts are too few for a stream")
        table, embeddings = train.table.take(rows), train.embeddings[rows]
        lambda_ = self.willingness_to_pay
        if lambda_ is None:
            lambda_ = float(table.cost.mean(axis=0).max() / DEAREST_WORTH) or np.inf  # all models may be free

        self.bandit.start(embeddings)
        inputs, targets = self.bandit.features(embeddings), np.stack([table.quality, table.cost], axis=-1)
        orders = np.stack([rng.permutation(len(rows)) for _ in range(self.num_orders)])
        offline, stream = np.split(orders, [num_offline], axis=1)
        self.bandit.begin(inputs[offline], targets[offline])
        started = time.perf_counter()
        chosen = self._serve(inputs, targets, stream, lambda_, rng)
        seconds = time.perf_counter() - started

        reward = (table.quality - table.cost / lambda_)[stream]
        best_arm = np.tile(reward.mean(axis=1).argmax(axis=1)[:, None], stream.shape[1])
        weights = ridge_weights(inputs, targets, self.bandit.ridge)
        informed = select(*_leave_one_out(inputs, targets, weights, self.bandit.ridge), lambda_)[stream]
        outcomes = np.stack([reward.max(axis=2, keepdims=True) - reward, table.quality[stream], table.cost[stream]])
        chosen_by = {name: chosen, "full_information": informed, "best_arm": best_arm}
        services = {
            policy: StreamOutcomes(*np.take_along_axis(outcomes, arms[None, :, :, None], axis=3)[..., 0])
            for policy, arms in chosen_by.items()
        }
        services["random"] = StreamOutcomes(*outcomes.mean(axis=3))

        frozen = [self.bandit.stream(order) for order in range(self.num_orders)]
        evaluation = evaluate(
            {
                name: [bandit.predict(test.embeddings) for bandit in frozen],
                "full_information": to_prediction(
                    np.einsum("nd,mdt->nmt", self.bandit.features(test.embeddings), weights)
                ),
            },
            test.table,
            train.table,
            baselines={"linear": BASELINES["linear"](train, parts.val, "linear").predict(test.embeddings)},
            num_resamples=NUM_RESAMPLES,
            seed=int(rng.integers(2**32)),
        )
        favourite = table.models[int(np.bincount(best_arm[:, 0]).argmax())]
        return Served(name, lambda_, num_offline, favourite, services, evaluation, seconds), frozen[0]

    def _serve(
        self,
        inputs: NDArray[np.float64],
        targets: NDArray[np.float64],
        stream: NDArray[np.int64],
        willingness_to_pay: float,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Serve S orders of n prompts in parallel, and return the ``(S, n)`` indices of the chosen models.

        Args:
            inputs: ``(N, d)`` features.
            targets: ``(N, M, 2)`` quality and cost; only those of the chosen model are read.
            stream: ``(S, n)`` indices of the prompts.
            willingness_to_pay: lambda in USD per unit of quality.
            rng: random number generator of the bandit.
        """
        chosen = np.empty_like(stream)
        started, every = time.perf_counter(), -(-stream.shape[1] // _LOGGED)
        for step, rows in enumerate(stream.T):
            arms = self.bandit.select_arms(inputs[rows], willingness_to_pay, rng)
            self.bandit.posterior.update(inputs[rows], arms, targets[rows, arms], self.bandit.decay)
            chosen[:, step] = arms
            seconds = time.perf_counter() - started
            remaining = seconds / (step + 1) * (stream.shape[1] - step - 1)
            if (step + 1) % every == 0 and remaining >= 1:
                log.info("served %d of %d prompts; about %.0f s remain", step + 1, stream.shape[1], remaining)
        return chosen


def _leave_one_out(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predict ``(N, M)`` quality and cost of each prompt by ridge regression on all others, in closed form."""
    inverse = np.linalg.inv(inputs.T @ inputs + penalty * np.eye(inputs.shape[1]))
    leverage = ((inputs @ inverse) * inputs).sum(axis=1)[:, None, None]
    fitted = np.einsum("nd,mdt->nmt", inputs, weights)
    quality, cost = np.moveaxis((fitted - leverage * targets) / (1 - leverage), -1, 0)
    return quality, cost
