"""Smoothie (arXiv 2412.04692): which models to trust is read off their answers alone, without a label."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.neighbors import Memory, normalized

CHUNK = 1024  # queries whose neighbours' variances, (queries, K, M), are in memory at once


class SmoothieRouter(ClosedFormRouter):
    """Trusts a model as much as its answers agree with those of the others on the nearest train prompts.

    Every answer is embedded, as the embedding of the right one plus an error; the errors of different models are taken
    as independent. Then the distances between answers give the variance d of every model's error, and the paper picks
    the model of the largest ``dim / (2 d)``. No quality is looked at, and a prompt is routed without any answer to it:
    the paper's regime "train time". The majority is always right: models that err alike are believed.

    Adaptations: answers are embedded as hashed words and pairs of words of unit length, for which no network must read
    them, where the paper takes all-mpnet-base-v2. What is predicted is ``-d``: it picks the same model, without the
    pole of ``1 / d``, as d is estimated and may well be 0 or less; and it is not normalised within a prompt, since
    prompts on which a model agrees with others are those that it answers well. Calibration, which is no part of the
    router, does look at the quality of validation.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models, at least three.
        num_neighbors: K nearest train prompts whose answers count, or None for those of all.
    """

    def __init__(self, embedding_dim: int, num_models: int, num_neighbors: int | None) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_neighbors = num_neighbors
        if num_neighbors is not None and num_neighbors < 1:
            raise InputError(f"router.num_neighbors must be at least 1, or null for all prompts, got {num_neighbors}")
        if num_models < 3:
            raise InputError(f"router=smoothie tells who is right by a majority of at least 3 models, got {num_models}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Learn from the responses of ``train``; there is nothing to choose.

        Raises:
            InputError: the table has no responses, or no prompt with those of three models.
        """
        variances = error_variances(_distances(train.table))
        if np.isnan(variances).all():
            raise InputError(
                f"{train.table.source}: router=smoothie learns from the texts of answers, at least 3 to a prompt; add "
                "columns '<model>|model_response' to the table (to a long table, a column 'response')"
            )
        self._remember(normalized(train.embeddings), variances)
        self.cost = RidgeCost.fit(train)

    def _remember(self, vectors: NDArray[np.float32], variances: NDArray[np.float64]) -> None:
        self.memory, self.variances = Memory(vectors), variances
        self._overall = _known_means(variances, np.full(self.num_models, np.nan))
        self._overall = np.where(np.isnan(self._overall), np.nanmax(self._overall), self._overall)  # it never answered

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Minus the error variance of every model on ``(N, D)`` embeddings, and cost."""
        return Prediction(-self._local(embeddings), self.cost.predict(embeddings), scale="ranking")

    def _local(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.num_neighbors is None:
            return np.tile(self._overall, (len(embeddings), 1))
        _, neighbors = self.memory.search(embeddings, min(self.num_neighbors, len(self.variances)))
        chunks = (neighbors[start : start + CHUNK] for start in range(0, max(len(neighbors), 1), CHUNK))
        return np.concatenate([_known_means(self.variances[chunk], self._overall) for chunk in chunks])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The train prompts' vectors, the ``(N, M)`` variances on each, and the arrays of cost."""
        return {"embeddings": self.memory.vectors, "variances": self.variances, **self.cost.arrays()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what ``arrays`` returned."""
        self._remember(arrays["embeddings"], arrays["variances"])
        self.cost = RidgeCost.from_arrays(arrays)


def error_variances(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of each model's error, the mean over all pairs j, k of others of ``(d_ij + d_ik - d_jk) / 2``.

    ``d_ij`` is the squared distance of two answers, and independent errors add up: its mean is ``d_i + d_j`` (arXiv
    2412.04692). The mean over all pairs depends on the sums of distances only.

    Args:
        distances: ``(N, M)`` sum of the squared distances of a model's answer to all others, NaN where it has none.

    Returns:
        ``(N, M)`` variances, unbiased and so perhaps negative on one prompt; NaN without an answer or two others.

    Example:
        The first two models agree, the third is one away from both.

        >>> error_variances(np.array([[1.0, 1.0, 2.0]])).tolist()
        [[0.0, 0.0, 1.0]]
    """
    answers = np.isfinite(distances).sum(axis=1, keepdims=True)
    total = np.nansum(distances, axis=1, keepdims=True) / 2
    pairs = np.where(answers > 2, (answers - 1) * (answers - 2), np.nan)
    return ((answers - 1) * distances - total) / pairs


def _distances(table: OutcomeTable) -> NDArray[np.float64]:
    """``(N, M)`` sums of squared distances to the answers of the other models; NaN where there is no answer."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if table.responses is None:
        return np.full(table.quality.shape, np.nan)
    answered = table.responses.astype(bool)  # neither None nor empty
    hashing = HashingVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))  # keeps "A" and "-", unlike its own
    vectors = [
        hashing.transform(np.where(known, texts, ""))
        for texts, known in zip(table.responses.T, answered.T, strict=True)
    ]
    everyone = sum(vectors)
    squares = np.column_stack([np.asarray(own.multiply(own).sum(axis=1)) for own in vectors])
    products = np.column_stack([np.asarray(own.multiply(everyone).sum(axis=1)) for own in vectors])
    distances = answered.sum(axis=1, keepdims=True) * squares + squares.sum(axis=1, keepdims=True) - 2 * products
    return np.where(answered, distances, np.nan)


def _known_means(cells: NDArray[np.float64], fallback: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(..., M)`` means over the last axis but one of what is known, or the ``(M,)`` fallback."""
    known = np.isfinite(cells)
    counts = known.sum(axis=-2)
    return np.where(counts > 0, np.where(known, cells, 0).sum(axis=-2) / np.maximum(counts, 1), fallback)
