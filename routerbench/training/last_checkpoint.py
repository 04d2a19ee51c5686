"""A callback that writes a checkpoint while training, so that a killed run loses little."""

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

log = logging.getLogger(__name__)
NAME = "last.ckpt"
SECONDS = 30.0
SHARE = 0.02  # maximum share of the time spent on writing more often than every ``SECONDS``


class LastCheckpoint(Checkpoint):
    """Callback that writes ``last.ckpt``.

    It writes at the end of an epoch, and within epochs if ``within_epochs``, when ``seconds`` have passed since the
    last checkpoint, or earlier if the last write took less than 2% of the time since then. The complete new file
    replaces the old one in one step. Lightning's ModelCheckpoint writes no last checkpoint before the end if it keeps
    no best one, and BestEpoch keeps that.

    Args:
        folder: folder of the file.
        option: option that resumes a run from the file, for a message.
        seconds: maximum time between two checkpoints.
        within_epochs: whether a resumed run can go on in the middle of an epoch.
    """

    def __init__(self, folder: Path, option: str, seconds: float = SECONDS, within_epochs: bool = False) -> None:
        self.folder, self.option, self.seconds, self.within_epochs = folder, option, seconds, within_epochs
        self.cost = 0.0  # seconds of the last write
        self.written = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the clock."""
        self.written = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write within an epoch, after a step of the optimizer: a checkpoint has no accumulated gradients."""
        is_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if self.within_epochs and is_step and self._is_due(trainer):
            self._write(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write after an epoch."""
        if self._is_due(trainer):
            self._write(trainer)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write at the end, so that more epochs can follow."""
        self._write(trainer)

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        """Log how to resume after a signal, and exit with 128 + the signal; Lightning exits with 0 after SIGTERM."""
        if isinstance(exception, SystemExit) and exception.code is None:
            exception.code = 128 + signal.SIGTERM
        if isinstance(exception, SystemExit | KeyboardInterrupt) and (self.folder / NAME).is_file():
            log.warning("interrupted; go on with %s=%s", self.option, os.path.relpath(self.folder / NAME))

    def _is_due(self, trainer: L.Trainer) -> bool:
        elapsed = time.monotonic() - self.written
        # All processes write together, or none does.
        return bool(trainer.strategy.broadcast(elapsed >= min(self.seconds, self.cost / SHARE)))

    def _write(self, trainer: L.Trainer) -> None:
        started = time.monotonic()
        # Not atomic_path: all processes write one checkpoint together, so all must name the same file.
        part = self.folder / f"{NAME}.part"
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            os.replace(part, self.folder / NAME)
        self.written = time.monotonic()
        self.cost = self.written - started
