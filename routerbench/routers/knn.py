"""Nearest neighbours, a baseline that is hard to beat if tuned well (arXiv 2505.12601)."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.neighbors import Memory, normalized
from routerbench.routers.families.onboarding import Onboarding, shrunk_mean

CHUNK = 1024  # queries per chunk, to limit the memory of their neighbours' outcomes, (queries, K, M)
PRIOR_NEIGHBORS = 20  # number of neighbours that an added model's overall mean counts for
_ROUNDING = 1e-6  # tolerance for different ways to multiply the same vectors


class Added(NamedTuple):
    """Models added after the fit, and the S prompts on which they were scored.

    Attributes:
        embeddings: ``(S, D)`` unit vectors.
        quality: ``(S,)`` in [0, 1].
        cost: ``(S,)`` in USD per prompt.
        model: ``(S,)`` index of the scored model among the A added ones.
        mean_quality: ``(A,)`` expected quality of each model, independent of the prompt.
    """

    embeddings: NDArray[np.float32]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    model: NDArray[np.int64]
    mean_quality: NDArray[np.float64]

    @classmethod
    def none(cls, embedding_dim: int) -> "Added":
        """Create an empty set of added models."""
        empty = np.empty(0)
        return cls(np.empty((0, embedding_dim), np.float32), empty, empty, np.empty(0, np.int64), empty)


class KNNRouter(ClosedFormRouter, Onboarding):
    """Predicts the mean quality and cost of the most similar train prompts, like RouterBench's kNN router.

    One exact FAISS search by cosine similarity finds the neighbours of every query, for all candidate numbers of
    neighbours and all lambdas. Their number and weighting are selected on validation.

    A model that is added later has outcomes on a few prompts only. Its prediction is the mean over those that are as
    near as the neighbours used for the other models, and over its overall mean, which counts as 20 neighbours: the
    overall mean dominates if there are few scored prompts nearby. The other models' predictions are unchanged.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_neighbors: one or more candidates for K, limited by the number of train prompts.
        weighting: one or more candidates for the weight of a neighbour: "uniform", or "cosine" for its similarity.
    """

    def __init__(
        self, embedding_dim: int, num_models: int, num_neighbors: Sequence[int] | int, weighting: Sequence[str] | str
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_neighbors = [num_neighbors] if isinstance(num_neighbors, int) else list(num_neighbors)
        self.weighting = [weighting] if isinstance(weighting, str) else list(weighting)
        if not self.num_neighbors or min(self.num_neighbors) < 1:
            raise InputError(f"router.num_neighbors must be a list of numbers of at least 1, got {self.num_neighbors}")
        if not self.weighting or not {"uniform", "cosine"}.issuperset(self.weighting):
            raise InputError(f"router.weighting must list 'uniform' or 'cosine', got {self.weighting}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Store the train prompts; select the number of neighbours and their weighting on ``val``."""
        self._remember(normalized(train.embeddings), train.table.quality, train.table.cost)
        candidates = sorted({min(k, len(self.quality)) for k in self.num_neighbors})
        self.added = Added.none(self.embedding_dim)
        similarity, neighbors = self.memory.search(val.embeddings, candidates[-1])
        scores = {
            (weighting, k): score(prediction, val.table)
            for weighting in self.weighting
            for k, prediction in zip(
                candidates, self._outcomes(similarity, neighbors, candidates, weighting), strict=True
            )
        }
        self.chosen_weighting, self.chosen_neighbors = max(scores, key=lambda choice: scores[choice])

    def _remember(self, vectors: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]) -> None:
        self.memory, self.quality, self.cost = Memory(vectors), quality, cost

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the mean outcomes of the nearest neighbours of ``(N, D)`` embeddings."""
        similarity, neighbors = self.memory.search(embeddings, self.chosen_neighbors)
        known = next(self._outcomes(similarity, neighbors, [self.chosen_neighbors], self.chosen_weighting))
        if not len(self.added.mean_quality):
            return known
        quality, cost = self._added_outcomes(normalized(embeddings), similarity[:, -1:])
        return Prediction(np.hstack([known.quality, quality]), np.hstack([known.cost, cost]))

    def _append_model(
        self, embeddings: NDArray[np.float32], quality: NDArray[np.float64], cost: NDArray[np.float64]
    ) -> None:
        added = self.added
        mean_quality = shrunk_mean(quality, np.append(np.nanmean(self.quality, axis=0), added.mean_quality))
        self.added = Added(
            np.concatenate([added.embeddings, normalized(embeddings)]),
            np.append(added.quality, quality),
            np.append(added.cost, cost),
            np.append(added.model, np.full(len(quality), len(added.mean_quality))),
            np.append(added.mean_quality, mean_quality),
        )

    def _added_outcomes(
        self, queries: NDArray[np.float32], radius: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(N, A)`` quality and cost of the added models near ``(N, D)`` unit vectors.

        Args:
            queries: N unit vectors.
            radius: ``(N, 1)`` cosine similarity of each query's last neighbour.
        """
        added = self.added
        is_model = (added.model[:, None] == np.arange(len(added.mean_quality))).astype(np.float64)
        mean_cost = added.cost @ is_model / is_model.sum(axis=0)
        similarity = queries @ added.embeddings.T
        weights = _weights(similarity, self.chosen_weighting) * (similarity >= radius - _ROUNDING)
        total = weights @ is_model + PRIOR_NEIGHBORS
        quality = (weights @ (is_model * added.quality[:, None]) + PRIOR_NEIGHBORS * added.mean_quality) / total
        cost = (weights @ (is_model * added.cost[:, None]) + PRIOR_NEIGHBORS * mean_cost) / total
        return quality, cost

    def _outcomes(
        self, similarity: NDArray[np.float32], neighbors: NDArray[np.int64], candidates: list[int], weighting: str
    ) -> Iterator[Prediction]:
        """Yield the prediction for each candidate K, all from the same cumulative means."""
        weights = _weights(similarity, weighting)
        quality, cost = (
            np.concatenate(
                [
                    _cumulative_means(cells, weights[rows], neighbors[rows], candidates)
                    for rows in (slice(start, start + CHUNK) for start in range(0, max(len(weights), 1), CHUNK))
                ],
                axis=1,
            )
            for cells in (self.quality, self.cost)
        )
        return map(Prediction, quality, cost)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Vectors and outcomes of the train prompts, the selected hyperparameters, and the added models."""
        return {
            "embeddings": self.memory.vectors,
            "quality": self.quality,
            "cost": self.cost,
            "chosen_neighbors": np.array(self.chosen_neighbors),
            "chosen_weighting": np.array(self.weighting.index(self.chosen_weighting)),
            **{f"added_{name}": array for name, array in self.added._asdict().items()},
        }

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self._remember(arrays["embeddings"], arrays["quality"], arrays["cost"])
        self.chosen_neighbors = int(arrays["chosen_neighbors"])
        self.chosen_weighting = self.weighting[int(arrays["chosen_weighting"])]
        self.added = Added(*(arrays[f"added_{name}"] for name in Added._fields))


def _weights(similarity: NDArray[np.float32], weighting: str) -> NDArray[np.float64]:
    """Weights of the neighbours, in double precision so that a mean of ones is exactly 1."""
    weights = np.ones_like(similarity) if weighting == "uniform" else np.maximum(similarity, 1e-6)
    return weights.astype(np.float64)


def _cumulative_means(
    cells: NDArray[np.float64], weights: NDArray[np.float64], neighbors: NDArray[np.int64], candidates: list[int]
) -> NDArray[np.float64]:
    """``(len(candidates), N, M)`` weighted means of the first K neighbours' known cells.

    If no neighbour has a known cell, the model's mean over all train prompts is used.
    """
    known = np.isfinite(cells)
    shares = np.add.reduceat  # sums over the neighbours between one candidate K and the next
    starts = [0, *candidates[:-1]]
    values = np.where(known, cells, 0)[neighbors] * weights[:, :, None]
    total = shares(values, starts, axis=1).cumsum(axis=1)
    weight = shares(known[neighbors] * weights[:, :, None], starts, axis=1).cumsum(axis=1)
    fallback = np.where(known, cells, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return np.moveaxis(np.where(weight > 0, total / np.where(weight > 0, weight, 1), fallback), 1, 0)
