"""Smoothie (arXiv 2412.04692): estimates the models' errors from their responses alone, without labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.neighbors import Memory, normalized

CHUNK = 1024  # queries per chunk, to limit the memory of their neighbours' variances, (queries, K, M)


class SmoothieRouter(ClosedFormRouter):
    """Trusts a model to the extent that its responses agree with those of the others on the nearest train prompts.

    The embedding of a response is modelled as that of the right answer plus an error; errors of different models are
    assumed independent. The distances between responses then determine the variance d of every model's error, and the
    paper chooses the model with the largest ``dim / (2 d)``. Quality is not used, and routing a prompt needs no
    responses to it: the paper's "train time" regime. The majority is taken to be right, so shared errors are trusted.

    Adaptations: responses are embedded as hashed words and word pairs of unit length, without a network, where the
    paper uses all-mpnet-base-v2. The prediction is ``-d``, which chooses the same model without the pole of ``1 / d``,
    because the estimate of d may be 0 or negative. It is not normalised within a prompt, because prompts on which a
    model agrees with the others are those that it answers well. Calibration, which is not part of the router, does use
    the quality on validation.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models, at least three.
        num_neighbors: K nearest train prompts whose responses are used; None uses all.
    """

    def __init__(self, embedding_dim: int, num_models: int, num_neighbors: int | None) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_neighbors = num_neighbors
        if num_neighbors is not None and num_neighbors < 1:
            raise InputError(f"router.num_neighbors must be at least 1, or null for all prompts, got {num_neighbors}")
        if num_models < 3:
            raise InputError(f"router=smoothie tells who is right by a majority of at least 3 models, got {num_models}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit to the responses of ``train``; there are no hyperparameters.

        Raises:
            InputError: the table has no responses, or no prompt with responses of three models.
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
        self._overall = np.where(np.isnan(self._overall), np.nanmax(self._overall), self._overall)  # never answered

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the negative error variance of every model for ``(N, D)`` embeddings, and cost."""
        return Prediction(-self._local(embeddings), self.cost.predict(embeddings), scale="ranking")

    def _local(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.num_neighbors is None:
            return np.tile(self._overall, (len(embeddings), 1))
        _, neighbors = self.memory.search(embeddings, min(self.num_neighbors, len(self.variances)))
        chunks = (neighbors[start : start + CHUNK] for start in range(0, max(len(neighbors), 1), CHUNK))
        return np.concatenate([_known_means(self.variances[chunk], self._overall) for chunk in chunks])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Vectors of the train prompts, the ``(N, M)`` variances on each, and the arrays of the cost."""
        return {"embeddings": self.memory.vectors, "variances": self.variances, **self.cost.arrays()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self._remember(arrays["embeddings"], arrays["variances"])
        self.cost = RidgeCost.from_arrays(arrays)


def error_variances(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate each model's error variance: the mean of ``(d_ij + d_ik - d_jk) / 2`` over all pairs j, k of others.

    ``d_ij`` is the squared distance of two responses; for independent errors its mean is ``d_i + d_j`` (arXiv
    2412.04692). The mean over all pairs only depends on the sums of distances.

    Args:
        distances: ``(N, M)`` sum of the squared distances of a model's response to all others, NaN without a response.

    Returns:
        ``(N, M)`` variances, unbiased, so possibly negative on a prompt; NaN without a response or two others.

    Example:
        The first two models agree, the third has distance 1 from both.

        >>> error_variances(np.array([[1.0, 1.0, 2.0]])).tolist()
        [[0.0, 0.0, 1.0]]
    """
    answers = np.isfinite(distances).sum(axis=1, keepdims=True)
    total = np.nansum(distances, axis=1, keepdims=True) / 2
    pairs = np.where(answers > 2, (answers - 1) * (answers - 2), np.nan)
    return ((answers - 1) * distances - total) / pairs


def _distances(table: OutcomeTable) -> NDArray[np.float64]:
    """``(N, M)`` sums of squared distances to the responses of the other models; NaN without a response."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if table.responses is None:
        return np.full(table.quality.shape, np.nan)
    answered = table.responses.astype(bool)  # neither None nor empty
    hashing = HashingVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))  # keeps "A" and "-"
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
    """``(..., M)`` means of the known cells over the last axis but one; the ``(M,)`` fallback if there are none."""
    known = np.isfinite(cells)
    counts = known.sum(axis=-2)
    return np.where(counts > 0, np.where(known, cells, 0).sum(axis=-2) / np.maximum(counts, 1), fallback)
