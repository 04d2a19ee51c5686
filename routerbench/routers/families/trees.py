"""Regression trees as plain arrays: fitted by scikit-learn, evaluated without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAF = -1  # child index of a leaf


class Trees(NamedTuple):
    """T regression trees whose nodes are concatenated; each node has one value per model.

    Attributes:
        root: ``(T,)`` index of each tree's root.
        feature: ``(nodes,)`` column of the embedding used by the split.
        threshold: ``(nodes,)`` a prompt goes left if the column is at most this.
        left: ``(nodes,)`` index of the left child, or -1 for a leaf.
        right: ``(nodes,)`` index of the right child, or -1 for a leaf.
        value: ``(nodes, M)`` prediction of a leaf.
    """

    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]

    @classmethod
    def of(cls, trees: Sequence[Any]) -> Trees:
        """Convert fitted ``sklearn.tree.DecisionTreeRegressor`` objects to arrays."""
        inner = [tree.tree_ for tree in trees]
        root = np.cumsum([0, *(tree.node_count for tree in inner)], dtype=np.int32)[:-1]
        left, right = (
            np.concatenate([np.where(side < 0, LEAF, side + first) for first, side in zip(root, sides, strict=True)])
            for sides in ([tree.children_left for tree in inner], [tree.children_right for tree in inner])
        )
        return cls(
            root,
            np.concatenate([tree.feature for tree in inner]).astype(np.int32),
            np.concatenate([tree.threshold for tree in inner]),
            left.astype(np.int32),
            right.astype(np.int32),
            np.concatenate([tree.value[:, :, 0] for tree in inner]).astype(np.float32),
        )

    def first(self, number: int) -> Trees:
        """Return the first ``number`` trees."""
        if number >= len(self.root):
            return self
        end = self.root[number]
        return Trees(self.root[:number], **{name: getattr(self, name)[:end] for name in self._fields[1:]})

    def sum(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(N, M)`` sum of the trees' predictions for ``(N, D)`` embeddings."""
        embeddings = np.asarray(embeddings, np.float32)
        total = np.zeros((len(embeddings), self.value.shape[1]))
        for root in self.root:
            total += self.value[self._walk(embeddings, root)]
        return total

    def _walk(self, embeddings: NDArray[np.float32], root: int) -> NDArray[np.int32]:
        """``(N,)`` leaf of one tree for each embedding; all embeddings descend one level at a time."""
        node = np.full(len(embeddings), root, np.int32)
        moving = np.flatnonzero(self.left[node] != LEAF)
        while len(moving):
            here = node[moving]
            goes_left = embeddings[moving, self.feature[here]] <= self.threshold[here]
            node[moving] = np.where(goes_left, self.left[here], self.right[here])
            moving = moving[self.left[node[moving]] != LEAF]
        return node


def filled(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N, M)`` cells with missing values replaced by the model's mean, because multi-output trees need complete data.

    Example:
        >>> filled(np.array([[1.0, 0.5], [np.nan, 0.5], [0.0, 0.5]]))[1].tolist()
        [0.5, 0.5]
    """
    return np.where(np.isfinite(cells), cells, np.nanmean(cells, axis=0))
