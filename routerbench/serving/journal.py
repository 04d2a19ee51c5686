"""The log of decisions, and the table of outcomes from feedback, which train.py reads."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from routerbench.errors import InputError
from routerbench.serving.errors import ServiceError
from routerbench.serving.metrics import Metrics

REMEMBERED = 20_000  # recent answers, with their prompts, kept in memory for feedback
_TAIL_BYTES = 64 * 2**20  # end of an existing log that is read at the start

log = logging.getLogger(__name__)


class Journal:
    """``FILE.jsonl`` with a line per decision, and ``FILE.outcomes.jsonl`` with a row per outcome.

    Outcomes are in the long layout of a table: prompt, model, quality, cost. Such a table has one row per prompt and
    model, so further feedback on the same pair is written to the log only. Files are opened for every line, so a log
    that was moved away is started anew.

    Args:
        path: path of the log.
        metrics: counts write errors.

    Raises:
        InputError: the log cannot be written or read.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self.path, self.outcomes_path = path, path.with_suffix(".outcomes.jsonl")
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines, rows = _read(path, _TAIL_BYTES), _read(self.outcomes_path)
        except OSError as error:
            raise InputError(f"{path}: the log cannot be written: {error.strerror}") from error
        answers = [line for line in lines if "id" in line and "model" in line]
        self._answers = OrderedDict((line["id"], _part(line)) for line in answers[-REMEMBERED:])
        self._known = {_key(row) for row in rows}

    async def decided(self, id_: str, **line: Any) -> None:
        """Log one answered request.

        Args:
            id_: identifier for feedback.
            line: prompt, model, expectations and measurements.
        """
        line = {"id": id_, "time": round(time.time(), 3), **line}
        with self._lock:
            self._answers[id_] = _part(line)
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        with contextlib.suppress(OSError):  # a full disk must not fail requests; it is counted and logged
            await self._append(self.path, line)

    async def measured(self, id_: str, quality: float, cost: float | None = None) -> bool:
        """Log the quality of an answer.

        Args:
            id_: identifier of the answer.
            quality: in [0, 1].
            cost: in USD, if the client knows it; by default what the service measured.

        Returns:
            Whether it was added to the outcomes, as the first of its prompt and model.

        Raises:
            ServiceError: 404, the answer is unknown or too old; 503, the feedback could not be written.
        """
        with self._lock:
            answer = self._answers.get(id_)
            if answer is None:
                raise ServiceError(404, f"no answer of id {id_!r} among the last {REMEMBERED} in the log")
            # A request without text, such as an image, cannot be learned from.
            is_new = answer["prompt"] is not None and _key(answer) not in self._known
            if is_new:
                self._known.add(_key(answer))
        measured = {"quality": quality, "cost": answer["cost"] if cost is None else cost}
        try:
            await self._append(self.path, {"id": id_, "time": round(time.time(), 3), "feedback": measured})
            if is_new:
                row = {"prompt": answer["prompt"], "model": answer["model"], **measured}
                await self._append(self.outcomes_path, row)
        except OSError as error:
            if is_new:
                self._known.discard(_key(answer))
            raise ServiceError(503, f"the feedback could not be written ({error.strerror}); send it again") from error
        return is_new

    async def _append(self, path: Path, line: dict[str, Any]) -> None:
        """Append in a thread, so that a slow disk does not delay other requests."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, _append, path, line)
        except OSError as error:
            self._metrics.log_errors.inc()
            log.error("%s: a line could not be written: %s", path, error.strerror)
            raise


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def _read(path: Path, last_bytes: int | None = None) -> list[dict[str, Any]]:
    """Read the lines of a file, and create it if missing. A last line that was only half written is skipped."""
    lines = []
    with path.open("a+b") as stream:
        size = stream.tell()
        if size:
            stream.seek(size - 1)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        skip = 0 if last_bytes is None else max(0, size - last_bytes)
        stream.seek(skip)
        if skip:
            stream.readline()
        for line in stream:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                lines.append(record)
    return lines


def _part(line: dict[str, Any]) -> dict[str, Any]:
    """Select what feedback needs of a decision."""
    return {name: line.get(name) for name in ("prompt", "model", "cost")}


def _key(row: dict[str, Any]) -> bytes:
    """Hash a prompt and a model."""
    return hashlib.blake2b(f"{row.get('model')}\0{row.get('prompt')}".encode(), digest_size=16).digest()
