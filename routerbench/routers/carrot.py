"""CARROT: quality by nearest neighbours, cost by regression, on token counts if there are prices (arXiv 2502.03261)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.knn import KNNRouter

KINDS = ("input", "output")


class CarrotRouter(ClosedFormRouter):
    """Predicts quality and cost by separate estimators, to be combined by lambda.

    As in the paper (arXiv 2502.03261), quality is the mean of the nearest neighbours. Their number is selected by how
    the router performs on validation at the predicted costs, not by the prediction error: the error is smallest for
    fewer neighbours, whose means are so noisy that the best one is mostly luck. If the table has token counts and a
    price list, the cost is ``price_in * tokens_in + price_out * tokens_out`` with expected token counts predicted from
    the prompt. The prices are arguments of the router, not weights: a changed price is edited in ``router.json`` and
    takes effect at the next load. Otherwise the cost itself is regressed. Both regressions are linear for the
    logarithm, where the paper uses neighbours or a language model; input tokens are predicted, too, because a router
    does not see the text.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_neighbors: one or more candidates for the number of neighbours.
        prices: M pairs of USD per million input and output tokens, in the order of the models; None uses those of the
            table.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_neighbors: Sequence[int] | int,
        prices: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.quality = KNNRouter(embedding_dim, num_models, num_neighbors, "uniform")
        self.num_neighbors = self.quality.num_neighbors
        self.prices = None if prices is None else [list(pair) for pair in prices]
        if self.prices is not None and not _are_prices(self.prices, num_models):
            raise InputError(
                f"router.prices must be {num_models} pairs of finite numbers of at least 0, got {self.prices}"
            )

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit the cost, then select the number of neighbours on ``val``."""
        self._fit_cost(train)
        cost = self._cost(val.embeddings)
        self.quality.fit(train, val, lambda prediction, table: score(prediction._replace(cost=cost), table))

    def _fit_cost(self, train: Examples) -> None:
        """Regress token counts if train has them and there are prices, otherwise the cost.

        Raises:
            InputError: there are prices, but no token counts.
        """
        table = train.table
        tokens = None if table.tokens is None or np.isnan(table.tokens).all(axis=0).any() else table.tokens
        if self.prices is None and tokens is not None and table.prices is not None:
            self.prices = table.prices.tolist()
        if self.prices is None:
            self.amounts = {"cost": RidgeCost.fit(train)}
        elif tokens is not None:
            counts = np.moveaxis(tokens, 2, 0)
            self.amounts = {
                kind: RidgeCost.fit(Examples(replace(table, cost=count), train.embeddings))
                for kind, count in zip(KINDS, counts, strict=True)
            }
        else:
            raise InputError(f"{table.source}: router.prices needs input and output token counts of every model")

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict quality and cost of ``(N, D)`` embeddings at the router's current prices."""
        return self.quality.predict(embeddings)._replace(cost=self._cost(embeddings))

    def _cost(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        amounts = [amount.predict(embeddings) for amount in self.amounts.values()]
        if self.prices is None:
            return amounts[0]
        return sum(amount * price / 1e6 for amount, price in zip(amounts, np.transpose(self.prices), strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of the neighbours and the regressions, with a prefix for each."""
        parts = {"quality": self.quality.arrays()} | {kind: cost.arrays() for kind, cost in self.amounts.items()}
        return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        parts: dict[str, dict[str, NDArray[Any]]] = {}
        for path, array in arrays.items():
            part, name = path.split("/")
            parts.setdefault(part, {})[name] = array
        self.quality.load_arrays(parts["quality"])
        kinds = ("cost",) if self.prices is None else KINDS
        self.amounts = {kind: RidgeCost.from_arrays(parts[kind]) for kind in kinds}


def _are_prices(prices: list[list[float]], num_models: int) -> bool:
    is_pair = [len(pair) == 2 and all(0 <= price < np.inf for price in pair) for pair in prices]
    return len(prices) == num_models and all(is_pair)
