"""Audit of a table of outcomes, before anything is trained on it."""

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
    """Numbers of prompts and missing cells.

    Attributes:
        num_prompts: N.
        split_counts: number of prompts in "train", "val" and "test" as a router gets them, with copies in one split.
        is_published: whether the split is the table's own; otherwise it is drawn by the seed.
        num_unused: number of prompts in no split, because they are copies of prompts of an earlier split.
        num_left_out: number of prompts with a missing cell: used for training, but not for scoring.
        missing_quality: ``(M,)`` number of prompts without the model's quality.
        missing_cost: ``(M,)`` number of prompts without the model's cost; zeros if the table has no cost.
        num_scored: number of complete prompts in test.
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
    """Results of an audit.

    Attributes:
        source: name of the table.
        size: prompts, splits and missing cells.
        copies: repeated prompts.
        ties: models that are equally good on a prompt.
        best_single: name of the model with the best mean quality on train.
        quality: headroom in mean quality on test, learned on train; None if no prompt of test is complete.
        aiq: headroom in AIQ; also None without costs.
        no_routing: measured oracle, and its expectation if routing were useless; None if labels are not 0 and 1.
        embedding: name of the embeddings.
        leakage: what the embeddings reveal about the benchmark; None with a single benchmark.
        models: comparison of the models.
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
    """Audit a table.

    Args:
        published: the table as it was read, with its own split before any repair, or without a split.
        embed: computes the ``(n, D)`` embeddings of some of its prompts.
        embedding: name of the embeddings.
        seed: random seed for the split, if the table has none, and for the sample of embedded prompts.

    Raises:
        InputError: no prompt is complete, the table cannot be split, or a model has no outcome in train.
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
