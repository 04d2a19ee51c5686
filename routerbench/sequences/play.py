"""Run every policy, and abstention, on every router."""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from routerbench.errors import InputError
from routerbench.evaluation.abstention import Abstention
from routerbench.evaluation.results import cost_interval_of, measure_on
from routerbench.evaluation.rollout import Rollout
from routerbench.sequences.base import Scene, SequentialPolicy
from routerbench.sequences.decline import Decline

log = logging.getLogger(__name__)

Scenes = Mapping[str, Sequence[Scene]]
"""Maps each router's name to one scene per seed."""


def play_all(
    policies: Mapping[str, SequentialPolicy], val: Scenes, test: Scenes, seed: int
) -> dict[str, list[Rollout]]:
    """Run each policy on each router. The seeds of a router and the draws of a policy are pooled.

    Args:
        policies: policies by name.
        val: prompts to fit on.
        test: prompts to run on; those with a missing cell are left out.
        seed: random seed.

    Returns:
        Rollouts by "router+policy", or "router+policy variant" if a policy has several variants.

    Raises:
        InputError: a router chooses by itself, validation is too small, or all calls are free.
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
    """Let each router decline. Results are keyed by router, with a number for every seed but the first.

    Args:
        decliners: abstention policies by name; the name of each but the first is appended to the router's.
        val: prompts to calibrate on.
        test: prompts to decline on; those with a missing cell are left out.
        seed: random seed of the resamples.
    """
    found = {}
    for router, number, on_val, on_test in _complete(val, test) if decliners else ():
        for place, (word, decline) in enumerate(decliners.items()):
            name = router + (f"-{number}" if number else "") + (f" {word}" if place else "")
            found[name] = decline.abstain(on_val, on_test, np.random.default_rng(seed))
    return found


def _complete(val: Scenes, test: Scenes) -> Iterator[tuple[str, int, Scene, Scene]]:
    """Yield every router with the number of its seed and the complete prompts of validation and test."""
    for router in test:
        for number, scenes in enumerate(zip(val[router], test[router], strict=True)):
            on_val, on_test = (scene.complete() for scene in scenes)
            yield router, number, on_val, on_test


def _check(router: str, words: str, val: Scene) -> None:
    """Refuse routers and tables on which no policy can run."""
    if val.prediction.choices is not None:
        raise InputError(
            f"{router} sees lambda and chooses itself, so {words} would be of another router; leave it out"
        )
    val.check_size(words)
    if measure_on(cost_interval_of(val.table)) != "aiq":
        raise InputError(
            f"{val.table.source}: all models cost the same, so there is nothing for {words} to save; leave them out"
        )
