"""A random forest that predicts all models at once, based on Not Diamond's RoRF."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.trees import Trees, filled


class RandomForestRouter(ClosedFormRouter):
    """Predicts the mean quality of the train prompts that share leaves of many trees.

    RoRF classifies pairs of models into four classes with 100 trees of depth 20 on all features. Here one forest
    regresses the quality of any number of models: a split that helps one model usually helps others, and a leaf has a
    mean for each. Missing values are replaced by the model's mean. Leaves are larger than RoRF's because outcomes are
    noisy, and each split considers a share of the features. Cost is predicted by ridge regression.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_trees: T.
        max_depth: maximum depth of a tree, at least 1.
        min_leaf: one or more candidates for the minimum number of train prompts in a leaf, selected on validation.
        max_features: share of the features considered for a split, in (0, 1].
        seed: random seed of prompts and features.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_trees: int,
        max_depth: int,
        min_leaf: Sequence[int] | int,
        max_features: float,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_trees = num_trees
        self.max_depth = max_depth
        self.min_leaf = [min_leaf] if isinstance(min_leaf, int) else list(min_leaf)
        self.max_features = max_features
        self.seed = seed
        if min([num_trees, max_depth, *self.min_leaf]) < 1 or not self.min_leaf or not 0 < max_features <= 1:
            raise InputError(
                "router.num_trees, router.max_depth and router.min_leaf must be at least 1 and router.max_features in "
                f"(0, 1], got {num_trees}, {max_depth}, {self.min_leaf}, {max_features}"
            )

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit a forest for each leaf size and keep the one that is best on ``val``."""
        from sklearn.ensemble import RandomForestRegressor

        self.cost = RidgeCost.fit(train)
        candidates = []
        for min_leaf in self.min_leaf:
            forest = RandomForestRegressor(
                self.num_trees,
                max_depth=self.max_depth,
                min_samples_leaf=min_leaf,
                max_features=self.max_features,
                n_jobs=-1,
                random_state=self.seed,
            ).fit(train.embeddings, filled(train.table.quality))
            self.trees = Trees.of(forest.estimators_)
            candidates.append((score(self.predict(val.embeddings), val.table), self.trees))
        self.trees = max(candidates, key=lambda candidate: candidate[0])[1]

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the mean over the trees, and cost, for ``(N, D)`` embeddings."""
        quality = self.trees.sum(embeddings) / len(self.trees.root)
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the trees and the cost."""
        return self.trees._asdict() | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.trees = Trees(*(arrays[name] for name in Trees._fields))
        self.cost = RidgeCost.from_arrays(arrays)
