"""Empirical coverage of 95 % intervals, on test sets drawn repeatedly from a large demo world.

    python benchmarks/coverage.py                # 500 draws of 400 prompts: some minutes
    python benchmarks/coverage.py --draws 50     # a quick look

The true value of a figure is its value on the whole world. A router with noisy predictions of the true probabilities
is evaluated on each draw. Printed for each figure are the share of intervals that contain the true value, and the mean
error, which includes the upward bias of a hull over few prompts.
"""

import argparse
from collections import defaultdict

import numpy as np

from routerbench.data.demo import make_world
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.results import Evaluation, Figure
from routerbench.routers.base import Prediction

WORLD, PROMPTS = 40_000, 400


def figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Collect the figures with intervals."""
    router = evaluation.routers["noisy"]
    found = {name: getattr(router, name) for name in ("aiq", "area", "delta_aiq_zero", "peak_quality", "gain", "qnc")}
    for other, difference in router.differences.items():
        if difference.prompts:
            found[f"aiq - {other}"] = Figure(difference.value, *difference.prompts[:2])
        else:
            found[f"aiq - {other}"] = Figure(difference.value)
    return found


def main() -> None:
    """Run the simulation and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=500)
    draws = parser.parse_args().draws
    world = make_world(WORLD, seed=0)
    rng = np.random.default_rng(1)
    noise = 0.15 * rng.normal(size=world.quality.shape)
    routed = Prediction((world.quality + noise).clip(0, 1), world.cost)
    train = world.table.take(np.arange(2000))  # for best_single and benchmark_oracle
    truth = figures(evaluate({"noisy": routed}, world.table, train, num_resamples=0))
    held, errors = defaultdict(list), defaultdict(list)
    for _ in range(draws):
        rows = rng.choice(WORLD, PROMPTS, replace=False)
        evaluation = evaluate(
            {"noisy": routed.take(rows)},
            world.table.take(rows),
            train,
            num_resamples=400,
            seed=int(rng.integers(2**31)),
        )
        for name, figure in figures(evaluation).items():
            value = truth[name].value
            if figure.low is not None and figure.high is not None and figure.value is not None and value is not None:
                held[name].append(figure.low <= value <= figure.high)
                errors[name].append(figure.value - value)
    for name, hits in held.items():
        print(
            f"{name:24} {np.mean(hits):6.1%} of {len(hits)} intervals hold it   mean error {np.mean(errors[name]):+.4f}"
        )


if __name__ == "__main__":
    main()
