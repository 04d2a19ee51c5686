"""What was typed on the command line, and what other command lines would compose to."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Transformer
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig

from routerbench.errors import InputError


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
