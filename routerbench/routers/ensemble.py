"""A weighted mean of several routers, for users who do not want to choose one."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.benchmark import BenchmarkRouter
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.stacking import folds, joined, routing_weights


class EnsembleRouter(ClosedFormRouter):
    """Predicts the weighted mean of several routers, most of them fitted to a summary of the prompt.

    The summary is a guess of the prompt's benchmark, by the router ``benchmark``, and the first principal components of
    the embedding. The guess contains most of what is predictable about the models' outcomes, and neighbours or a forest
    on 384 features only find it with many more prompts than are available: on LLMRouter's 14 task sets, the summary
    raises the AIQ of kNN by .006 and that of ridge regression by .010.

    The mean is a super learner (van der Laan et al. 2007, Super Learner): the guess and all members predict every
    prompt of train and val out of fold, and the weights are those with which the mean of these predictions routes best.
    Members see a prompt at different scales (single neighbours, the benchmark, or nothing), so the mean shrinks each
    towards the next. On a table without any signal, the constant member gets all the weight.

    All models share the same weights. Weights per model, by least squares, were tried: the models' errors then differ,
    and with many models the luckiest is called (see `routerbench.policy.guard`). Ridge regression on the residuals of
    the guess, outcomes of low rank, and fitting the members to validation as well were also tried: their gains on parts
    of train did not carry over to test.

    Cost is predicted separately, by ridge regression of its logarithm on the whole embedding.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        guess: options of the router ``benchmark`` that makes the guess.
        on_summary: members that see the summary: maps values of ``router=`` to their options. They must be fitted in
            closed form and predict a quality.
        on_embedding: members that see the embedding, in the same format.
        num_components: number of principal components in the summary, at least 1.
        num_folds: number of folds of train and val, at least 2.
        seed: random seed of the folds and of the bags of prompts.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        guess: Mapping[str, Any],
        on_summary: Mapping[str, Mapping[str, Any]],
        on_embedding: Mapping[str, Mapping[str, Any]],
        num_components: int,
        num_folds: int,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.guess = dict(guess)
        self.on_summary = {name: dict(options) for name, options in on_summary.items()}
        self.on_embedding = {name: dict(options) for name, options in on_embedding.items()}
        self.num_components = num_components
        self.num_folds = num_folds
        self.seed = seed
        if num_components < 1 or num_folds < 2:
            raise InputError(
                f"router.num_components must be at least 1 and router.num_folds at least 2, got {num_components} and "
                f"{num_folds}"
            )
        self._guesser()
        self._routers(num_components)

    def _guesser(self) -> BenchmarkRouter:
        return BenchmarkRouter(self.embedding_dim, self.num_models, **self.guess)

    def _routers(self, summary_dim: int) -> dict[str, ClosedFormRouter]:
        """Create unfitted members, named by their view and router."""
        views = {"summary": (summary_dim, self.on_summary), "embedding": (self.embedding_dim, self.on_embedding)}
        return {
            f"{view}.{name}": _router_class(name)(dim, self.num_models, **options)
            for view, (dim, members) in views.items()
            for name, options in members.items()
        }

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit the weights to out-of-fold predictions, then fit guess and members to ``train``, selecting by ``val``.

        A member selects its hyperparameters on the fold that it predicts; with few candidates, this bias is negligible.
        """
        rng = np.random.default_rng(self.seed)
        examples = joined(train, val)
        self.guesser = self._guesser()
        self.guesser.fit(train, val, score)
        self.center = examples.embeddings.mean(axis=0)
        self.components = _components(examples.embeddings - self.center, self.num_components)

        parts = list(folds(examples.table, self.num_folds, rng))
        shape = examples.table.quality.shape
        summary = np.empty((len(examples.table), len(self.guesser.names) + len(self.components)), np.float32)
        guessed, cost = np.empty(shape), np.empty(shape)
        for is_held in parts:
            rest, held = examples.take(~is_held), examples.take(is_held)
            guesser = self._guesser()
            guesser.fit(rest, held, score)
            summary[is_held] = self._summary(held.embeddings, guesser)
            guessed[is_held] = guesser.predict(held.embeddings).quality
            cost[is_held] = RidgeCost.fit(rest).predict(held.embeddings)

        views = {"summary": Examples(examples.table, summary), "embedding": examples}
        self.routers = self._routers(summary.shape[1])
        is_train = np.arange(len(summary)) < len(train.table)
        quality = [guessed]
        for name, router in self.routers.items():
            seen = views[_view(name)]
            quality.append(np.empty(shape))
            for is_held in parts:
                held = seen.take(is_held)
                router.fit(seen.take(~is_held), held, score)
                quality[-1][is_held] = router.predict(held.embeddings).quality
            router.fit(seen.take(is_train), seen.take(~is_train), score)
        self.weights = routing_weights(np.array(quality), cost, examples.table, score, rng)
        self.cost = RidgeCost.fit(examples)

    def _summary(self, embeddings: NDArray[np.float32], guesser: BenchmarkRouter) -> NDArray[np.float32]:
        """``(N, G + P)`` benchmark probabilities, in the order of the final guess, and principal components."""
        is_known = np.isin(guesser.names, self.guesser.names)  # train may lack a benchmark of val
        place = np.searchsorted(self.guesser.names, guesser.names[is_known])
        posterior = np.zeros((len(embeddings), len(self.guesser.names)))
        posterior[:, place] = guesser.posterior(embeddings)[:, is_known]
        return np.hstack([posterior, (embeddings - self.center) @ self.components.T]).astype(np.float32)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict the weighted mean quality and the cost of ``(N, D)`` embeddings."""
        views = {"summary": self._summary(embeddings, self.guesser), "embedding": embeddings}
        quality = self.weights[0] * self.guesser.predict(embeddings).quality
        for weight, (name, router) in zip(self.weights[1:], self.routers.items(), strict=True):
            if weight > 0:
                quality = quality + weight * router.predict(views[_view(name)]).quality
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(1 + K,)`` weights of guess and members, summary, cost, and each part's arrays, prefixed with its name."""
        own = {"weights": self.weights, "center": self.center, "components": self.components} | self.cost.arrays()
        for name, router in {"guess": self.guesser, **self.routers}.items():
            own |= {f"{name}.{key}": array for key, array in router.arrays().items()}
        return own

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.weights, self.center, self.components = (arrays[key] for key in ("weights", "center", "components"))
        self.cost = RidgeCost.from_arrays(arrays)
        self.guesser = self._guesser()
        self.guesser.load_arrays(_under("guess.", arrays))
        self.routers = self._routers(len(self.guesser.names) + len(self.components))
        for name, router in self.routers.items():
            router.load_arrays(_under(f"{name}.", arrays))


def _view(name: str) -> str:
    return name.partition(".")[0]


def _router_class(name: str) -> type[ClosedFormRouter]:
    """Return the router class of a value of ``router=``."""
    try:
        module = importlib.import_module(f"routerbench.routers.{name}")
    except ImportError as error:
        raise InputError(f"router.on_summary and router.on_embedding: no router {name!r}") from error
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ == module.__name__ and issubclass(cls, ClosedFormRouter):
            return cls
    raise InputError(f"router.on_summary and router.on_embedding: {name!r} is not fitted in closed form; leave it out")


def _components(centered: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """``(P, D)`` first principal components of ``(N, D)`` rows; projections have mean squared length 1."""
    values, vectors = np.linalg.eigh((centered.T @ centered).astype(np.float64) / len(centered))
    first = vectors[:, ::-1][:, :number].T
    first = first * np.sign(first.sum(axis=1, keepdims=True) + 1e-12)  # an eigenvector's sign depends on the platform
    return (first / np.sqrt(max(values[::-1][:number].sum(), 1e-12))).astype(np.float32)


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
