"""Hydra's side of the house: the typed top level of ``conf/``, and how ``train.py`` and ``evaluate.py`` report errors.

Nothing else in the package knows Hydra.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hydra.utils
from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from routerbench.errors import InputError
from routerbench.files import is_full


@dataclass
class TrainConfig:
    """The words that ``train.py`` understands; each group is a folder of ``conf/``."""

    data: Any = MISSING
    encoder: Any = MISSING
    router: Any = MISSING
    training: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    seed: int = MISSING
    cache_dir: str = MISSING
    output_dir: str = MISSING


@dataclass
class EvaluateConfig:
    """The words that ``evaluate.py`` understands."""

    routers: list[str] = MISSING
    data: Any = None
    encoder: Any = None
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


def instantiate_data(config: dict[str, Any]) -> Any:
    """Read the table that an artefact's card describes; a card may name a reader of this package and nothing else."""
    target = str(config.get("_target_"))
    if not target.startswith("routerbench.data."):
        raise InputError(f"refuses to call {target!r} for the data a router was trained on; pass data=...")
    return instantiate(OmegaConf.create(config))


def to_dict(node: DictConfig) -> dict[str, Any]:
    """A config as plain data, resolved."""
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with the message of an ``InputError``, or that the disk is full, instead of a traceback."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except MissingMandatoryValue as error:
        sys.exit(f"error: an option without a default is not set: {error.full_key}=...")
    except OSError as error:
        if not is_full(error):
            raise
        path = error.filename2 or error.filename or "the output folder"
        sys.exit(f"error: {path}: the disk is full; free some space and run again")
