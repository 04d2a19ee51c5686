"""The audit of a table: what it can and cannot teach a router, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.audit.headroom import Headroom, Luck, aiq_headroom, oracle_without_routing, quality_headroom
from routerbench.audit.leakage import Leakage, benchmark_leakage
from routerbench.audit.models import Costs, Models, check_costs, compare_models
from routerbench.audit.prompts import (
    Benchmark,
    Copies,
    Ties,
    count_ties,
    describe_benchmarks,
    find_copies,
    resolution,
)
from routerbench.data.outcomes import SPLITS, OutcomeTable
from routerbench.data.split import assign_split
from routerbench.errors import InputError
from routerbench.evaluation.references import best_single


@dataclass(frozen=True)
class Size:
    """How much there is.

    Attributes:
        num_prompts: N.
        split_counts: prompts in "train", "val" and "test" as a router will find them, copies on one side only.
        is_published: whether the split is the table's own; a seeded one otherwise.
        num_unused: prompts that no split may use, as they are copies of prompts of an earlier split.
        num_left_out: prompts with a missing cell: a router learns from the rest of the row, but is not scored on it.
        missing_quality: ``(M,)`` prompts without the model's quality.
        missing_cost: ``(M,)`` prompts without the model's cost; zeros if the table has no cost at all.
        num_scored: complete prompts in test.
    """

    num_prompts: int
    split_counts: dict[str, int]
    is_published: bool
    num_unused: int
    num_left_out: int
    missing_quality: NDArray[np.int64]
    missing_cost: NDArray[np.int64]
    num_scored: int


@dataclass(frozen=True)
class Audit:
    """All that was found out about a table.

    Attributes:
        source: the table's name.
        size: prompts, splits and gaps.
        copies: repeated prompts.
        ties: models that are equally good on a prompt.
        best_single: name of the model with the best mean quality on train.
        quality: headroom in mean quality on test, learned from train; None if no prompt of test is complete.
        aiq: headroom in AIQ, None without costs too.
        no_routing: the oracle beside that of a world with nothing to route; None if labels are not 0 and 1.
        embedding: what the embeddings are called.
        leakage: what they give away; None with a single benchmark.
        models: the models side by side.
        costs: suspicious costs; None if the table has no cost.
        benchmarks: the benchmarks, the largest first.
        resolution: half width of the 95 % interval of a difference on all test prompts, in units of quality; None
            with fewer than two of them.
    """

    source: str
    size: Size
    copies: Copies
    ties: Ties
    best_single: str
    quality: Headroom | None
    aiq: Headroom | None
    no_routing: Luck | None
    embedding: str
    leakage: Leakage | None
    models: Models
    costs: Costs | None
    benchmarks: tuple[Benchmark, ...]
    resolution: float | None


def audit(
    published: OutcomeTable, embed: Callable[[OutcomeTable], NDArray[np.float32]], embedding: str, seed: int
) -> Audit:
    """Find out what a table can teach a router.

    Args:
        published: the table as it was read: with its own split, not yet repaired, or None.
        embed: gives the ``(n, D)`` embeddings of some of its prompts.
        embedding: what to call them.
        seed: of the split, where the table has none, and of the prompts that are drawn to be embedded.

    Raises:
        InputError: no prompt is complete, the table cannot be split, or train knows nothing of a model.
    """
    if not published.is_complete.any():
        raise InputError(f"{published.source}: each prompt has a missing quality or cost, so none can be scored")
    table = assign_split(published, seed)
    is_scored = (table.split == "test") & table.is_complete
    test, train = table.take(is_scored), table.part("train")
    return Audit(
        source=published.source,
        size=_measure(table, published.split is not None, len(test)),
        copies=find_copies(published),
        ties=count_ties(table.quality),
        best_single=table.models[best_single(train)],
        quality=quality_headroom(test, train) if len(test) else None,
        aiq=aiq_headroom(test, train) if len(test) else None,
        no_routing=oracle_without_routing(table.quality, table.benchmark),
        embedding=embedding,
        leakage=benchmark_leakage(table, embed, np.random.default_rng(seed)),
        models=compare_models(table),
        costs=check_costs(table),
        benchmarks=describe_benchmarks(table),
        resolution=resolution(test.quality),
    )


def _measure(table: OutcomeTable, is_published: bool, num_scored: int) -> Size:
    assert table.split is not None
    missing_cost = (~np.isfinite(table.cost)).sum(axis=0) if table.has_cost else np.zeros(table.num_models, np.int64)
    return Size(
        num_prompts=len(table),
        split_counts={name: int((table.split == name).sum()) for name in SPLITS},
        is_published=is_published,
        num_unused=int((table.split == "").sum()),
        num_left_out=int((~table.is_complete).sum()),
        missing_quality=(~np.isfinite(table.quality)).sum(axis=0),
        missing_cost=missing_cost,
        num_scored=num_scored,
    )
