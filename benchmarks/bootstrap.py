"""Time of 1,000 resamples of an exact curve, compared with evaluating each resampled table anew.

    python benchmarks/bootstrap.py    # half a minute

The baseline sweeps every resampled table and computes its hull; three of its resamples are timed and extrapolated. The
last line is the speed-up of the weighted curve.
"""

import resource
import time

import numpy as np

from routerbench.evaluation.contest import Contest
from routerbench.evaluation.resample import weights
from routerbench.routers.base import Prediction

NUM_PROMPTS, NUM_MODELS, NUM_RESAMPLES, TIMED = 36_497, 11, 1_000, 3


def main() -> None:
    """Time both on a table of RouterBench's size."""
    rng = np.random.default_rng(0)
    skill = np.linspace(-1, 2, NUM_MODELS) + rng.normal(0, 1.5, (NUM_PROMPTS, 1))
    chance = 1 / (1 + np.exp(-skill - rng.normal(0, 0.8, (NUM_PROMPTS, NUM_MODELS))))
    quality = (rng.random(chance.shape) < chance).astype(float)
    price = np.geomspace(3e-5, 9e-3, NUM_MODELS)
    cost = price * rng.lognormal(0, 0.4, chance.shape)
    predicted_cost = price * rng.lognormal(0, 0.2, (NUM_PROMPTS, 1))
    routed = Prediction((chance + 0.1 * rng.normal(size=chance.shape)).clip(0, 1), predicted_cost)
    contest = Contest({"router": [routed]}, quality, cost, best=NUM_MODELS - 1)

    started = time.perf_counter()
    ours = contest.resample(weights(NUM_PROMPTS, NUM_RESAMPLES, np.random.default_rng(1)), rng)
    ours_s = time.perf_counter() - started

    drawn = next(weights(NUM_PROMPTS, TIMED, np.random.default_rng(1)))
    started = time.perf_counter()
    for number in range(TIMED):
        rows = np.repeat(np.arange(NUM_PROMPTS), drawn[:, number].astype(int))
        peer = Contest({"router": [routed.take(rows)]}, quality[rows], cost[rows], best=NUM_MODELS - 1)
    peer_s = (time.perf_counter() - started) * NUM_RESAMPLES / TIMED
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    low, high = np.quantile(ours.figures[:, 0, 0], [0.025, 0.975])
    print(f"{NUM_RESAMPLES:,} resamples of {NUM_PROMPTS:,} x {NUM_MODELS}")
    print(f"weighted curve               {ours_s:8.2f} s, peak {memory:.2f} GiB, AIQ in [{low:.4f}, {high:.4f}]")
    print(f"every resampled table anew   {peer_s:8.2f} s, {TIMED} timed and multiplied, AIQ {peer.figures[0, 0]:.4f}")
    print(f"ratio {peer_s / ours_s:.1f}")


if __name__ == "__main__":
    main()
