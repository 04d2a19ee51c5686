"""Build one outcome table from several files, with integer codes for prompts and models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.checks import Column, response_cells
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import read_split
from routerbench.errors import InputError

NUMBERS = ("quality", "cost", "input_tokens", "output_tokens")

log = logging.getLogger(__name__)


class TableBuilder:
    """Collects the outcomes of a source, keeping the order in which they are added.

    Repeated measurements of a cell, such as several votes on one response, are averaged, and the first response is
    kept. A prompt in several benchmarks is assigned to the first of them. The number of both cases is logged.

    Args:
        source: file or folder, for error messages.
    """

    def __init__(self, source: Path) -> None:
        self.source = str(source)
        self._row: dict[Any, int] = {}
        self._model: dict[str, int] = {}
        self._prompts: list[tuple[str, str, str, str]] = []  # prompt, benchmark, split, file
        self._other: dict[int, str] = {}  # maps a row to a further benchmark of its prompt
        self._cells: list[dict[str, NDArray[Any]]] = []

    def rows(
        self,
        keys: Sequence[Any],
        prompts: NDArray[np.object_],
        benchmark: Sequence[str],
        split: str,
        file: Path,
        name: str,
        places: NDArray[np.int64] | None = None,
        advice: str = "correct one of them",
    ) -> NDArray[np.int64]:
        """Number the prompts of a file.

        Args:
            keys: ``n`` keys; rows of the source with the same key are the same prompt.
            prompts: ``(n,)`` texts, as returned by ``read_prompts``.
            benchmark: ``n`` names.
            split: name of the split, or "" if the file does not state one.
            file: the file.
            name: name of the prompt column, for the error message.
            places: ``(n,)`` index of each prompt's row in the file, for the error message; None if they are all rows.
            advice: what to do if two prompts have the same key, for the error message.

        Returns:
            ``(n,)`` index of each prompt in the table.

        Raises:
            InputError: a key has a different prompt or split than before.
        """
        found = np.empty(len(prompts), dtype=np.int64)
        for position, (key, text, kind) in enumerate(zip(keys, prompts, benchmark, strict=True)):
            row = found[position] = self._row.setdefault(key, len(self._prompts))
            if row == len(self._prompts):
                self._prompts.append((text, kind, split, str(file)))
                continue
            first, its_kind, its_split, its_file = self._prompts[row]
            place = f"{file}: row {(position if places is None else places[position]) + 1}, column {name!r}"
            if first != text:
                raise InputError(
                    f"{place}: {text[:50]!r} is another prompt than {first[:50]!r} of {its_file}, but both are number "
                    f"{key!r}; {advice}"
                )
            if its_split != split:
                raise InputError(
                    f"{place}: prompt {text[:50]!r} is in {split!r} here, in {its_split!r} in {its_file}; keep it in "
                    "one of them"
                )
            if its_kind != kind:
                self._other.setdefault(row, kind)
        return found

    def models(self, names: Sequence[str] | NDArray[np.object_]) -> NDArray[np.int64]:
        """``(n,)`` index of each model; new models are added."""
        numbers = (self._model.setdefault(name, len(self._model)) for name in names)
        return np.fromiter(numbers, dtype=np.int64, count=len(names))

    def add(
        self, row: NDArray[np.int64], model: NDArray[np.int64] | str, response: Column | None = None, **cells: Column
    ) -> None:
        """Add ``n`` measurements.

        Args:
            row: ``(n,)`` index of the prompt, from ``rows``.
            model: ``(n,)`` index of the model, from ``models``, or the name of a single model.
            response: ``(n,)`` texts, or None.
            cells: ``(n,)`` checked "quality" and, optionally, "cost", "input_tokens" and "output_tokens".
        """
        if isinstance(model, str):
            model = np.repeat(self.models([model]), len(row))
        given = {"row": row, "model": model, **cells}
        self._cells.append(given if response is None else given | {"response": response_cells(response)})

    def table(self) -> OutcomeTable:
        """Build the table; the split is kept if it has train and test.

        Raises:
            InputError: no outcome was added.
        """
        shape = len(self._prompts), len(self._model)
        if not any(len(part["row"]) for part in self._cells):
            raise InputError(f"{self.source}: no outcomes; each model needs a quality in some row")
        place = np.concatenate([part["row"] * shape[1] + part["model"] for part in self._cells])
        cells, number = np.unique(place, return_inverse=True)
        repeats = len(place) - len(cells)
        if repeats:
            log.info("%s: %d outcomes are of a prompt and model seen before: means are taken", self.source, repeats)
        if self._other:
            row, other = next(iter(self._other.items()))
            log.info(
                "%s: %d prompts are in several benchmarks and are kept in the first, as %r and not %r",
                *(self.source, len(self._other), self._prompts[row][1], other),
            )
        added = {word for part in self._cells for word in part}
        values = {word: _mean(self._column(word), number, cells, shape) for word in NUMBERS if word in added}
        unknown = np.full(shape, np.nan)
        prompts, benchmark, split, _ = (np.array(column, dtype=object) for column in zip(*self._prompts, strict=True))
        tokens = [values.get(word, unknown) for word in ("input_tokens", "output_tokens")]
        return OutcomeTable(
            prompts=prompts,
            models=tuple(self._model),
            quality=values["quality"],
            cost=values.get("cost", unknown),
            benchmark=benchmark,
            ids=np.array([str(number + 1) for number in range(shape[0])], dtype=object),
            rows=np.arange(shape[0]),
            source=self.source,
            split=self._split(split),
            responses=self._responses(place, shape) if "response" in added else None,
            tokens=np.stack(tokens, axis=2) if {"input_tokens", "output_tokens"} & added else None,
        )

    def _column(self, word: str) -> NDArray[np.float64]:
        parts = [part.get(word, np.full(len(part["row"]), np.nan)) for part in self._cells]
        return np.concatenate(parts).astype(np.float64)

    def _responses(self, place: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.object_]:
        parts = [part.get("response", np.full(len(part["row"]), None, dtype=object)) for part in self._cells]
        texts = np.concatenate(parts)
        responses = np.full(shape[0] * shape[1], None, dtype=object)
        known = np.flatnonzero(texts != None)[::-1]  # noqa: E711, elementwise; reversed so that the first response wins
        responses[place[known]] = texts[known]
        return responses.reshape(shape)

    def _split(self, split: NDArray[np.object_]) -> NDArray[np.object_] | None:
        words = set(split.tolist())
        if words == {""}:
            return None
        try:
            known = read_split(split, np.arange(len(split)), "split", self.source)
        except InputError:
            known = split
        if {"train", "test"} <= set(known.tolist()) <= {"train", "val", "test"}:
            return known
        named = ", ".join(repr(word) for word in sorted(words))
        log.info("%s: its split (%s) is not one to train and test on and is left out", self.source, named)
        return None


def _mean(
    values: NDArray[np.float64], number: NDArray[np.int64], cells: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """``(N, M)`` mean of the known values of each cell, NaN if there are none.

    Args:
        values: ``(n,)`` measurements, NaN if unknown.
        number: ``(n,)`` index into ``cells`` of each measurement.
        cells: ``(C,)`` row-major index of each measured cell; sparse for battles, so sums are computed for these only.
        shape: N, M.
    """
    known = np.isfinite(values)
    count = np.bincount(number[known], minlength=len(cells))
    total = np.bincount(number[known], weights=values[known], minlength=len(cells))
    out = np.full(shape[0] * shape[1], np.nan)
    out[cells] = np.divide(total, count, out=np.full(len(cells), np.nan), where=count > 0)
    return out.reshape(shape)
