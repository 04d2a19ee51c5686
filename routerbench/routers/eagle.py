"""Eagle (arXiv 2409.15518): Elo ratings of the models, overall and on the nearest train prompts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.levels import levels, logit
from routerbench.routers.families.neighbors import Memory, normalized

K = 32.0  # maximum change of a rating by one battle, in Elo points
START = 1000.0  # initial rating of every model in Elo points; the mean over all models never changes
POINTS = 400 / np.log(10)  # Elo points per unit of log odds
CHUNK = 256  # queries per chunk, to limit the memory of their local battles, (num_neighbors, M, queries)


class EagleRouter(ClosedFormRouter):
    """Scores the models by a mixture of a global and a local Elo rating, in Elo points.

    Every two models that were observed on a train prompt fight a battle: the higher quality wins, equal qualities draw.
    The global rating is computed by replaying all battles in random order, averaged over several orders; the local
    rating starts from it and replays the battles of the nearest prompts. The score is
    ``share * global + (1 - share) * local``.

    Adaptations: a table gives ``M (M - 1) / 2`` battles per prompt, where the paper collects feedback on one. An Elo
    rating forgets all but about its last thirty battles, so going through the prompts one by one would leave little but
    the last prompt; therefore every pair of models starts at its own position in the sequence of prompts, and ratings
    are averaged over the replay. Ratings are differences and not comparable across prompts, so the level of the nearest
    prompts is added in Elo points, as calibration requires; this does not change the choice between models. Validation
    may select other numbers of neighbours and shares than the paper's 20 and 0.5.

    An order of battles implies an order of models. Seats in the schedule are therefore assigned by outcomes, not by
    columns: permuting the models of a table permutes their scores.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        num_neighbors: one or more candidates for the number of nearest prompts; limited by the number of train prompts.
        global_share: one or more candidates for the share of the global rating, in [0, 1].
        num_shuffles: number of orders over which the global rating is averaged.
        seed: random seed of the orders and positions.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        num_neighbors: Sequence[int] | int,
        global_share: Sequence[float] | float,
        num_shuffles: int,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.num_neighbors = [num_neighbors] if isinstance(num_neighbors, int) else list(num_neighbors)
        self.global_share = [global_share] if isinstance(global_share, int | float) else list(global_share)
        self.num_shuffles = num_shuffles
        self.seed = seed
        if not self.num_neighbors or min(self.num_neighbors) < 1:
            raise InputError(f"router.num_neighbors must be a list of numbers of at least 1, got {self.num_neighbors}")
        if not self.global_share or not 0 <= min(self.global_share) <= max(self.global_share) <= 1:
            raise InputError(f"router.global_share must be a list of numbers from 0 to 1, got {self.global_share}")
        if num_shuffles < 1:
            raise InputError(f"router.num_shuffles must be at least 1, got {num_shuffles}")

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Rate the models on ``train``; select the number of neighbours and the share on ``val``."""
        rng = np.random.default_rng(self.seed)
        quality = train.table.quality
        seats = np.lexsort(np.nan_to_num(quality, nan=-1))
        self.rounds = seats[circle(self.num_models)]
        self.places = rng.random(self.rounds.shape[:2])
        orders = rng.permuted(np.tile(np.arange(len(quality)), (self.num_shuffles, 1)), axis=1)
        start = np.full((self.num_models, self.num_shuffles), START)
        history = replay(start, quality[orders.T].transpose(0, 2, 1), self.rounds, self.places)
        self._remember(normalized(train.embeddings), quality, history.mean(axis=(0, 2)))
        self.cost = RidgeCost.fit(train)
        cost = self.cost.predict(val.embeddings)
        scores = {}
        for k in self.num_neighbors:
            local, level = self._local(val.embeddings, k)
            for share in self.global_share:
                prediction = Prediction(self._mixed(local, level, share), cost, scale="ranking")
                scores[k, share] = score(prediction, val.table)
        self.chosen_neighbors, self.chosen_share = max(scores, key=lambda choice: scores[choice])

    def _remember(
        self, vectors: NDArray[np.float32], quality: NDArray[np.float64], rating: NDArray[np.float64]
    ) -> None:
        self.memory, self.quality, self.rating = Memory(vectors), quality, rating
        self._levels = levels(quality)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict Elo points, centred on the level of ``(N, D)`` prompts, and cost."""
        mixed = self._mixed(*self._local(embeddings, self.chosen_neighbors), self.chosen_share)
        return Prediction(mixed, self.cost.predict(embeddings), scale="ranking")

    def _local(
        self, embeddings: NDArray[np.float32], num_neighbors: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(N, M)`` local ratings and the neighbours' ``(N, 1)`` mean level."""
        _, neighbors = self.memory.search(embeddings, min(num_neighbors, len(self.quality)))
        chunks = (neighbors[start : start + CHUNK] for start in range(0, max(len(neighbors), 1), CHUNK))
        ratings = np.concatenate([self._local_ratings(chunk) for chunk in chunks])
        return ratings, self._levels[neighbors].mean(axis=1, keepdims=True)

    def _local_ratings(self, neighbors: NDArray[np.int64]) -> NDArray[np.float64]:
        start = np.tile(self.rating[:, None], (1, len(neighbors)))
        return replay(start, self.quality[neighbors.T].transpose(0, 2, 1), self.rounds, self.places).mean(axis=0).T

    def _mixed(self, local: NDArray[np.float64], level: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        return share * self.rating + (1 - share) * local + POINTS * logit(level)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The train prompts, the ratings, the schedule of battles, the selected hyperparameters, and the cost."""
        return {
            "embeddings": self.memory.vectors,
            "quality": self.quality,
            "rating": self.rating,
            "rounds": self.rounds,
            "places": self.places,
            "chosen_neighbors": np.array(self.chosen_neighbors),
            "chosen_share": np.array(self.chosen_share),
            **self.cost.arrays(),
        }

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.rounds, self.places = arrays["rounds"], arrays["places"]
        self._remember(arrays["embeddings"], arrays["quality"], arrays["rating"])
        self.chosen_neighbors, self.chosen_share = int(arrays["chosen_neighbors"]), float(arrays["chosen_share"])
        self.cost = RidgeCost.from_arrays(arrays)


def circle(num_models: int) -> NDArray[np.int64]:
    """Schedule rounds in which every two models meet once, by the circle method of tournaments.

    Args:
        num_models: M.

    Returns:
        ``(R, P, 2)`` models; no model occurs twice in a round. R = M - 1 rounds of P = M / 2 pairs, or R = M rounds of
            (M - 1) / 2 if M is odd.

    Example:
        >>> circle(4).tolist()
        [[[0, 3], [1, 2]], [[0, 2], [3, 1]], [[0, 1], [2, 3]]]
    """
    seats = np.arange(num_models + num_models % 2)
    rounds = []
    for _ in seats[1:]:
        left, right = np.split(seats, 2)
        pairs = np.stack([left, right[::-1]], axis=1)
        rounds.append(pairs[(pairs < num_models).all(axis=1)])  # with an odd number, one model pauses
        seats = np.concatenate([seats[:1], np.roll(seats[1:], 1)])
    return np.stack(rounds)


def replay(
    ratings: NDArray[np.float64],
    quality: NDArray[np.float64],
    rounds: NDArray[np.int64],
    places: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Update ratings battle by battle, ``R_a += K (S - E)`` with ``E = 1 / (1 + 10 ** ((R_b - R_a) / 400))``.

    S is 1 for a win, 1/2 for a draw and 0 for a loss; b loses what a wins. Every two models meet once in each of T
    turns, and over all turns once on every prompt. The pairs of a round are disjoint, so they can be updated together.

    Args:
        ratings: ``(M, B)`` Elo points before the first battle, for B independent replays.
        quality: ``(T, M, B)`` on T prompts, in [0, 1]; NaN means no battle.
        rounds: ``(R, P, 2)`` models that meet, from ``circle``.
        places: ``(R, P)`` in [0, 1), each pair's starting position in the cycle of prompts.

    Returns:
        ``(T, M, B)`` Elo points after each turn.

    Example:
        Two wins against an equal opponent; the second one counts less.

        >>> history = replay(np.full((2, 1), 1000.0), np.array([[[1.0], [0.0]]] * 2), circle(2), np.zeros((1, 1)))
        >>> history[:, :, 0].round(6).tolist()
        [[1016.0, 984.0], [1030.530498, 969.469502]]
    """
    turns, _, replays = quality.shape
    ratings, history = ratings.copy(), np.empty_like(quality)
    first, second = rounds.reshape(-1, 2).T
    place = (places.ravel() * turns).astype(np.int64)
    for turn in range(turns):
        prompt = (place + turn) % turns
        outcome = np.sign(quality[prompt, first] - quality[prompt, second]).reshape(*rounds.shape[:2], replays)
        stakes, outcome = K / 2 * np.isfinite(outcome), np.nan_to_num(outcome)
        for (a, b), stake, sign in zip(rounds.transpose(0, 2, 1), stakes, outcome, strict=True):
            ours, theirs = ratings[a], ratings[b]
            gain = stake * (sign - np.tanh((ours - theirs) / (2 * POINTS)))  # K (S - E)
            ratings[a], ratings[b] = ours + gain, theirs - gain
        history[turn] = ratings
    return history
