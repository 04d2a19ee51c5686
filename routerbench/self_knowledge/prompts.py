"""What an audit of self-knowledge knows of each prompt: groups and features, some told by the prompt alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.routers.base import Prediction
from routerbench.routers.benchmark import softmax_regression
from routerbench.self_knowledge.loss_prediction import Features

PROMPT_ONLY, BENCHMARK_ID = "prompt only", "benchmark id"
_NUM_COMPONENTS = 20
_NUM_CLUSTERS = 8
_PENALTY = 0.1  # of the guess of the benchmark, one of those that router=benchmark tries


class Side(NamedTuple):
    """One split, as the router sees it.

    Attributes:
        table: N outcomes.
        prediction: of the router, on the scale "quality".
        quality: ``(N, M)`` predicted, in [0, 1].
        groups: ``(N,)`` names by what prompts are grouped by.
        features: of the loss predictors.
        is_graded: ``(N,)`` whether the prompt's benchmark has grades.
    """

    table: OutcomeTable
    prediction: Prediction
    quality: NDArray[np.float64]
    groups: dict[str, NDArray[np.str_]]
    features: list[Features]
    is_graded: NDArray[np.bool_]


def prompt_groups(
    train: Examples, embeddings: Sequence[NDArray[np.float32]], seed: int
) -> tuple[str, list[NDArray[np.str_]]]:
    """Groups that a prompt's embedding tells: the benchmark it seems to come from, or one of eight clusters.

    Args:
        train: teaches the guess of the benchmark; where there is one only, its k-means clusters.
        embeddings: ``(N, D)`` of each of some splits.
        seed: of the first centroids.

    Returns:
        What prompts are grouped by, and ``(N,)`` names for each split.
    """
    names, label = np.unique(train.table.benchmark.astype(str), return_inverse=True)
    if len(names) > 1:
        slopes, bias = softmax_regression(train.embeddings, label, _PENALTY)
        return "guessed benchmark", [names[(part @ slopes + bias).argmax(axis=1)] for part in embeddings]
    from sklearn.cluster import KMeans

    kmeans = KMeans(min(_NUM_CLUSTERS, len(train.embeddings)), n_init=1, random_state=seed).fit(train.embeddings)
    return "cluster", [np.char.add("cluster ", kmeans.predict(part).astype(str)) for part in embeddings]


def graded_benchmarks(*tables: OutcomeTable) -> tuple[str, ...]:
    """Benchmarks with an outcome that is neither 0 nor 1, of any model."""
    found: set[str] = set()
    for table in tables:
        is_grade = np.isfinite(table.quality) & (table.quality != 0) & (table.quality != 1)
        found |= {str(name) for name in table.benchmark[is_grade.any(axis=1)]}
    return tuple(sorted(found))


def both_sides(
    train: Examples, parts: tuple[Examples, Examples], predictions: tuple[Prediction, Prediction], seed: int
) -> list[Side]:
    """Validation and test with what is known of their prompts.

    Args:
        train: teaches principal components, clusters and the guess of the benchmark.
        parts: validation and test.
        predictions: of the router for them.
        seed: of clusters.
    """
    project = _principal_components(train.embeddings)
    word, groups = prompt_groups(train, [part.embeddings for part in parts], seed)
    graded = graded_benchmarks(train.table, parts[0].table)
    has_benchmarks = word == "guessed benchmark"
    sides = []
    for part, prediction, own in zip(parts, predictions, groups, strict=True):
        benchmark = part.table.benchmark.astype(str)
        features = [
            Features("q alone", PROMPT_ONLY, np.empty((len(own), 0))),
            Features("embedding", PROMPT_ONLY, project(part.embeddings)),
            Features(word, PROMPT_ONLY, _one_hot(own, groups[0])),
        ]
        by = {word: own}
        if has_benchmarks:
            features.append(
                Features("benchmark", BENCHMARK_ID, _one_hot(benchmark, parts[0].table.benchmark.astype(str)))
            )
            by["benchmark"] = benchmark
        quality = prediction.quality.clip(0, 1)
        sides.append(Side(part.table, prediction, quality, by, features, np.isin(benchmark, graded)))
    return sides


def _principal_components(embeddings: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """The map to the first 20 principal components of train, each of variance 1 there."""
    center = embeddings.mean(axis=0, dtype=np.float64)
    _, size, directions = np.linalg.svd(embeddings - center, full_matrices=False)
    number = min(_NUM_COMPONENTS, int((size > 1e-6 * size[0]).sum()))
    scaled = directions[:number].T * np.sqrt(len(embeddings)) / size[:number]
    return lambda vectors: (vectors - center) @ scaled


def _one_hot(names: NDArray[np.str_], known: NDArray[np.str_]) -> NDArray[np.float64]:
    """``(N, G)`` which of the G known names each prompt has; none for one that is unknown."""
    return (names[:, None] == np.unique(known)).astype(np.float64)
