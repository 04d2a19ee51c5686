"""How a program runs: its output folder, its tracker, and errors that are one line instead of a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from routerbench.config.building import to_dict
from routerbench.errors import InputError
from routerbench.files import is_full
from routerbench.ranks import correct_ranks
from routerbench.tracking import Tracker, tracked

log = logging.getLogger(__name__)


@contextmanager
def running(cfg: DictConfig, job_type: str) -> Iterator[Tracker]:
    """Run the block as the program of ``cfg``: check what all programs share, and open the tracker's run.

    Args:
        cfg: what ``conf/`` composed to.
        job_type: "train" or "evaluate".

    Yields:
        The tracker to report to.
    """
    with one_line_errors():
        check_seeds(cfg)
        make_folder(cfg.output_dir)
        config = to_dict(cfg)
        correct_ranks(config)
        with tracked(config, job_type) as tracker:
            yield tracker


def check_seeds(cfg: DictConfig) -> None:
    """Refuse what no generator of random numbers takes.

    Raises:
        InputError: a seed is negative or too large.
    """
    for name in ("seed", "data.seed"):
        seed = OmegaConf.select(cfg, name, default=0)
        if seed not in range(2**63):
            raise InputError(f"{name} must be from 0 to {2**63 - 1}, got {seed}")


def make_folder(folder: Path | str) -> None:
    """Make a folder for results if it is missing, or say at once that nothing could be saved there.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_full(error):
            raise
        raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another hydra.run.dir=...") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written to; choose another hydra.run.dir=...")


class OutputFolder(Callback):
    """Makes the output folder before Hydra does, which would report a mistake by a traceback."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Of one run."""
        with one_line_errors():
            make_folder(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Of all runs of ``-m``."""
        with one_line_errors():
            make_folder(config.hydra.sweep.dir)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with the message of an ``InputError``, or that the disk is full, instead of a traceback.

    Of a sweep, by whatever launcher, only the job ends: it logs the message, the others go on, and when all are done
    Hydra prints the message of the first that failed and exits with status 1.
    """
    try:
        yield
    except InputError as error:
        _end(str(error), error)
    except MissingMandatoryValue as error:
        _end(f"an option without a default is not set: {error.full_key}=...", error)
    except OSError as error:
        if not is_full(error):
            raise
        path = error.filename2 or error.filename or "the output folder"
        _end(f"{path}: the disk is full; free some space and run again", error)


def _end(message: str, cause: Exception) -> NoReturn:
    if not _is_job_of_sweep():
        sys.exit(f"error: {message}")
    log.error("error: %s", message)
    # Launchers hand an exception back to the sweep; sys.exit would end their worker, and with it what others found.
    # This exception is one that Hydra prints without a traceback.
    raise CompactHydraException(f"error: {message}") from cause


def _is_job_of_sweep() -> bool:
    """Whether the launcher of a sweep has given this job its number."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")
