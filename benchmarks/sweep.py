"""Time of the exact sweep, compared with a grid of 1,000 lambdas, and of the hull of five million points.

    python benchmarks/sweep.py            # about ten seconds
    python benchmarks/sweep.py --large    # also a million prompts and a hundred models, 4 GiB of memory

The baseline is a plain loop over lambdas: one argmax over all prompts, vectorised, in float64. The last line is the
speed-up of the exact curve.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.frontier import non_decreasing_hull
from routerbench.evaluation.sweep import sweep

NUM_LAMBDAS = 1_000


def world(num_prompts: int, num_models: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Make predicted quality and cost, and measured quality and cost; expensive models are better."""
    rng = np.random.default_rng(0)
    price = np.geomspace(1e-4, 1e-2, num_models)
    cost = rng.random((num_prompts, num_models))
    cost += 0.5
    cost *= price
    quality = rng.random((num_prompts, num_models))
    quality *= 0.5
    quality += np.linspace(0.2, 0.5, num_models)
    predicted_quality = rng.random((num_prompts, num_models))
    predicted_quality *= 0.3
    predicted_quality += quality
    predicted_quality /= 1.3
    predicted_cost = rng.random((num_prompts, num_models))
    predicted_cost += 0.5
    predicted_cost *= cost
    return predicted_quality, predicted_cost, quality, cost


def grid(
    predicted_quality: NDArray, predicted_cost: NDArray, quality: NDArray, cost: NDArray, lambdas: NDArray
) -> NDArray[np.float64]:
    """Compute ``(L, 2)`` mean realised cost and quality, with one argmax per lambda."""
    rows = np.arange(len(quality))
    means = np.empty((len(lambdas), 2))
    for point, lambda_ in enumerate(lambdas):
        chosen = (lambda_ * predicted_quality - predicted_cost).argmax(axis=1)
        means[point] = cost[rows, chosen].mean(), quality[rows, chosen].mean()
    return means


def timed(function: Callable[..., Any], *arguments: Any, repeats: int = 1) -> tuple[float, Any]:
    """Return the best wall-clock seconds of some runs, and the result of the last."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def row(what: str, seconds: float, note: str) -> None:
    """Print one line of the table."""
    print(f"{what:<52} {seconds:>8.3f} s   {note}")


def main() -> None:
    """Run all measurements and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also 1,000,000 prompts x 100 models")
    large = parser.parse_args().large

    if large:  # first, because the recorded peak memory never decreases
        measured = world(1_000_000, 100)
        seconds, curve = timed(sweep, *measured)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
        row("exact sweep, 1,000,000 x 100", seconds, f"{len(curve.event_lambda):,} switches, peak {peak:.2f} GiB")
        del measured, curve

    measured = world(36_497, 11)
    lambdas = np.geomspace(1e-5, 1e1, NUM_LAMBDAS)
    exact_seconds, curve = timed(sweep, *measured, repeats=5)
    grid_seconds, means = timed(grid, *measured, lambdas)
    difference = np.abs(np.stack(curve.at(lambdas), axis=1) - means).max(axis=0)
    row("exact sweep, 36,497 x 11", exact_seconds, f"{len(curve.event_lambda):,} switches, all lambdas")
    row(f"argmax per lambda, 36,497 x 11, {NUM_LAMBDAS:,} lambdas", grid_seconds, f"{NUM_LAMBDAS:,} lambdas")
    print(f"largest difference at these lambdas: {difference[0]:.1e} USD, {difference[1]:.1e} of quality")
    assert (difference < 1e-10).all(), "the exact sweep and the grid disagree"

    rng = np.random.default_rng(0)
    cost = rng.random(5_000_000)
    non_decreasing_hull(cost[:10], cost[:10])  # import scipy outside the measurement
    for name, quality in (("random", rng.random(5_000_000)), ("concave", np.sqrt(cost))):
        seconds, hull = timed(non_decreasing_hull, cost, quality)
        row(f"hull of 5,000,000 points, {name}", seconds, f"{len(hull.cost):,} vertices")
    print(f"ratio {grid_seconds / exact_seconds:.1f}")


if __name__ == "__main__":
    main()
