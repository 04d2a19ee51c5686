"""Plays every policy on every router, and lets every router decline."""

import logging
from collections.abc import Iterable, Mapping

import numpy as np

from routerbench.evaluation.metrics import Abstention
from routerbench.evaluation.played import Played
from routerbench.sequences.base import Policy, Scene
from routerbench.sequences.decline import Decline

log = logging.getLogger(__name__)


def play_all(
    policies: Mapping[str, Policy], scenes: Mapping[str, Iterable[tuple[Scene, Scene]]], seed: int
) -> dict[str, list[Played]]:
    """What each policy comes to on each router; the seeds of a router and the draws of a policy are pooled.

    Args:
        policies: by word.
        scenes: of each router by name, validation and test, one pair per seed.
        seed: of whatever is random.

    Returns:
        By "router+policy", or "router+policy variant" where a policy has several.
    """
    played: dict[str, list[Played]] = {}
    for router, seeds in scenes.items() if policies else ():
        for number, (val, test) in enumerate(seeds):
            for word, policy in policies.items():
                log.info("playing %s on %s", word, router)
                variants = policy.play(val, test, np.random.default_rng([seed, number]))
                for variant, draws in variants.items():
                    played.setdefault(f"{router}+{word} {variant}".rstrip(), []).extend(draws)
    return played


def abstain_all(
    decliners: Mapping[str, Decline], scenes: Mapping[str, Iterable[tuple[Scene, Scene]]], seed: int
) -> dict[str, Abstention]:
    """What each router gains by declining, by its name, with a number where it has several seeds.

    Args:
        decliners: by word; of several, each but the first is named beside the router.
        scenes: of each router by name, validation and test, one pair per seed.
        seed: of the resamples.
    """
    found = {}
    for router, seeds in scenes.items() if decliners else ():
        for number, (val, test) in enumerate(seeds):
            for place, (word, decline) in enumerate(decliners.items()):
                name = router + (f"-{number}" if number else "") + (f" {word}" if place else "")
                found[name] = decline.abstain(val, test, np.random.default_rng(seed))
    return found
