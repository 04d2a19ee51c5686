"""The outcome table: quality and cost of every model's response to every prompt."""

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
    """Measured quality and cost of every model on every prompt. Only the readers in this package build and check it.

    Attributes:
        prompts: ``(N,)`` request texts, none empty.
        models: ``M`` names, at least two, unique.
        quality: ``(N, M)`` measured quality in [0, 1]; NaN if not observed.
        cost: ``(N, M)`` measured cost in USD per prompt, at least 0; NaN if unknown.
        benchmark: ``(N,)`` name of each prompt's benchmark.
        ids: ``(N,)`` unique id of each prompt.
        rows: ``(N,)`` index of each prompt among all prompts of the source, before filtering.
        source: name of the table in error messages, usually its file.
        split: ``(N,)`` "train", "val" or "test", or "" for an unused prompt; None before a split is assigned.
        responses: ``(N, M)`` response texts, or None.
        tokens: ``(N, M, 2)`` input and output token counts, NaN if unknown; or None.
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
        """Whether any cost is known; otherwise only quality can be evaluated."""
        return bool(np.isfinite(self.cost).any())

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """``(N,)`` mask of the prompts without missing values, the only ones used for scoring."""
        cells = np.isfinite(self.quality)
        return np.all(cells & np.isfinite(self.cost) if self.has_cost else cells, axis=1)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> OutcomeTable:
        """Select prompts by index or mask."""
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
        """Select the prompts of one split.

        Args:
            split: "train", "val" or "test".

        Raises:
            InputError: the split is empty.
        """
        return self.take(self.in_split(split))

    def select_models(self, models: Sequence[str]) -> OutcomeTable:
        """Select models, in the given order.

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
        """Compute a hexadecimal fingerprint of models, ids, prompts and measurements, without the split."""
        sha = hashlib.sha256("\0".join(self.models).encode())
        for column in (self.ids, self.prompts, self.benchmark):
            sha.update("\0".join(column).encode(errors="surrogatepass"))
        for cells in (self.quality, self.cost, self.tokens):
            if cells is not None:
                sha.update(np.nan_to_num(cells, nan=-1.0).tobytes())
        return sha.hexdigest()[:16]

    def split_digest(self) -> str:
        """Compute a hexadecimal fingerprint of the split of each id, independent of row order."""
        assert self.split is not None, "assign_split comes before split_digest"
        pairs = sorted(zip(self.ids, self.split, strict=True))
        return hashlib.sha256("\0".join(f"{id_}\1{part}" for id_, part in pairs).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Examples:
    """Prompts with their outcomes and embeddings, as used to fit a router.

    Attributes:
        table: the N outcomes.
        embeddings: ``(N, D)`` float32, one row per prompt of ``table``.
    """

    table: OutcomeTable
    embeddings: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        """Select prompts by index or mask."""
        return Examples(self.table.take(rows), self.embeddings[rows])


class Parts(NamedTuple):
    """The train, validation and test splits of a table, with embeddings."""

    train: Examples
    val: Examples
    test: Examples

    @classmethod
    def of(cls, table: OutcomeTable, embeddings: NDArray[np.float32]) -> Parts:
        """Divide a table by its split.

        Args:
            table: N outcomes, with a split.
            embeddings: ``(N, D)``, one row per prompt of ``table``.

        Raises:
            InputError: a split is empty.
        """
        return cls(*(Examples(table.part(split), embeddings[table.in_split(split)]) for split in SPLITS))
