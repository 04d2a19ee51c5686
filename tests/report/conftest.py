"""Evaluations for the report, of routers that see the true probabilities of each model with noise."""

from collections.abc import Callable

import numpy as np
import pytest

from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.results import Evaluation
from routerbench.routers.base import Prediction

MODELS = ("small", "vendor/middle", "large", "huge")


def build(
    models: tuple[str, ...] = MODELS,
    noise: dict[str, float] | None = None,
    *,
    num_prompts: int = 300,
    cost_of: Callable[[np.ndarray], np.ndarray] | None = None,
    source: str = "a table",
) -> Evaluation:
    """The later models are better and dearer; one prompt of test has a missing cell."""
    rng = np.random.default_rng(7)
    shape = (num_prompts, len(models))
    skill = np.linspace(-0.8, 2.0, len(models)) + rng.normal(0, 1.5, (num_prompts, 1)) + rng.normal(0, 0.9, shape)
    chance = 1 / (1 + np.exp(-skill))
    quality = (rng.random(shape) < chance).astype(float)
    price = np.geomspace(3e-5, 9e-3, len(models))
    cost = price * rng.lognormal(0, 0.4, shape)
    cost = cost if cost_of is None else cost_of(cost)
    quality[-1, 0] = np.nan
    table = OutcomeTable(
        prompts=np.array([f"prompt {number}" for number in range(num_prompts)], object),
        models=models,
        quality=quality,
        cost=cost,
        benchmark=np.array(["odd|x", "even", "odd|x"] * num_prompts, object)[:num_prompts],
        ids=np.array([f"p{number}" for number in range(num_prompts)], object),
        rows=np.arange(num_prompts),
        source=source,
    )
    train, test = table.take(np.arange(num_prompts // 2)), table.take(np.arange(num_prompts // 2, num_prompts))
    seen, expected = chance[num_prompts // 2 :], np.broadcast_to(price, test.cost.shape)
    predictions = {
        name: Prediction(seen + level * rng.normal(size=seen.shape), expected)
        for name, level in (noise if noise is not None else {"mlp": 0.05, "knn": 0.6}).items()
    }
    return evaluate(predictions, test, train, num_resamples=100)


@pytest.fixture(scope="session")
def make() -> Callable[..., Evaluation]:
    return build


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return build()


@pytest.fixture(scope="session")
def without_cost() -> Evaluation:
    return build(cost_of=lambda cost: np.full_like(cost, np.nan))
