"""Synthetic demo data, generated locally, for which the optimal routing is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.demo_prompts import FAMILIES
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import assign_split
from routerbench.errors import InputError

# USD per million prompt and completion tokens, as RouterBench's table was priced (arXiv 2403.12031).
PRICES = {
    "gpt-4-1106-preview": (10.0, 30.0),
    "claude-v2": (8.0, 24.0),
    "claude-v1": (8.0, 24.0),
    "gpt-3.5-turbo-1106": (1.0, 2.0),
    "claude-instant-v1": (0.8, 2.4),
    "meta/llama-2-70b-chat": (0.9, 0.9),
    "zero-one-ai/Yi-34B-Chat": (0.8, 0.8),
    "meta/code-llama-instruct-34b-chat": (0.776, 0.776),
    "mistralai/mixtral-8x7b-chat": (0.6, 0.6),
    "WizardLM/WizardLM-13B-V1.2": (0.3, 0.3),
    "mistralai/mistral-7b-chat": (0.2, 0.2),
}
# Difficulty level (0 to 4, as in the prompts) that each model solves with probability .5, per family: arithmetic,
# word-problems, logic, table-reading, translation, coding, trivia, writing.
SKILLS = (
    (4.2, 4.0, 3.6, 4.2, 3.6, 3.8, 3.4, 3.6),
    (2.6, 2.8, 2.2, 3.0, 3.0, 2.2, 2.6, 4.2),
    (2.8, 3.0, 2.4, 3.2, 2.8, 2.4, 2.8, 3.8),
    (3.0, 2.4, 1.8, 2.8, 3.4, 3.0, 2.6, 2.6),
    (2.4, 2.2, 1.8, 2.4, 2.6, 2.0, 2.4, 3.2),
    (0.6, 1.2, 0.8, 1.2, 1.4, 0.8, 2.4, 2.4),
    (1.8, 1.8, 2.6, 2.2, 2.4, 1.4, 3.0, 1.8),
    (1.2, 0.6, 0.6, 1.0, 0.4, 3.2, 0.4, 0.2),
    (2.2, 2.0, 1.6, 1.8, 2.8, 2.2, 1.8, 1.8),
    (0.8, 1.0, 0.6, 0.8, 0.8, 0.8, 1.2, 2.2),
    (0.8, 0.6, 0.6, 0.8, 1.2, 0.8, 0.8, 1.2),
)
MAX_PROMPTS = 1_000_000
STEEPNESS = 2.2  # one level above the prompt, a model succeeds with probability 1 / (1 + exp(-2.2)) = .90
ANSWER_TOKENS = (20.0, 120.0, 90.0, 40.0, 40.0, 220.0, 30.0, 150.0)  # mean length of an answer at level 0, by family
CHARACTERS_PER_TOKEN = 4.0
LENGTH_SPREAD = 0.3  # standard deviation of the logarithm of an answer's length


@dataclass(frozen=True)
class World:
    """The demo table and the true expected quality and cost.

    Attributes:
        table: what a user would observe: prompts, sampled labels, measured costs.
        quality: ``(N, M)`` probability that the model answers the prompt correctly: an upper bound for any router.
        cost: ``(N, M)`` expected cost in USD per prompt.
    """

    table: OutcomeTable
    quality: NDArray[np.float64]
    cost: NDArray[np.float64]


def make_world(num_prompts: int, seed: int) -> World:
    """Sample prompts of all families and levels, then labels and answer lengths given the models' skills.

    Args:
        num_prompts: N, at least 1.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    families = rng.integers(len(FAMILIES), size=num_prompts)
    levels = rng.integers(5, size=num_prompts)
    writers = list(FAMILIES.values())
    prompts = [writers[family](int(level), rng) for family, level in zip(families, levels, strict=True)]

    skill = np.array(SKILLS).T[families]
    quality = 1 / (1 + np.exp(-STEEPNESS * (skill - levels[:, None])))
    prompt_price, answer_price = np.array(list(PRICES.values())).T * 1e-6
    prompt_tokens = np.ceil(np.array([len(prompt) for prompt in prompts]) / CHARACTERS_PER_TOKEN)[:, None]
    answer_tokens = (np.array(ANSWER_TOKENS)[families] * (1 + levels / 2))[:, None]
    noise = rng.lognormal(-(LENGTH_SPREAD**2) / 2, LENGTH_SPREAD, size=quality.shape)  # has mean 1
    labels = (rng.random(quality.shape) < quality).astype(np.float64)
    table = OutcomeTable(
        prompts=np.array(prompts, dtype=object),
        models=tuple(PRICES),
        quality=labels,
        cost=prompt_tokens * prompt_price + answer_tokens * noise * answer_price,
        benchmark=np.array(list(FAMILIES), dtype=object)[families],
        ids=np.array([f"demo-{i}" for i in range(num_prompts)], dtype=object),
        rows=np.arange(num_prompts),
        source="demo",
        responses=_responses(labels, seed),
    )
    return World(table, quality, prompt_tokens * prompt_price + answer_tokens * answer_price)


def _responses(labels: NDArray[np.float64], seed: int) -> NDArray[np.object_]:
    """``(N, M)`` responses: models that are right give the same answer, the others each give their own."""
    rng = np.random.default_rng([seed, 1])  # a separate generator, so that the world is the same without responses
    right, wrong = rng.integers(1000, 10000, size=(len(labels), 1)), rng.integers(1000, 10000, size=labels.shape)
    said = np.where(labels == 1, right, wrong)
    return np.array([[f"The answer is {number}." for number in row] for row in said], dtype=object)


def load(
    num_prompts: int = 2000,
    holdout_benchmarks: Sequence[str] = (),
    seed: int = 0,
) -> OutcomeTable:
    """Generate the demo table, split 60/10/30.

    Args:
        num_prompts: N.
        holdout_benchmarks: task families that are used for test only.
        seed: random seed of the world and its split.

    Raises:
        InputError: there are too few prompts to split.
    """
    if not 1 <= num_prompts <= MAX_PROMPTS:
        raise InputError(f"data.num_prompts must be from 1 to {MAX_PROMPTS:,}, got {num_prompts:,}")
    return assign_split(make_world(num_prompts, seed).table, seed, holdout_benchmarks)
