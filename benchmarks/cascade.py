"""Routing, the optimal cascade and cascade routing on RouterBench with noisy estimates, and their time per prompt.

    ROUTERBENCH_DATA=FOLDER python benchmarks/cascade.py    # half a minute

The experiment on RouterBench of arXiv 2410.10347, as a check of the policy, not of a router. The estimates are the
measured outcomes plus Gaussian noise, with less noise after a model has run, and are recalibrated linearly per model,
here on a validation split only. Nine tenths of RouterBench's prompts are missing in routerbench_part.parquet, and the
published areas are not under a hull, so compare the order and the differences, not the levels. Published time with 11
models and one lambda: 15 ms per prompt with pruning, 79 to 89 without.
"""

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.table import read
from routerbench.routers.base import Prediction
from routerbench.sequences.supermodels import Calls, Estimates, normal_draws, play_cascade
from routerbench.sequences.unified import area_of_points, lambda_grid

# Standard deviations of the noise in quality before and after a call, and in cost in USD before it.
LEVELS = {"low": (0.6, 0.3, 2e-4), "medium": (1.6, 0.8, 4e-4), "high": (2.4, 1.2, 100.0)}
PUBLISHED = {
    "routing": (83.25, 74.63, 72.67),
    "optimal cascade": (84.47, 75.10, 70.26),
    "cascade routing": (87.24, 77.57, 74.40),
}
CORRELATED = "cascade routing, correlated"
NUM_SEEDS, NUM_VAL, NUM_TEST, NUM_SETTINGS = 3, 633, 1000, 24


def recalibrated(noisy: NDArray, measured: NDArray, is_val: NDArray) -> NDArray:
    """Fit a line per model from noisy to measured cells where ``is_val``, and apply it: ``(N, M)``."""
    x, y = noisy[is_val], measured[is_val]
    slope = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).mean(axis=0) / x.var(axis=0)
    return y.mean(axis=0) + slope * (noisy - x.mean(axis=0))


def estimates_of(
    table: OutcomeTable, is_val: NDArray, level: str, rng: np.random.Generator
) -> tuple[Estimates, NDArray]:
    """Make estimates for all prompts, and return how far those of the validation prompts move."""
    before_std, after_std, cost_std = LEVELS[level]

    def noisy(measured: NDArray, std: float) -> NDArray:
        return recalibrated(measured + rng.normal(0, std, measured.shape), measured, is_val)

    before, after = noisy(table.quality, before_std), noisy(table.quality, after_std)
    cost = np.maximum(noisy(table.cost, cost_std), table.cost[is_val].min(axis=0))  # noise must not make a call free
    moves = (after - before)[is_val]
    return Estimates(before, after, np.diag(moves.var(axis=0)), cost), moves


def area(calls: Calls, table: OutcomeTable) -> float:
    """Compute the AIQ on the interval of the single models' mean costs."""
    cost = np.einsum("nsm,nm->s", calls.ran, table.cost) / len(table)
    quality = np.take_along_axis(table.quality, calls.answer, axis=1).mean(axis=0)
    return area_of_points(cost, quality, table)


def areas(table: OutcomeTable, level: str, seed: int) -> dict[str, float]:
    """Compute the AIQ of each policy, on prompts that were not used for calibration."""
    rng = np.random.default_rng([seed, list(LEVELS).index(level)])
    table = table.take(rng.permutation(len(table))[: NUM_VAL + NUM_TEST])
    is_val = np.arange(len(table)) < NUM_VAL
    # A chain runs in the order of the columns.
    table = table.select_models([table.models[m] for m in table.cost[is_val].mean(axis=0).argsort()])
    estimates, moves = estimates_of(table, is_val, level, rng)
    lambdas = lambda_grid(Prediction(estimates.before[is_val], estimates.cost[is_val]), NUM_SETTINGS)
    draws = normal_draws(table.num_models, rng)
    table = table.take(~is_val)
    estimates = Estimates(
        estimates.before[~is_val], estimates.after[~is_val], estimates.covariance, estimates.cost[~is_val]
    )
    rollouts = {
        "routing": play_cascade(estimates, lambdas, draws, max_depth=1),
        "optimal cascade": play_cascade(estimates, lambdas, draws, is_chain=True),
        "cascade routing": play_cascade(estimates, lambdas, draws),
        CORRELATED: play_cascade(estimates._replace(covariance=np.cov(moves.T)), lambdas, draws),
    }
    return {name: area(calls, table) for name, calls in rollouts.items()}


def noise_experiment(table: OutcomeTable) -> None:
    """Print mean areas over several seeds, and the gain of cascade routing over routing."""
    found = {level: [areas(table, level, seed) for seed in range(NUM_SEEDS)] for level in LEVELS}
    print(f"AIQ in %, mean of {NUM_SEEDS} seeds, {NUM_TEST} test prompts each, {table.num_models} models\n")
    print("|  | " + " | ".join(f"{level} noise | published" for level in LEVELS) + " |")
    print("|---" * (1 + 2 * len(LEVELS)) + "|")
    for name in (*PUBLISHED, CORRELATED):
        means = (100 * np.mean([seed[name] for seed in found[level]]) for level in LEVELS)
        published = (f"{value:.2f}" for value in PUBLISHED[name]) if name in PUBLISHED else ("-",) * len(LEVELS)
        print(f"| {name} | " + " | ".join(f"{a:.2f} | {b}" for a, b in zip(means, published, strict=True)) + " |")
    print()
    for level, seeds in found.items():
        gains = [100 * (seed["cascade routing"] - seed["routing"]) for seed in seeds]
        print(f"{level}: cascade routing - routing = {np.mean(gains):.2f} (from {min(gains):.2f} to {max(gains):.2f})")


def timing(table: OutcomeTable) -> None:
    """Print the time per prompt for one lambda and for a whole curve."""
    table = table.take(np.arange(256))
    estimates, _ = estimates_of(table, np.ones(len(table), bool), "medium", np.random.default_rng(0))
    draws = normal_draws(table.num_models, np.random.default_rng(0))
    curve = lambda_grid(Prediction(estimates.before, estimates.cost), 32)
    print(f"\n| {table.num_models} models | ms per prompt | calls per prompt |\n|---|---|---|")
    for name, lambdas in {"one lambda": curve[len(curve) // 2 :][:1], f"curve of {len(curve)} lambdas": curve}.items():
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            calls = play_cascade(estimates, lambdas, draws)
            seconds.append(time.perf_counter() - started)
        print(f"| {name} | {1000 * min(seconds) / len(table):.2f} | {calls.ran.sum(axis=2).mean():.2f} |")


def main() -> None:
    """Run both measurements."""
    table = read(Path(os.environ["ROUTERBENCH_DATA"]) / "routerbench_part.parquet")
    table = table.take(table.is_complete)
    noise_experiment(table)
    timing(table)


if __name__ == "__main__":
    main()
