"""Headroom of a table: how much a router can gain, by what information, and how much of it is luck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.frontier import open_hull
from routerbench.evaluation.metrics import aiq
from routerbench.evaluation.references import benchmark_oracle, best_single, oracle, zero_router
from routerbench.evaluation.results import cost_interval_of, measure_on
from routerbench.evaluation.sweep import sweep_prediction
from routerbench.routers.base import Prediction

# Grid of standard normal difficulties and their probabilities, fine enough for a spread of _MAX_SPREAD logits.
_DIFFICULTY = np.linspace(-5, 5, 101)
_DENSITY = np.exp(-(_DIFFICULTY**2) / 2) / np.exp(-(_DIFFICULTY**2) / 2).sum()
_MAX_SPREAD = 8.0
_MAX_SKILL = 60.0
_HALVINGS = 40


@dataclass(frozen=True)
class Headroom:
    """Mean quality or AIQ without routing, with the benchmark known, and with perfect routing.

    Attributes:
        blind: without reading the prompt: best_single, or the AIQ of zero_router.
        benchmark_oracle: with each model's train mean on the prompt's benchmark.
        oracle: with the measured outcomes.
    """

    blind: float
    benchmark_oracle: float
    oracle: float

    @property
    def total(self) -> float:
        """``oracle - blind``."""
        return self.oracle - self.blind

    @property
    def between(self) -> float | None:
        """Share of the headroom gained by knowing the benchmark; negative for a loss, None without headroom.

        Example:
            >>> Headroom(blind=0.5, benchmark_oracle=0.625, oracle=1.0).between
            0.25
        """
        return (self.benchmark_oracle - self.blind) / self.total if self.total > 0 else None


@dataclass(frozen=True)
class Luck:
    """Quality of the oracle of measured outcomes, and an estimate of its luck.

    Attributes:
        num_prompts: number of prompts, or of pairs of copies.
        measured: mean quality of the oracle on them, in [0, 1].
        expected: the quantity to compare with; see the function that returns this.
    """

    num_prompts: int
    measured: float
    expected: float


def quality_headroom(test: OutcomeTable, train: OutcomeTable) -> Headroom:
    """Compute the headroom in mean quality, without regard to cost.

    Args:
        test: complete prompts to score on.
        train: table that best_single and benchmark_oracle learn on.
    """
    rows = np.arange(len(test))
    informed = benchmark_oracle(train, test).quality.argmax(axis=1)
    return Headroom(
        blind=float(test.quality[:, best_single(train)].mean()),
        benchmark_oracle=float(test.quality[rows, informed].mean()),
        oracle=float(test.quality.max(axis=1).mean()),
    )


def aiq_headroom(test: OutcomeTable, train: OutcomeTable) -> Headroom | None:
    """Compute the headroom in AIQ on the cost interval of the single models; None without distinct costs.

    Args:
        test: complete prompts to score on.
        train: table that benchmark_oracle learns on.
    """
    interval = cost_interval_of(test)
    if interval is None or measure_on(interval) != "aiq" or not train.has_cost:
        return None
    cost, quality = test.cost.mean(axis=0), test.quality.mean(axis=0)

    def area(prediction: Prediction) -> float:
        curve = sweep_prediction(prediction, test.quality, test.cost)
        return aiq(open_hull(curve.cost, curve.quality, cost, quality), *interval)

    blind = aiq(zero_router(cost, quality), *interval)
    return Headroom(blind, area(benchmark_oracle(train, test)), area(oracle(test)))


def oracle_of_repeats(quality: NDArray[np.float64], pairs: NDArray[np.int64]) -> Luck | None:
    """Score an oracle on a second measurement: it reads one copy of a prompt and is scored on the other.

    A repeated prompt is a repeated measurement. On the second copy, the best model of the first one, drawn at random
    among ties, keeps only the quality that was not luck.

    Args:
        quality: ``(N, M)`` measured quality without missing cells in the rows of ``pairs``.
        pairs: ``(P, 2)`` rows with the same prompt.

    Returns:
        ``measured`` on the copy that was read, ``expected`` on the other; None without pairs.

    Example:
        >>> luck = oracle_of_repeats(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0, 1]]))
        >>> luck.measured, luck.expected
        (1.0, 0.0)
    """
    if not len(pairs):
        return None
    read, other = quality[pairs.T.ravel()], quality[pairs[:, ::-1].T.ravel()]
    is_best = read == read.max(axis=1, keepdims=True)
    again = (is_best * other).sum(axis=1) / is_best.sum(axis=1)
    return Luck(len(pairs), float(read.max(axis=1).mean()), float(again.mean()))


def oracle_without_routing(quality: NDArray[np.float64], benchmark: NDArray[np.object_]) -> Luck | None:
    """Estimate the quality of the oracle if there were nothing to route within a benchmark.

    The null hypothesis is a Rasch model per benchmark: model m solves a prompt with probability
    ``1 / (1 + exp(d - a_m))``, where the difficulty d is normal over prompts. The strongest model is then the best
    choice on every prompt, and any gain of an oracle over it is luck, the maximum of M draws. The skills a match the
    models' means, and the spread of d matches the variance of the number of models that solve a prompt (method of
    moments).

    Args:
        quality: ``(N, M)`` measured quality; rows with a missing cell are left out.
        benchmark: ``(N,)`` names.

    Returns:
        The oracle as ``measured`` and as ``expected`` under the null, on the prompts of benchmarks with labels 0 and 1
        only. None if there are none, or fewer than three models, since two always agree with the null.
    """
    if quality.shape[1] < 3:
        return None
    parts = [
        (len(solved), float(solved.any(axis=1).mean()), _rasch_oracle(solved))
        for solved in _binary_parts(quality, benchmark)
    ]
    if not parts:
        return None
    counts, measured, expected = (np.array(column, dtype=np.float64) for column in zip(*parts, strict=True))
    weights = counts / counts.sum()
    return Luck(int(counts.sum()), float(weights @ measured), float(weights @ expected))


def _binary_parts(quality: NDArray[np.float64], benchmark: NDArray[np.object_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the ``(n, M)`` outcomes of each benchmark with labels 0 and 1 only."""
    known = np.isfinite(quality).all(axis=1)
    quality, names = quality[known], benchmark[known].astype(str)
    for name in np.unique(names):
        part = quality[names == name]
        if np.isin(part, (0.0, 1.0)).all():
            yield part == 1


def _rasch_oracle(solved: NDArray[np.bool_]) -> float:
    """Compute the share of prompts that some model solves under the Rasch model fitted to ``(n, M)`` outcomes."""
    means, variance = solved.mean(axis=0), float(solved.sum(axis=1).var())
    low, high = 0.0, _MAX_SPREAD
    for _ in range(_HALVINGS):  # the variance grows with the spread of the difficulties
        spread = (low + high) / 2
        chance = _rasch_chances(means, spread)
        score = chance.sum(axis=0)
        mean = _DENSITY @ score
        too_wide = _DENSITY @ ((score - mean) ** 2 + (chance * (1 - chance)).sum(axis=0)) > variance
        low, high = (low, spread) if too_wide else (spread, high)
    return float(1 - _DENSITY @ (1 - _rasch_chances(means, low)).prod(axis=0))


def _rasch_chances(means: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """Compute ``(M, 101)`` probabilities to solve a prompt of each difficulty, with given ``(M,)`` means."""
    low, high = np.full_like(means, -_MAX_SKILL), np.full_like(means, _MAX_SKILL)
    for _ in range(_HALVINGS):
        skill = (low + high) / 2
        too_strong = _chances(skill, spread) @ _DENSITY > means
        low, high = np.where(too_strong, low, skill), np.where(too_strong, skill, high)
    return _chances((low + high) / 2, spread)


def _chances(skill: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(spread * _DIFFICULTY - skill[:, None]))
