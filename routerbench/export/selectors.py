"""Export of routers to the selectors of vLLM Semantic Router, at one lambda.

The formats are those of the repository vllm-project/semantic-router, read in the loaders of
``src/semantic-router/pkg/modelselection`` (knn.go, kmeans.go, svm.go, mlp.go, features.go) and the trainer
``src/training/model_selection/ml_model_selection/models.py``. There a prompt is its embedding followed by a one-hot
encoding of its category, 14 columns. Our routers have no categories, so every selector ignores these columns.

A selector chooses the largest of M utilities ``worth * quality - price * cost``, as our routers do.
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
STEP = 1e-3  # step of the difference quotient that approximates a linear function by exponentials


class Weighing(NamedTuple):
    """Weights of quality and cost in a utility.

    Attributes:
        worth: weight of quality.
        price: weight of cost in USD.
        offset: ``(M,)`` added to the quality of each model by a guard, at most 0.
    """

    worth: float
    price: float
    offset: NDArray[np.float64]

    def __call__(self, quality: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute ``(..., M)`` utilities."""
        return self.worth * (quality + self.offset) - (self.price * cost if self.price else 0)


class Selector(NamedTuple):
    """A selector.

    Attributes:
        content: content of its JSON file.
        choose: maps ``(N, D)`` embeddings to the indices of the models that the selector chooses.
    """

    content: dict[str, Any]
    choose: Callable[[NDArray[np.float32]], NDArray[np.int64]]


def knn(router: KNNRouter, weigh: Weighing, names: Sequence[str]) -> Selector:
    """Pair every train prompt with every model, and use the utility as the quality of the pair.

    Their rule: normalise, take the k nearest samples, add ``0.9 * quality + 0.1 * speed`` to the vote of each sample's
    model. Here the M samples of a prompt coincide and k is M times our K, so the same K prompts vote for every model
    with its utility, and the largest vote is the largest mean utility. Zeros in the category columns do not change the
    order of distances. Utilities are scaled to [0.01, 1], the range of a quality in older loaders.

    Not exact with ``weighting=cosine``, because all neighbours have the same vote, nor for tables with missing cells,
    which are filled with the router's predictions.
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
    """Export our centroids, each with the model that our router chooses at the centroid.

    Their rule: the model of the nearest centroid, by squared distance. Ours are unit vectors, for which this is the
    largest cosine. Exact for ``uniroute``, including calibration and guard, but not for ``avengers``, which mixes a few
    clusters.

    Args:
        router: router whose clusters are exported.
        labels: ``(K,)`` chosen model at each centroid.
        names: names of the M models.
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
    """Export three support vectors per model, whose kernels add up to its utility.

    Their rule is libsvm's: the sign of a sum of kernels decides each pair of models, and the model that wins most pairs
    is chosen. If these sums are differences of utilities, that is the largest utility. A unit embedding with its
    category has squared norm 2, so ``exp(v.e) = exp(gamma (|s|^2 + 2)) kernel(s, x)`` for ``s = v / (2 gamma)``: cost,
    the exponential of a linear function, is one kernel; quality, a linear function, is a difference quotient of two.

    Quality is not clipped to [0, 1], and the embeddings must be unit vectors.
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
    gamma = max(float(np.sqrt(squares.max() / 8)), 0.5)  # keeps the exponents small
    with np.errstate(over="ignore"):
        coefficients = factors * np.exp(squares / (4 * gamma) + 2 * gamma)
    model = np.repeat(np.arange(len(names)), 3)
    first, second = np.triu_indices(len(names), k=1)
    # Row r weights a vector of model m against model r + 1 if m <= r, else against model r, the first of that pair.
    dual = np.where(np.arange(len(names) - 1)[:, None] >= model, coefficients, -coefficients)
    sign = -1.0 if len(names) == 2 else 1.0  # scikit-learn reverses the sign of a single pair
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
    """Convert to ``(N, D + 14)`` rows of the shortest decimals that round to the same float32, padded with zeros."""
    zeros = [0.0] * CATEGORIES
    return [[*row, *zeros] for row in vectors.astype(str).astype(np.float64).tolist()]
