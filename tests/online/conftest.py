"""A linear world, and bandits of every kind, started on it."""

from dataclasses import replace

import numpy as np

from routerbench.data.outcomes import Parts
from routerbench.online.linucb import LinUCB
from routerbench.online.pilot import PILOT
from routerbench.online.thompson import Thompson
from tests.conftest import make_table

DIM, NUM_MODELS = 6, 4


def make_bandit(kind, decay=1.0, **options):
    shared = {"embedding_dim": DIM, "num_models": NUM_MODELS, "dim": DIM, "spread": 1.0, "ridge": 1.0, "decay": decay}
    own = {"linucb": {"alpha": 0.5}, "thompson": {"v": 0.3}, "pilot": dict(alpha=0.3, offline_share=0.2, strength=9.0)}
    kinds = {"linucb": LinUCB, "thompson": Thompson, "pilot": PILOT}
    return kinds[kind](**(shared | own[kind] | options))


def make_parts(num_prompts=900, seed=0, noise=0.1):
    """Quality is linear in the embedding, each model good at other prompts; cost is linear, too."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(num_prompts, DIM)).astype(np.float32)
    slopes = 0.25 * np.eye(DIM)[:, :NUM_MODELS]
    quality = (0.5 + embeddings @ slopes + noise * rng.normal(size=(num_prompts, NUM_MODELS))).clip(0, 1)
    cost = np.array([1e-4, 2e-4, 3e-4, 4e-4]) * (1 + 0.1 * embeddings[:, [4]].clip(-3, 3))
    split = np.resize(np.array(["train"] * 7 + ["val"] + ["test"], dtype=object), num_prompts)
    return Parts.of(replace(make_table(quality, cost), split=split), embeddings)
