"""FrugalGPT's cascade: a short chain of models, and a learned judge that accepts or rejects each answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.frontier import non_decreasing_hull
from routerbench.evaluation.rollout import Rollout
from routerbench.sequences.base import Scene
from routerbench.sequences.judge import Judge, cross_fitted, observe


@dataclass(frozen=True)
class FrugalCascade:
    """Cascade along a chain of models until a judge accepts an answer (FrugalGPT, arXiv 2305.05176).

    The estimated quality of an answer is the router's prediction plus a correction by a `Judge`, which sees the cost
    and length in the table; the paper's judge reads the answer itself. The answer of the j-th model is accepted if its
    estimate is at least the j-th threshold; the last one is always accepted. Chains are ordered by mean cost. All
    chains are tried with all thresholds, which are quantiles of the estimates as in the paper, on validation, with
    judges that have not seen the prompt. Those on the hull of mean cost and quality are the settings.

    The best of many thousands of candidates on validation is biased upwards, so test results are lower. The paper
    searches for each budget; here one search covers all budgets.

    Attributes:
        max_length: maximum length of a chain, 1 to 3.
        num_thresholds: number of thresholds for each model of a chain but the last, at least 1.
        max_models: maximum number of models in chains. Models that most others beat at no more cost are dropped first.
    """

    max_length: int
    num_thresholds: int
    max_models: int

    def __post_init__(self) -> None:
        """Validate the options."""
        if not 1 <= self.max_length <= 3:
            raise InputError(f"cascade.frugal.max_length must be 1, 2 or 3, got {self.max_length}")
        if self.num_thresholds < 1 or self.max_models < 1:
            raise InputError(
                "cascade.frugal.num_thresholds and cascade.frugal.max_models must be at least 1, got "
                f"{self.num_thresholds} and {self.max_models}"
            )

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Choose chains and thresholds on ``val``, then run them on ``test``; see `SequentialPolicy.play`."""
        seen = observe(val.table, val.prediction)
        estimates = val.prediction.quality + cross_fitted(seen, val.table, rng)
        strategies, means = [], []
        for chain in self._chains(val.table):
            for thresholds in self._thresholds(estimates[:, chain[:-1]]):
                cost, quality, _ = run(chain, thresholds, estimates, val.table)
                strategies.append((chain, thresholds))
                means.append((cost.mean(), quality.mean()))
        mean_cost, mean_quality = np.array(means).T
        hull = non_decreasing_hull(mean_cost, mean_quality)
        chosen = [
            int(np.flatnonzero((mean_cost == cost) & (mean_quality == quality))[0])
            for cost, quality in zip(hull.cost, hull.quality, strict=True)
        ]
        news = Judge.fit(seen, val.table.quality)(observe(test.table, test.prediction))
        estimates = test.prediction.quality + news
        outcomes = [run(*strategies[number], estimates, test.table) for number in chosen]
        cost, quality, calls = (np.stack(cells, axis=1) for cells in zip(*outcomes, strict=True))
        return {
            "": [
                Rollout(
                    setting="mean cost on validation in USD",
                    settings=hull.cost,
                    cost=cost,
                    quality=quality,
                    calls=calls,
                    information="responses of the models it ran",
                )
            ]
        }

    def _chains(self, table: OutcomeTable) -> list[tuple[int, ...]]:
        """List all chains of up to ``max_length`` models, from cheaper to more expensive ones."""
        cost, quality = table.cost.mean(axis=0), table.quality.mean(axis=0)
        beaten_by = ((cost[:, None] >= cost) & (quality[:, None] < quality)).sum(axis=1)
        kept = np.lexsort((cost, beaten_by))[: self.max_models]
        kept = kept[np.argsort(cost[kept], kind="stable")].tolist()
        return [chain for length in range(1, self.max_length + 1) for chain in combinations(kept, length)]

    def _thresholds(self, estimates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Combine the quantiles of the J columns of ``(N, J)`` estimates: ``(R, J)``."""
        shares = (np.arange(self.num_thresholds) + 1) / (self.num_thresholds + 1)
        columns = [np.quantile(column, shares) for column in estimates.T]
        return np.stack([grid.ravel() for grid in np.meshgrid(*columns)], axis=1) if columns else np.empty((1, 0))


def run(
    chain: Sequence[int], thresholds: NDArray[np.float64], estimates: NDArray[np.float64], table: OutcomeTable
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Call the models of a chain in order, and accept the first answer with a sufficient estimate.

    Args:
        chain: indices of J models.
        thresholds: ``(J - 1,)`` minimum estimated quality to accept an answer, for each model but the last.
        estimates: ``(N, M)`` estimated quality of each answer.
        table: measured outcomes of N prompts.

    Returns:
        ``(N,)`` total cost in USD, measured quality of the accepted answer, and number of calls.
    """
    chain = list(chain)
    goes_on = estimates[:, chain[:-1]] < thresholds
    calls = 1 + goes_on.cumprod(axis=1).sum(axis=1)
    rows = np.arange(len(calls))
    cost = table.cost[:, chain].cumsum(axis=1)[rows, calls - 1]
    return cost, table.quality[:, chain][rows, calls - 1], calls
