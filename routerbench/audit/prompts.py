"""Audit of prompts: copies, ties, label scales, and the smallest differences a test set can resolve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.audit.headroom import Luck, oracle_of_repeats
from routerbench.data.outcomes import SPLITS, OutcomeTable
from routerbench.data.split import duplicate_groups

_CONFIDENCE = 1.96  # standard errors in half a 95 % interval
_MAX_LEVELS = 20


@dataclass(frozen=True)
class Copies:
    """Prompts that are the same up to white space and case.

    Attributes:
        num_copies: number of prompts that repeat an earlier one.
        num_straddling: number of prompts of the published "val" and "test" splits with a copy in an earlier split.
        num_conflicting: number of texts whose copies have different qualities.
        num_texts: number of texts that occur more than once.
        repeats: the oracle on a second measurement, from pairs of copies in one benchmark; None without any.
    """

    num_copies: int
    num_straddling: dict[str, int]
    num_conflicting: int
    num_texts: int
    repeats: Luck | None


@dataclass(frozen=True)
class Ties:
    """Numbers of models that are equally good on a prompt, over the prompts without missing qualities.

    Attributes:
        num_prompts: number of such prompts.
        tied: share of them with several best models.
        mean_best: mean number of best models.
        all_solve: share on which every model has quality 1.
        none_solves: share on which every model has quality 0.
        all_alike: share on which all models have the same quality.
        counts: ``(M + 1,)`` number of prompts by the number of best models; index 0 counts those that no model solves.
    """

    num_prompts: int
    tied: float
    mean_best: float
    all_solve: float
    none_solves: float
    all_alike: float
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of a table.

    Attributes:
        name: name of the benchmark.
        num_prompts: number of prompts, in all splits.
        num_test: number of scored test prompts.
        scale: scale of its labels, see ``label_scale``.
        num_values: number of distinct qualities.
        resolution: half width of the 95 % interval of a difference on its test prompts; None with fewer than two.
    """

    name: str
    num_prompts: int
    num_test: int
    scale: str
    num_values: int
    resolution: float | None


def find_copies(table: OutcomeTable) -> Copies:
    """Count copies, before a split is repaired.

    Args:
        table: the table as it was read, with or without a split.
    """
    group = duplicate_groups(table.prompts)
    order = np.argsort(group, kind="stable")
    follows = np.append(False, np.diff(group[order]) == 0)
    pairs = np.column_stack([order[:-1], order[1:]])[follows[1:]]  # k copies of a text give k - 1 pairs
    same = np.asarray(table.benchmark[pairs[:, 0]] == table.benchmark[pairs[:, 1]], dtype=bool)
    is_known = np.isfinite(table.quality[pairs]).all(axis=(1, 2))
    before, after = table.quality[pairs.T]
    conflicts = ((before != after) & np.isfinite(before) & np.isfinite(after)).any(axis=1)
    return Copies(
        num_copies=len(pairs),
        num_straddling=_straddling(table.split, group),
        num_conflicting=len(np.unique(group[pairs[conflicts, 0]])),
        num_texts=len(np.unique(group[pairs[:, 0]])),
        repeats=oracle_of_repeats(table.quality, pairs[same & is_known]),
    )


def count_ties(quality: NDArray[np.float64]) -> Ties:
    """Count models that are equally good.

    Args:
        quality: ``(N, M)`` measured quality in [0, 1]; rows with a missing cell are left out, but not all.
    """
    quality = quality[np.isfinite(quality).all(axis=1)]
    best, worst = quality.max(axis=1), quality.min(axis=1)
    num_best = (quality == best[:, None]).sum(axis=1)
    return Ties(
        num_prompts=len(quality),
        tied=float((num_best > 1).mean()),
        mean_best=float(num_best.mean()),
        all_solve=float((worst == 1).mean()),
        none_solves=float((best == 0).mean()),
        all_alike=float((best == worst).mean()),
        counts=np.bincount(np.where(best > 0, num_best, 0), minlength=quality.shape[1] + 1),
    )


def describe_benchmarks(table: OutcomeTable) -> tuple[Benchmark, ...]:
    """Describe each benchmark of a split table, the largest first."""
    names = table.benchmark.astype(str)
    is_scored = np.asarray(table.split == "test") & table.is_complete
    found = []
    for name in np.unique(names):
        rows = names == name
        values = np.unique(table.quality[rows])
        values = values[np.isfinite(values)]
        part = table.quality[rows & is_scored]
        found.append(
            Benchmark(str(name), int(rows.sum()), len(part), label_scale(values), len(values), resolution(part))
        )
    return tuple(sorted(found, key=lambda benchmark: (-benchmark.num_prompts, benchmark.name)))


def label_scale(values: NDArray[np.float64]) -> str:
    """Name a scale of labels: "one value", "0/1", "quarters", "tenths", "20 values" or "continuous".

    Args:
        values: distinct qualities in [0, 1].

    Example:
        >>> [label_scale(np.array(values)) for values in ([1], [0, 1], [0, 0.5, 1], [0.1, 0.3], [0.25, 0.3])]
        ['one value', '0/1', 'halves', 'tenths', '2 values']
    """
    if len(values) < 2:
        return "one value"
    for steps, name in ((1, "0/1"), (2, "halves"), (3, "thirds"), (4, "quarters"), (5, "fifths"), (10, "tenths")):
        if np.allclose(values * steps, np.round(values * steps), rtol=0, atol=1e-6):
            return name
    return f"{len(values)} values" if len(values) <= _MAX_LEVELS else "continuous"


def resolution(quality: NDArray[np.float64]) -> float | None:
    """Compute the half width of the 95 % interval of a difference of two mean qualities on the same prompts.

    ``1.96 * sd / sqrt(n)``, where sd is that of the paired difference of two models, the median over all pairs. Routers
    differ on fewer prompts than models do, so differences between routers are known more precisely.

    Args:
        quality: ``(n, M)`` measured quality without missing cells.

    Returns:
        In units of quality; None with fewer than two prompts.

    Example:
        >>> round(resolution(np.array([[0.0, 1.0], [1.0, 1.0]] * 50)), 4)
        0.0985
    """
    if len(quality) < 2:
        return None
    covariance = np.cov(quality, rowvar=False)
    variance = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    pairs = np.triu_indices(quality.shape[1], 1)
    spread = float(np.median(np.sqrt(np.maximum(variance[pairs], 0))))
    return _CONFIDENCE * spread / float(np.sqrt(len(quality)))


def _straddling(split: NDArray[np.object_] | None, group: NDArray[np.int64]) -> dict[str, int]:
    if split is None:
        return {"val": 0, "test": 0}
    order = {name: place for place, name in enumerate((*SPLITS, ""))}
    code = np.array([order[name] for name in split])
    first = np.full(group.max() + 1, len(SPLITS))
    np.minimum.at(first, group, code)
    return {name: int(((code > first[group]) & (code == order[name])).sum()) for name in ("val", "test")}
