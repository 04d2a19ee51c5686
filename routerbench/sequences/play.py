"""Plays every policy on every router, and lets every router decline."""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from routerbench.errors import InputError
from routerbench.evaluation.abstention import Abstention
from routerbench.evaluation.rollout import Rollout
from routerbench.sequences.base import Scene, SequentialPolicy
from routerbench.sequences.decline import Decline

log = logging.getLogger(__name__)

Scenes = Mapping[str, Sequence[Scene]]
"""Of each router by name, one per seed."""


def play_all(
    policies: Mapping[str, SequentialPolicy], val: Scenes, test: Scenes, seed: int
) -> dict[str, list[Rollout]]:
    """What each policy comes to on each router; the seeds of a router and the draws of a policy are pooled.

    Args:
        policies: by word.
        val: to learn and choose from.
        test: to play on, where no cell is missing.
        seed: of whatever is random.

    Returns:
        By "router+policy", or "router+policy variant" where a policy has several.

    Raises:
        InputError: a router chooses itself, validation is too small, or nothing costs anything.
    """
    rollouts: dict[str, list[Rollout]] = {}
    words = ", ".join(policies)
    for router, number, on_val, on_test in _complete(val, test) if policies else ():
        _check(router, words, on_val)
        for word, policy in policies.items():
            log.info("playing %s on %s", word, router)
            variants = policy.play(on_val, on_test, np.random.default_rng([seed, number]))
            for variant, draws in variants.items():
                rollouts.setdefault(f"{router}+{word} {variant}".rstrip(), []).extend(draws)
    return rollouts


def abstain_all(decliners: Mapping[str, Decline], val: Scenes, test: Scenes, seed: int) -> dict[str, Abstention]:
    """What each router gains by declining, by its name, with a number where it has several seeds.

    Args:
        decliners: by word; of several, each but the first is named beside the router.
        val: to calibrate and choose on.
        test: to decline on, where no cell is missing.
        seed: of the resamples.
    """
    found = {}
    for router, number, on_val, on_test in _complete(val, test) if decliners else ():
        for place, (word, decline) in enumerate(decliners.items()):
            name = router + (f"-{number}" if number else "") + (f" {word}" if place else "")
            found[name] = decline.abstain(on_val, on_test, np.random.default_rng(seed))
    return found


def _complete(val: Scenes, test: Scenes) -> Iterator[tuple[str, int, Scene, Scene]]:
    """Every router by name and number of its seed, with the complete prompts of validation and test."""
    for router in test:
        for number, scenes in enumerate(zip(val[router], test[router], strict=True)):
            on_val, on_test = (scene.complete() for scene in scenes)
            yield router, number, on_val, on_test


def _check(router: str, words: str, val: Scene) -> None:
    """Refuse what no policy can play on."""
    if val.prediction.choices is not None:
        raise InputError(
            f"{router} sees lambda and chooses itself, so {words} would be of another router; leave it out"
        )
    val.check_size(words)
    if not val.table.cost.any():
        raise InputError(
            f"{val.table.source}: every call is free, so there is nothing for {words} to save; leave them out"
        )
