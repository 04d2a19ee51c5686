"""Our routers as the selectors of vLLM Semantic Router: what its four JSON files hold, at one lambda.

The formats are those of the repository vllm-project/semantic-router, read in the loaders of
``src/semantic-router/pkg/modelselection`` (knn.go, kmeans.go, svm.go, mlp.go, features.go) and the trainer
``src/training/model_selection/ml_model_selection/models.py``. There a prompt is its embedding followed by 14 columns,
one of them 1: the category. Our routers know no category, and every selector here is built not to see these columns.

What a selector decides is the largest of M utilities ``worth * quality - price * cost``, as ours does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.routers.families.clusters import ClusterRouter
from routerbench.routers.knn import KNNRouter
from routerbench.routers.svm import SVMRouter

CATEGORIES = 14
STEP = 1e-3  # of the difference quotient that makes a linear function of exponentials


class Weighing(NamedTuple):
    """How quality and cost are weighed.

    Attributes:
        worth: of a unit of quality.
        price: of a USD.
        offset: ``(M,)`` what a guard adds to the quality of each model, at most 0.
    """

    worth: float
    price: float
    offset: NDArray[np.float64]

    def __call__(self, quality: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(..., M)`` utilities."""
        return self.worth * (quality + self.offset) - (self.price * cost if self.price else 0)


class Selector(NamedTuple):
    """A selector.

    Attributes:
        content: of its JSON file.
        choose: what its serving side does: the models chosen for ``(N, D)`` embeddings, as indices.
    """

    content: dict[str, Any]
    choose: Callable[[NDArray[np.float32]], NDArray[np.int64]]


def knn(router: KNNRouter, weigh: Weighing, names: Sequence[str]) -> Selector:
    """Every train prompt with every model, and the utility as the quality of the pair.

    Their rule: normalise, take the k nearest samples, add ``0.9 * quality + 0.1 * speed`` to the vote of each sample's
    model. Here all M samples of a prompt lie at one place and k is M times our K, so that the same K prompts vote, for
    every model with its utility: the largest vote is the largest mean utility. Zeros in the columns of the category
    leave the order of the distances alone. Utilities are brought into [0.01, 1], which older loaders want of a quality.

    Not exact with ``weighting=cosine``, as all neighbours vote alike, and where the table had empty cells, which are
    filled with what the router predicts there.
    """
    vectors, count = router.memory.vectors, router.chosen_neighbors
    quality, cost = router.quality, router.cost
    if not (np.isfinite(quality).all() and np.isfinite(cost).all()):
        predicted = router.predict(vectors)
        quality = np.where(np.isfinite(quality), quality, predicted.quality)
        cost = np.where(np.isfinite(cost), cost, predicted.cost)
    utility = weigh(quality, cost)
    utility = 0.01 + 0.99 * (utility - utility.min()) / (np.ptp(utility) or 1.0)
    models, samples = len(names), utility.size
    content = {
        "algorithm": "knn",
        "format_version": 2,
        "trained": True,
        "k": count * models,
        "labels": list(names) * len(vectors),
        "qualities": utility.ravel().tolist(),
        "latencies": [0] * samples,
        "model_names": sorted(names),
        "num_samples": samples,
        "feature_dim": vectors.shape[1] + CATEGORIES,
        "embeddings": [row for row in padded(vectors) for _ in range(models)],
    }
    return Selector(content, lambda x: utility[router.memory.search(x, count)[1]].sum(axis=1).argmax(axis=1))


def kmeans(router: ClusterRouter, labels: NDArray[np.int64], names: Sequence[str]) -> Selector:
    """Our centroids, each with the model that our router chooses at the centroid.

    Their rule: the model of the nearest centroid, by squared distance. Ours are unit vectors, so that this is the
    largest cosine. Exact for ``uniroute``, calibration and guard included; ``avengers`` mixes a few clusters, which
    one label for each cannot.

    Args:
        router: its clusters are taken.
        labels: ``(K,)`` the choice at each centroid.
        names: of the M models.
    """
    centroids = router.clusters.centroids
    content = {
        "algorithm": "kmeans",
        "trained": True,
        "num_clusters": len(centroids),
        "n_clusters": len(centroids),
        "efficiency_weight": 0.0,
        "model_names": sorted(names),
        "feature_dim": centroids.shape[1] + CATEGORIES,
        "cluster_models": [names[label] for label in labels],
        "centroids": padded(centroids),
    }
    return Selector(content, lambda x: labels[router.clusters.similarity(x).argmax(axis=1)])


def svm(router: SVMRouter, weigh: Weighing, names: Sequence[str]) -> Selector:
    """Three support vectors for each model, whose kernels add up to its utility.

    Their rule, libsvm's: each pair of models is decided by the sign of a sum of kernels, and who wins most pairs is
    chosen. With differences of utilities as these sums, that is the largest utility. Features of a unit embedding have
    the squared norm 2, so that ``exp(v.e) = exp(gamma (|s|^2 + 2)) kernel(s, x)`` for ``s = v / (2 gamma)``: cost, the
    exponential of a linear function, is one kernel, and quality, a linear function, a difference quotient of two.

    Left out is the clipping of quality to [0, 1]; the embeddings must be unit vectors.
    """
    slope, cost_slope = router.weights / router.std[:, None], np.nan_to_num(router.cost.weights)
    constant = weigh.worth * (router.bias - router.mean @ slope + weigh.offset)
    cost = (
        weigh.price * np.exp(np.nan_to_num(router.cost.bias, neginf=-np.inf)) if weigh.price else np.zeros(len(names))
    )
    directions = np.stack([cost_slope, STEP * slope, -STEP * slope]).transpose(2, 0, 1).reshape(3 * len(names), -1)
    lift = np.full(len(names), weigh.worth / (2 * STEP))
    factors = np.stack([-cost, lift, -lift], axis=1).ravel()
    squares = (directions**2).sum(axis=1)
    gamma = max(float(np.sqrt(squares.max() / 8)), 0.5)  # makes the exponents small
    with np.errstate(over="ignore"):
        coefficients = factors * np.exp(squares / (4 * gamma) + 2 * gamma)
    model = np.repeat(np.arange(len(names)), 3)
    first, second = np.triu_indices(len(names), k=1)
    # Row r weighs a vector of model m against model r + 1 if m is at most r, else against r, whose pair it ends.
    dual = np.where(np.arange(len(names) - 1)[:, None] >= model, coefficients, -coefficients)
    sign = -1.0 if len(names) == 2 else 1.0  # scikit-learn shows a single pair the other way round
    vectors = directions / (2 * gamma)
    content = {
        "algorithm": "svm",
        "format_version": 2,
        "trained": True,
        "model_names": list(names),
        "kernel_type": "Rbf",
        "gamma": gamma,
        "C": 1.0,
        "feature_dim": router.embedding_dim + CATEGORIES,
        "input_normalization": "none",
        "svc": {
            "support_vectors": np.pad(vectors, ((0, 0), (0, CATEGORIES))).tolist(),
            "dual_coef": (sign * dual).tolist(),
            "intercept": (sign * (constant[first] - constant[second])).tolist(),
            "n_support": [3] * len(names),
        },
    }

    def choose(x: NDArray[np.float32]) -> NDArray[np.int64]:
        distance = (x.astype(np.float64) ** 2).sum(axis=1, keepdims=True) + 1 + squares / (4 * gamma**2)
        kernels = np.exp(-gamma * (distance - 2 * x @ vectors.T)) * coefficients
        return (kernels.reshape(len(x), -1, 3).sum(axis=2) + constant).argmax(axis=1)

    return Selector(content, choose)


def padded(vectors: NDArray[np.float32]) -> list[list[float]]:
    """``(N, D + 14)`` rows of numbers: the shortest that are these float32, then zeros for the category."""
    zeros = [0.0] * CATEGORIES
    return [[*row, *zeros] for row in vectors.astype(str).astype(np.float64).tolist()]
