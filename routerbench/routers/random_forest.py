"""A random forest that predicts all models at once, after Not Diamond's RoRF."""

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
    """Predicts the mean quality of train prompts that share the leaves of many trees.

    RoRF classifies pairs of models into four classes with 100 trees of depth 20 on every feature. For any number of
    models one forest regresses the quality of all of them: a split that helps one model mostly helps others, and a leaf
    has a mean for each. A gap in the table counts as the model's mean. Leaves are larger than RoRF's, as outcomes are
    noisy, and each split looks at a share of the features. Cost is regressed by ridge.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_trees: T.
        max_depth: of a tree, at least 1.
        min_leaf: candidates for the fewest train prompts in a leaf, or one; chosen on validation.
        max_features: share of the features that a split looks at, in (0, 1].
        seed: of prompts and features.
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
        """Grow a forest for each size of leaf and keep the one that is best on ``val``."""
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
        """Mean over the trees, and the cost, of ``(N, D)`` embeddings."""
        quality = self.trees.sum(embeddings) / len(self.trees.root)
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trees' arrays and those of the cost."""
        return self.trees._asdict() | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back the trees."""
        self.trees = Trees(*(arrays[name] for name in Trees._fields))
        self.cost = RidgeCost.from_arrays(arrays)
