"""Hydra's side of the house: the typed top level of ``conf/``, and how ``train.py`` and ``evaluate.py`` report errors.

Nothing else in the package knows Hydra.
"""

import logging
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import hydra.utils
from hydra import compose
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Transformer
from hydra.errors import CompactHydraException, ConfigCompositionException, HydraException, InstantiationException
from hydra.experimental.callback import Callback
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from routerbench.errors import InputError
from routerbench.files import is_full

log = logging.getLogger(__name__)


@dataclass
class PolicyConfig:
    """How cautiously predictions are used."""

    guard: Any = MISSING


@dataclass
class TrainConfig:
    """The words that ``train.py`` understands; each group is a folder of ``conf/``."""

    data: Any = MISSING
    encoder: Any = MISSING
    router: Any = MISSING
    training: Any = MISSING
    finetune: Any = None
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    experiment: Any = None
    online: Any = None
    calibration: str = MISSING
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    seed: int = MISSING
    cache_dir: str = MISSING
    output_dir: str = MISSING


@dataclass
class EvaluateConfig:
    """The words that ``evaluate.py`` understands."""

    routers: list[str] = MISSING
    data: Any = None
    encoder: Any = None
    cascade: Any = None
    budget: Any = None
    abstention: Any = None
    logger: Any = None
    baselines: list[str] = MISSING
    keep: float | None = MISSING
    budget_usd_per_1k: float | None = MISSING
    resamples: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    cache_dir: str = MISSING
    output_dir: str = MISSING


ConfigStore.instance().store("train_schema", TrainConfig)
ConfigStore.instance().store("evaluate_schema", EvaluateConfig)


def instantiate(node: DictConfig, **arguments: Any) -> Any:
    """Build the object that a config describes, letting an ``InputError`` of its constructor through unwrapped."""
    try:
        return hydra.utils.instantiate(node, **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def get_class(node: DictConfig) -> type:
    """The class of the object that a config describes."""
    return hydra.utils.get_class(node._target_)


def words(group: str) -> list[str]:
    """All options of a group of ``conf/``."""
    return GlobalHydra.instance().config_loader().get_group_options(group)


def overrides() -> dict[str, list[str]]:
    """What was typed on the command line, by the top-level word that it is about."""
    typed: dict[str, list[str]] = {}
    for override in HydraConfig.get().overrides.task:
        typed.setdefault(re.split(r"[.=/@]", override.lstrip("+~"))[0], []).append(override)
    return typed


def recompose(overrides: Sequence[str]) -> DictConfig:
    """What another command line would compose to.

    Raises:
        InputError: an option does not exist.
    """
    try:
        return compose(HydraConfig.get().job.config_name, list(overrides))
    except ConfigCompositionException as error:
        raise InputError(f"{' '.join(overrides)}: {str(error).splitlines()[0]}") from error


def instantiate_data(config: dict[str, Any]) -> Any:
    """Read the table that an artefact's card describes; a card may name a reader of this package and nothing else."""
    target = str(config.get("_target_"))
    if not target.startswith("routerbench.data."):
        raise InputError(f"refuses to call {target!r} for the data a router was trained on; pass data=...")
    return instantiate(OmegaConf.create(config))


class Range(NamedTuple):
    """A range of numbers to search; whole ones if both ends are.

    Attributes:
        low: smallest, included.
        high: largest, included.
        is_log: whether each factor, rather than each step, is as likely.
    """

    low: float
    high: float
    is_log: bool


def search_space(words: Sequence[str]) -> tuple[list[str], dict[str, Range | list[str]]]:
    """Split a command line into what it fixes and what it leaves open, by the grammar of Hydra's sweeps.

    Returns:
        The overrides with one value, and of each other option its choices or its interval.

    Raises:
        InputError: a word is no override, or an interval is empty.

    Example:
        >>> search_space(["router=mlp", "seed=0,1", "training.optimizer.lr=tag(log,interval(1e-4,1e-2))"])
        (['router=mlp'], {'seed': ['0', '1'], 'training.optimizer.lr': Interval(low=0.0001, high=0.01, is_log=True)})
    """
    fixed: list[str] = []
    space: dict[str, Range | list[str]] = {}
    parser = OverridesParser.create()
    for word in words:
        try:
            override = parser.parse_override(word)
            value, name = override.value(), word.split("=", 1)[0]
            if isinstance(value, IntervalSweep):
                assert value.start is not None
                assert value.end is not None
                space[name] = Range(value.start, value.end, "log" in value.tags)
            elif override.is_sweep_override():
                space[name] = list(map(str, override.sweep_iterator(Transformer.str)))
            else:
                fixed.append(word)
        except HydraException as error:
            raise InputError(f"{word}: {str(error).splitlines()[0]}") from error
        found = space.get(name)
        if isinstance(found, Range) and not (0 if found.is_log else -math.inf) < found.low < found.high < math.inf:
            raise InputError(f"{word}: not an interval from low to high, on a log scale above 0")
    return fixed, space


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


def to_dict(node: DictConfig) -> dict[str, Any]:
    """A config as plain data, resolved."""
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]


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
