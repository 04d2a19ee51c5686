"""A trial of a study: one ``train.py`` process and its result."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextmanager
def stoppable() -> Iterator[None]:
    """Exit cleanly on Ctrl-C and SIGTERM, with the exit status that shells use for these signals."""

    def stop(number: int, _: Any) -> NoReturn:
        sys.exit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    # Shells start background jobs with SIGINT ignored; do not override that.
    before = {number: signal.signal(number, stop) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(command: list[str], stderr: IO[str]) -> int:
    """Run a training, which is terminated if this process ends, and return its exit status."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


def _end_with_parent() -> None:
    """Have this process terminated when its parent ends, even by SIGKILL."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def outcome(place: Path, status: int) -> tuple[float | None, str]:
    """Return a trial's ``val/aiq``, or None and the reason for its absence."""
    if status < 0:
        names = {number.value: number.name for number in signal.Signals}
        return None, f"killed by {names.get(-status, f'signal {-status}')}"
    if status:
        lines = (place / "stderr.txt").read_text(errors="replace").split("\n")
        said = [line for line in lines if line.startswith("error: ")] or [line for line in lines if line.strip()]
        return None, said[-1].removeprefix("error: ") if said else f"train.py ended with status {status}"
    card = place / "router" / "router.json"
    if not card.is_file():
        return None, "train.py saved no router; leave experiment=... out"
    value = json.loads(card.read_text())["validation"]["val/aiq"]
    return (value, "") if value is not None and math.isfinite(value) else (None, f"val/aiq is {value}")
