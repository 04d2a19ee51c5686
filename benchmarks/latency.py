"""Latency of routing one prompt, by encoder and backend, with MLP routers trained on the demo.

python benchmarks/latency.py [--prompts 500] [--threads 1]
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

WARM_UP = 20


def save_router(folder: Path, encoder_word: str, num_prompts: int) -> None:
    """Train an MLP for a few epochs on the demo world and save it with its encoder."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from routerbench import artefact
    from routerbench.data.demo import load
    from routerbench.data.outcomes import Examples
    from routerbench.routers.mlp import MLPRouter

    torch.manual_seed(0)
    encoder = encoder_of(encoder_word)
    table = load(num_prompts=num_prompts, seed=0).part("train")
    train = Examples(table, encoder.encode(list(table.prompts)))
    router = MLPRouter(encoder.dim, table.num_models, hidden=[256], dropout=0.3)
    router.prepare(train)
    inputs, quality = torch.from_numpy(train.embeddings), torch.from_numpy(table.quality).float()
    log_ratio = torch.from_numpy(table.cost).float().div(router.mean_cost).log().clamp(-5, 5)
    optimizer = torch.optim.Adam(router.parameters(), lr=1e-3)
    for _ in range(30):
        heads = router(inputs)
        loss = binary_cross_entropy_with_logits(heads.quality_logit, quality)
        loss = loss + (heads.cost_log_ratio - log_ratio).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    artefact.save(folder, router, encoder, table, {}, {}, np.empty(0, np.uint64))


def encoder_of(word: str):  # noqa: ANN201
    """Make an encoder by its name in ``encoder=``, in single precision."""
    if word == "minilm":
        from routerbench.encoders.minilm import MiniLMEncoder

        return MiniLMEncoder(device="cpu", dtype="float32")
    if word == "static":
        from routerbench.encoders.static import StaticEncoder

        return StaticEncoder()
    from routerbench.encoders.hashing import HashingEncoder

    return HashingEncoder()


def latencies(router, prompts: Sequence[str]) -> np.ndarray:  # noqa: ANN001
    """Measure the milliseconds from text to decision of each prompt, one at a time."""
    route = partial(router.route, willingness_to_pay=0.01)
    for prompt in prompts[:WARM_UP]:
        route([prompt])
    seconds = []
    for prompt in prompts:
        start = time.perf_counter()
        route([prompt])
        seconds.append(time.perf_counter() - start)
    return 1000 * np.array(seconds)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=500, help="prompts to route, one at a time")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of ONNX Runtime")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # read when torch and ONNX Runtime start

    import torch

    import routerbench
    from routerbench.data.demo import load
    from routerbench.export import export

    torch.set_num_threads(options.threads)
    words = ["hashing", "static", "minilm"]
    test = load(num_prompts=max(2000, 4 * options.prompts), seed=0).part("test")
    prompts = list(test.prompts[: options.prompts])
    print(f"{len(prompts)} prompts of the demo, mean length {np.mean([len(p) for p in prompts]):.0f} characters; one")
    print(f"process, {options.threads} thread(s), {platform.machine()}, torch {torch.__version__}\n")
    print("| encoder | backend | p50 ms | p99 ms |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for word in words:
            folder = Path(temporary) / word
            save_router(folder, word, num_prompts=2000)
            export(folder)
            for backend in ("torch", "onnx"):
                found = latencies(routerbench.load(folder, device="cpu", backend=backend), prompts)
                print(f"| {word} | {backend} | {np.median(found):.2f} | {np.percentile(found, 99):.2f} |")


if __name__ == "__main__":
    main()
