"""Run a program: output folder, tracker, and one-line errors instead of tracebacks."""

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
    """Run the block as a program: check the seeds, create the output folder and open the tracker's run.

    Args:
        cfg: composed config.
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
    """Validate the seeds.

    Raises:
        InputError: a seed is not in [0, 2**63).
    """
    for name in ("seed", "data.seed"):
        seed = OmegaConf.select(cfg, name, default=0)
        if seed not in range(2**63):
            raise InputError(f"{name} must be from 0 to {2**63 - 1}, got {seed}")


def make_folder(folder: Path | str) -> None:
    """Create a folder for results if it is missing, and check that it can be written to.

    Raises:
        InputError: it cannot be created or written to.
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
    """Creates the output folder before Hydra does, whose errors are tracebacks."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the folder of a single run."""
        with one_line_errors():
            make_folder(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the folder of all runs of ``-m``."""
        with one_line_errors():
            make_folder(config.hydra.sweep.dir)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Exit with one line instead of a traceback if the user made an error or the disk is full.

    In a sweep, with any launcher, only the failed job logs its message and ends. After all jobs, Hydra prints the first
    message and exits with status 1.
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
    # Launchers return an exception to the sweep, whereas sys.exit would end their worker and lose other jobs' results.
    # Hydra prints this exception without a traceback.
    raise CompactHydraException(f"error: {message}") from cause


def _is_job_of_sweep() -> bool:
    """Whether this job has a number from the launcher of a sweep."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")
