"""Time of kNN for 7,000 queries on 36,497 x 384, k = 40, at 32 lambdas: one search, or one search per lambda.

RouterBench itself repeats scikit-learn's brute-force search for each willingness to pay. Timing all 32 takes minutes;
by default two are timed and extrapolated, `--all` times every one.

python benchmarks/knn.py [--all]
"""

import argparse
import time

import numpy as np
from sklearn.neighbors import NearestNeighbors

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.evaluation.sweep import sweep
from routerbench.policy import select
from routerbench.routers.knn import KNNRouter

TRAIN, QUERIES, D, M, K = 36_497, 7_000, 384, 11, 40
LAMBDAS = np.geomspace(1e-5, 1e2, 32)


def world(num_prompts: int, rng: np.random.Generator) -> Examples:
    """Generate clustered unit vectors, like sentence embeddings, with outcomes by cluster."""
    centres, skill = rng.standard_normal((60, D)), rng.random((60, M))
    cluster = rng.integers(60, size=num_prompts)
    embeddings = (centres[cluster] + rng.standard_normal((num_prompts, D))).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    quality = (rng.random((num_prompts, M)) < skill[cluster]).astype(float)
    cost = rng.lognormal(size=(num_prompts, M)) * np.geomspace(1e-5, 1e-2, M)
    text = np.array([str(i) for i in range(num_prompts)], dtype=object)
    models = tuple(f"model-{m}" for m in range(M))
    return Examples(OutcomeTable(text, models, quality, cost, text, text, np.arange(num_prompts), "world"), embeddings)


def main() -> None:
    """Print the times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="time the search for every lambda")
    timed = len(LAMBDAS) if parser.parse_args().all else 2
    rng = np.random.default_rng(0)
    train, test = world(TRAIN, rng), world(QUERIES, rng)

    router = KNNRouter(D, M, num_neighbors=[K], weighting=["uniform"])
    router.fit(train, test, lambda prediction, table: 0.0)
    start = time.perf_counter()
    prediction = router.predict(test.embeddings)
    curve = sweep(prediction.quality, prediction.cost, test.table.quality, test.table.cost)
    ours = time.perf_counter() - start

    search = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute", n_jobs=-1).fit(train.embeddings)
    start = time.perf_counter()
    for lambda_ in LAMBDAS[:timed]:
        _, neighbors = search.kneighbors(test.embeddings)
        quality, cost = train.table.quality[neighbors].mean(axis=1), train.table.cost[neighbors].mean(axis=1)
        chosen = select(quality, cost, lambda_)
    theirs = (time.perf_counter() - start) * len(LAMBDAS) / timed

    same = np.isclose(quality, prediction.quality).all(axis=1).mean()
    agreement = (chosen == select(prediction.quality, prediction.cost, LAMBDAS[timed - 1])).mean()
    print(f"{QUERIES} queries on {TRAIN} x {D}, k = {K}; equal predictions {same:.2%}, equal choices {agreement:.2%}")
    print(f"scikit-learn brute force, {len(LAMBDAS)} lambdas  {theirs:8.2f} s ({timed} searches timed)")
    print(f"routerbench, all {len(curve.lambdas):,} lambdas   {ours:8.2f} s")
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
