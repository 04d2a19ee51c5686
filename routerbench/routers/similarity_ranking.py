"""RouteLLM's similarity-weighted ranking (arXiv 2406.18665, section 4.2): a separate ranking for each prompt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.levels import levels, logit
from routerbench.routers.families.neighbors import normalized

CHUNK = 256  # queries per chunk, to limit the memory of their battles, (queries, M, M)
DRAWS = 1.0  # draws added between every two models, each with the weight of the most similar train prompt
MAX_STEPS = 100  # maximum number of Newton steps; about five are needed
TOLERANCE = 1e-6  # of the last step; the error is then about its square


class SimilarityRankingRouter(ClosedFormRouter):
    """Ranks the models by a Bradley-Terry model of all train prompts, weighted by their similarity to the query.

    Every two models that were observed on a train prompt fight a battle: the higher quality wins, equal qualities share
    the win. The weight of a battle is ``gamma ** (1 + cos / max cos)``, with the cosine similarity of its prompt to the
    query relative to that of the most similar prompt. The predictions are the models' log strengths in natural units
    (``400 / ln 10`` times these are Elo points), centred on the logit of all models' quality on such prompts.

    Adaptations: the battles come from an outcome table, not from human votes; there are any number of models, each with
    its own strength, where the paper pools 64 models in 10 tiers; one draw is added between every two models, with the
    weight of the most similar prompt, so that the strength of a model that never lost is finite; validation may select
    a ``gamma`` that is sharper than the paper's 10, with which the most similar of thousands of prompts weighs only ten
    times as much as an unrelated one; and because strengths are differences, the level that calibration needs is added.
    It does not change win rates or the choice between models.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        gamma: one or more candidates, above 1.
    """

    def __init__(self, embedding_dim: int, num_models: int, gamma: Sequence[float] | float) -> None:
        super().__init__(embedding_dim, num_models)
        self.gamma = [gamma] if isinstance(gamma, int | float) else list(gamma)
        if not self.gamma or not 1 < min(self.gamma) <= max(self.gamma) < np.inf:
            raise InputError(f"router.gamma must be a list of numbers above 1, got {self.gamma}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Store the train prompts and select ``gamma`` on ``val``."""
        self._remember(normalized(train.embeddings), train.table.quality)
        self.cost = RidgeCost.fit(train)
        cost = self.cost.predict(val.embeddings)
        scores = [
            score(Prediction(self._strengths(val.embeddings, gamma), cost, scale="ranking"), val.table)
            for gamma in self.gamma
        ]
        self.chosen_gamma = self.gamma[int(np.argmax(scores))]

    def _remember(self, vectors: NDArray[np.float32], quality: NDArray[np.float64]) -> None:
        self.vectors, self.quality = vectors, quality
        observed = np.isfinite(quality)
        self._pairs = np.triu_indices(self.num_models, 1)
        # In a complete table all pairs meet on every prompt: one distinct column instead of M (M - 1) / 2.
        meetings, self._meeting = np.unique(
            observed[:, self._pairs[0]] & observed[:, self._pairs[1]], axis=1, return_inverse=True
        )
        columns = [np.ones(len(quality)), levels(quality), wins(quality), meetings]
        self._outcomes = np.column_stack(columns).astype(np.float32)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict log strengths, centred on the level of ``(N, D)`` prompts, and cost."""
        strengths = self._strengths(embeddings, self.chosen_gamma)
        return Prediction(strengths, self.cost.predict(embeddings), scale="ranking")

    def win_rate(self, embeddings: NDArray[np.float32], strong: int, weak: int) -> NDArray[np.float64]:
        """``(N,)`` probabilities that ``strong`` answers better than ``weak``; RouteLLM applies a threshold to them.

        See ``policy.strong_share_threshold`` for the threshold that gives a desired share of strong calls.

        Args:
            embeddings: ``(N, D)`` queries.
            strong: index of one model.
            weak: index of another.
        """
        strengths = self._strengths(embeddings, self.chosen_gamma)
        return _sigmoid(strengths[:, strong] - strengths[:, weak])

    def _strengths(self, embeddings: NDArray[np.float32], gamma: float) -> NDArray[np.float64]:
        queries = normalized(embeddings)
        chunks = (queries[start : start + CHUNK] for start in range(0, max(len(queries), 1), CHUNK))
        return np.concatenate([self._ranked(chunk, gamma) for chunk in chunks])

    def _ranked(self, queries: NDArray[np.float32], gamma: float) -> NDArray[np.float64]:
        """``(Q, M)`` scores of ``(Q, D)`` unit vectors, from the weighted totals of battles and levels."""
        totals = (similarity_weights(queries @ self.vectors.T, gamma) @ self._outcomes).astype(np.float64)
        weight, level, won, meetings = np.split(totals, [1, 2, 2 + self.num_models], axis=1)
        battles = np.zeros((len(queries), self.num_models, self.num_models))
        battles[:, *self._pairs] = meetings[:, self._meeting] + DRAWS
        strengths = bradley_terry(won + DRAWS / 2 * (self.num_models - 1), battles + battles.transpose(0, 2, 1))
        return logit(level / weight) + strengths

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Vectors and quality of the train prompts, the selected gamma, and the arrays of the cost."""
        return {
            "embeddings": self.vectors,
            "quality": self.quality,
            "chosen_gamma": np.array(self.chosen_gamma),
            **self.cost.arrays(),
        }

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self._remember(arrays["embeddings"], arrays["quality"])
        self.chosen_gamma = float(arrays["chosen_gamma"])
        self.cost = RidgeCost.from_arrays(arrays)


def similarity_weights(similarity: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """Compute RouteLLM's weights ``gamma ** (1 + cos / max cos)``, divided by their maximum, ``gamma ** 2``.

    Unlike in RouteLLM, the ratio is clipped at -1, to limit the range for queries that resemble no train prompt.

    Args:
        similarity: ``(Q, N)`` cosine similarities of queries and train prompts.
        gamma: above 1.

    Returns:
        ``(Q, N)`` weights in [gamma ** -2, 1].

    Example:
        >>> similarity_weights(np.array([[0.8, 0.4, 0.0]]), gamma=10).round(3).tolist()
        [[1.0, 0.316, 0.1]]
    """
    largest = np.maximum(similarity.max(axis=1, keepdims=True), 1e-6)
    return np.exp(np.log(gamma).astype(similarity.dtype) * (np.clip(similarity / largest, -1, 1) - 1))


def wins(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the models that each model beats on each prompt; a tie is half a win.

    Args:
        quality: ``(N, M)`` in [0, 1], NaN if not observed: no battle.

    Returns:
        ``(N, M)`` wins.

    Example:
        >>> wins(np.array([[1.0, 0.5, 0.5, np.nan]])).tolist()
        [[2.0, 0.5, 0.5, 0.0]]
    """
    counts = sum((quality > other) + (quality == other) / 2 for other in quality.T[:, :, None])
    return counts - np.isfinite(quality) / 2  # a model ties with itself


def bradley_terry(won: NDArray[np.float64], battles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit log strengths s of the Bradley-Terry model ``P(i beats j) = 1 / (1 + exp(s_j - s_i))`` by maximum likelihood.

    Uses Newton's method, for Q sets of battles at once.

    Args:
        won: ``(Q, M)`` total weight of the battles won by each model, above 0 and below that of its battles.
        battles: ``(Q, M, M)`` total weight of the battles of every two models, symmetric with zero diagonal.

    Returns:
        ``(Q, M)`` strengths in natural units, with mean 0.

    Example:
        With two models, winning 3 of 4 battles means odds of 3: the log strengths are plus and minus half of log 3.

        >>> strengths = bradley_terry(np.array([[3.0, 1.0]]), np.array([[[0.0, 4.0], [4.0, 0.0]]]))
        >>> np.exp(2 * strengths).round(3).tolist()
        [[3.0, 0.333]]
    """
    num_models = won.shape[1]
    diagonal = np.arange(num_models)
    odds = won / (battles.sum(axis=2) - won)
    strengths = (1 - 1 / num_models) * np.log(odds)  # exact for two models, a good start for more
    strengths -= strengths.mean(axis=1, keepdims=True)
    for _ in range(MAX_STEPS):
        rates = _sigmoid(strengths[:, :, None] - strengths[:, None, :])
        gradient = won - (battles * rates).sum(axis=2)
        gradient -= gradient.mean(axis=1, keepdims=True)  # 0 except for rounding errors of the totals
        information = battles * rates * (1 - rates)
        # The negative Hessian; the added ones fix the mean at 0, because only differences are determined.
        curvature = 1 - information
        curvature[:, diagonal, diagonal] += information.sum(axis=2)
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        # A step that changes no difference by more than 1 always raises the likelihood, so the iteration converges.
        step /= np.maximum(1, np.ptp(step, axis=1, keepdims=True))
        strengths += step
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    return strengths


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(logits / 2)) / 2  # exp would overflow far from 0
