"""Gradient boosting for all models at once; LLMRank's learner if used with readable features (arXiv 2510.01234)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.trees import Trees

EVERY = 10  # trees between two evaluations on validation


class GradientBoostingRouter(ClosedFormRouter):
    """Sums small trees, each fitted to the residual quality of all models.

    Stochastic gradient boosting of the squared error (Friedman 2002) with multi-output trees (Zhang and Jung 2019,
    arXiv 1909.04373): one tree serves all models; libraries that boost each model separately take thirty times as long.
    Missing values have a residual of 0. The number of trees is selected on validation. Cost is predicted by ridge
    regression.

    LLMRank boosts on interpretable features; use ``encoder=readable`` for these.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_trees: maximum number of trees.
        learning_rate: factor of each tree's prediction, in (0, 1].
        max_leaves: maximum number of leaves of a tree, at least 2.
        subsample: share of the train prompts used for each tree, in (0, 1].
        max_features: share of the features considered for a split, in (0, 1].
        patience: number of trees without improvement on validation after which training stops.
        seed: random seed of prompts and features.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_trees: int,
        learning_rate: float,
        max_leaves: int,
        subsample: float,
        max_features: float,
        patience: int,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_trees = num_trees
        self.learning_rate = learning_rate
        self.max_leaves = max_leaves
        self.subsample = subsample
        self.max_features = max_features
        self.patience = patience
        self.seed = seed
        if num_trees < 1 or max_leaves < 2 or patience < 0:
            raise InputError(
                "router.num_trees must be at least 1, router.max_leaves at least 2 and router.patience at least 0, got "
                f"{num_trees}, {max_leaves}, {patience}"
            )
        for name in ("learning_rate", "subsample", "max_features"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"router.{name} must be in (0, 1], got {getattr(self, name)}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Add trees until validation stops improving, and keep those up to the best score."""
        from sklearn.tree import DecisionTreeRegressor

        rng = np.random.default_rng(self.seed)
        self.cost = RidgeCost.fit(train)
        self.mean = np.nanmean(train.table.quality, axis=0)
        left = np.nan_to_num(train.table.quality - self.mean)
        observed = np.isfinite(train.table.quality)
        on_val, val_cost = np.tile(self.mean, (len(val.table), 1)), self.cost.predict(val.embeddings)
        size = max(2, round(self.subsample * len(left)))
        trees = list[DecisionTreeRegressor]()
        scores = [score(Prediction(on_val.clip(0, 1), val_cost), val.table)]
        while len(trees) < self.num_trees and (len(scores) - 1 - np.argmax(scores)) * EVERY <= self.patience:
            for _ in range(min(EVERY, self.num_trees - len(trees))):
                rows = rng.permutation(len(left))[:size]
                tree = DecisionTreeRegressor(
                    max_leaf_nodes=self.max_leaves,
                    min_samples_leaf=min(20, size // 2),
                    max_features=self.max_features,
                    random_state=int(rng.integers(2**31)),
                ).fit(train.embeddings[rows], left[rows])
                left -= self.learning_rate * observed * tree.predict(train.embeddings).reshape(left.shape)
                on_val += self.learning_rate * tree.predict(val.embeddings).reshape(on_val.shape)
                trees.append(tree)
            scores.append(score(Prediction(on_val.clip(0, 1), val_cost), val.table))
        self.trees = Trees.of(trees).first(int(np.argmax(scores)) * EVERY)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the sum over the trees, and cost, for ``(N, D)`` embeddings."""
        quality = self.mean + self.learning_rate * self.trees.sum(embeddings)
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The ``(M,)`` mean quality, and the arrays of the trees and the cost."""
        return {"mean": self.mean} | self.trees._asdict() | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.mean = arrays["mean"]
        self.trees = Trees(*(arrays[name] for name in Trees._fields))
        self.cost = RidgeCost.from_arrays(arrays)
