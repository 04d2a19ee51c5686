"""Gradient boosting of all models at once; with readable features, the learner of LLMRank (arXiv 2510.01234)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.trees import Trees

EVERY = 10  # trees between two looks at validation


class GradientBoostingRouter(ClosedFormRouter):
    """Adds up small trees, each fitted to what the ones before it leave of the quality of all models.

    Stochastic gradient boosting of the squared error (Friedman 2002), with trees of several outputs (Zhang and Jung
    2019, arXiv 1909.04373): one tree serves all models, where libraries boost each model for itself in thirty times the
    time. A cell that was not observed leaves nothing. How many trees are kept is chosen on validation. Cost is
    regressed by ridge.

    LLMRank boosts on features that people can read; give it those by ``encoder=readable``.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_trees: at most so many.
        learning_rate: share of what a tree says that is added, in (0, 1].
        max_leaves: of a tree, at least 2.
        subsample: share of the train prompts that a tree sees, in (0, 1].
        max_features: share of the features that a split looks at, in (0, 1].
        patience: trees without improvement on validation after which it ends.
        seed: of prompts and features.
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
        """Boost until validation stops to improve, and keep the trees up to where it was best."""
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
        """Sum over the trees, and the cost, of ``(N, D)`` embeddings."""
        quality = self.mean + self.learning_rate * self.trees.sum(embeddings)
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The ``(M,)`` mean quality, the trees' arrays and those of the cost."""
        return {"mean": self.mean} | self.trees._asdict() | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back the trees."""
        self.mean = arrays["mean"]
        self.trees = Trees(*(arrays[name] for name in Trees._fields))
        self.cost = RidgeCost.from_arrays(arrays)
