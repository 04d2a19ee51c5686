"""The table of outcomes that everything starts from: what each model answered to each prompt, and at what cost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class OutcomeTable:
    """Measured quality and cost of every model on every prompt. Built and checked by the readers of this folder only.

    Attributes:
        prompts: ``(N,)`` the request texts, none empty.
        models: ``M`` names, at least two, unique.
        quality: ``(N, M)`` measured quality in [0, 1]; NaN where it was not observed.
        cost: ``(N, M)`` measured cost in USD per prompt, at least 0; NaN where it is not known.
        benchmark: ``(N,)`` name of the benchmark each prompt belongs to.
        ids: ``(N,)`` unique name of each prompt.
        rows: ``(N,)`` index of each prompt among all prompts of the source, before any were filtered out.
        source: what error messages call the table, its file as a rule.
        split: ``(N,)`` "train", "val", "test", or "" for a prompt that no split may use; None before one is assigned.
        responses: ``(N, M)`` texts of the answers, or None.
        tokens: ``(N, M, 2)`` numbers of input and output tokens, NaN where they are not known; or None.
        prices: ``(M, 2)`` USD per million input and output tokens, or None.
    """

    prompts: NDArray[np.object_]
    models: tuple[str, ...]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]
    benchmark: NDArray[np.object_]
    ids: NDArray[np.object_]
    rows: NDArray[np.int64]
    source: str
    split: NDArray[np.object_] | None = None
    responses: NDArray[np.object_] | None = None
    tokens: NDArray[np.float64] | None = None
    prices: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Number of prompts N."""
        return len(self.prompts)

    @property
    def num_models(self) -> int:
        """Number of models M."""
        return len(self.models)

    @property
    def has_cost(self) -> bool:
        """Whether any cost is known; without one, only quality can be evaluated."""
        return bool(np.isfinite(self.cost).any())

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """``(N,)`` prompts whose every cell is known: those that scoring may use."""
        cells = np.isfinite(self.quality)
        return np.all(cells & np.isfinite(self.cost) if self.has_cost else cells, axis=1)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> OutcomeTable:
        """The table of some prompts, by index or mask."""
        return replace(
            self,
            prompts=self.prompts[rows],
            quality=self.quality[rows],
            cost=self.cost[rows],
            benchmark=self.benchmark[rows],
            ids=self.ids[rows],
            rows=self.rows[rows],
            split=None if self.split is None else self.split[rows],
            responses=None if self.responses is None else self.responses[rows],
            tokens=None if self.tokens is None else self.tokens[rows],
        )

    def in_split(self, split: str) -> NDArray[np.bool_]:
        """``(N,)`` whether each prompt is in a split.

        Args:
            split: "train", "val" or "test".

        Raises:
            InputError: the split is empty.
        """
        assert self.split is not None, "assign_split comes before in_split"
        rows: NDArray[np.bool_] = np.asarray(self.split == split)
        if not rows.any():
            raise InputError(f"{self.source}: the {split} split is empty; it has {len(self)} prompts in all")
        return rows

    def part(self, split: str) -> OutcomeTable:
        """The prompts of one split.

        Args:
            split: "train", "val" or "test".

        Raises:
            InputError: the split is empty.
        """
        return self.take(self.in_split(split))

    def select_models(self, models: Sequence[str]) -> OutcomeTable:
        """The table of some models, in the given order.

        Raises:
            InputError: a model is not in the table, or fewer than two are left.
        """
        for model in models:
            if model not in self.models:
                raise InputError(f"{self.source}: no model {model!r}; the table has {', '.join(self.models)}")
        if len(set(models)) < 2:
            raise InputError(f"{self.source}: routing needs at least two models, got {list(models)}")
        columns = [self.models.index(model) for model in dict.fromkeys(models)]
        return replace(
            self,
            models=tuple(dict.fromkeys(models)),
            quality=self.quality[:, columns],
            cost=self.cost[:, columns],
            responses=None if self.responses is None else self.responses[:, columns],
            tokens=None if self.tokens is None else self.tokens[:, columns],
            prices=None if self.prices is None else self.prices[columns],
        )

    def digest(self) -> str:
        """Hexadecimal fingerprint of models, ids, prompts and measurements; the split has its own."""
        sha = hashlib.sha256("\0".join(self.models).encode())
        for column in (self.ids, self.prompts, self.benchmark):
            sha.update("\0".join(column).encode(errors="surrogatepass"))
        for cells in (self.quality, self.cost, self.tokens):
            if cells is not None:
                sha.update(np.nan_to_num(cells, nan=-1.0).tobytes())
        return sha.hexdigest()[:16]

    def split_digest(self) -> str:
        """Hexadecimal fingerprint of which id is in which split, whatever their order."""
        assert self.split is not None, "assign_split comes before split_digest"
        pairs = sorted(zip(self.ids, self.split, strict=True))
        return hashlib.sha256("\0".join(f"{id_}\1{part}" for id_, part in pairs).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Examples:
    """The prompts of one split with their embeddings: what a router learns from.

    Attributes:
        table: the N outcomes.
        embeddings: ``(N, D)`` float32, one row per prompt of ``table``.
    """

    table: OutcomeTable
    embeddings: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        """Some of the prompts with their embeddings, by index or mask."""
        return Examples(self.table.take(rows), self.embeddings[rows])


class Parts(NamedTuple):
    """The three splits of a table, with their embeddings."""

    train: Examples
    val: Examples
    test: Examples

    @classmethod
    def of(cls, table: OutcomeTable, embeddings: NDArray[np.float32]) -> Parts:
        """Part a table that has its split.

        Args:
            table: N outcomes.
            embeddings: ``(N, D)``, one row per prompt of ``table``.

        Raises:
            InputError: a split is empty.
        """
        return cls(*(Examples(table.part(split), embeddings[table.in_split(split)]) for split in SPLITS))
