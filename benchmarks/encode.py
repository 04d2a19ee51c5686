"""Speed of routerbench's encoder and of `sentence_transformers.encode` with its defaults, for equal embeddings.

Prompts are drawn from the tables in the folder ROUTERBENCH_DATA. If it is unset they are generated from the demo
world's words, with the lengths of MMLU-Pro. `--random` uses a network of a given size with random weights.

python benchmarks/encode.py [--limit 500] [--device cuda] [--model DIR] [--random bert-base]
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from routerbench.data.demo import make_world
from routerbench.encoders.batching import longest_first, padding_share
from routerbench.encoders.huggingface import AUTO_BATCH_TOKENS, HuggingFaceEncoder
from routerbench.encoders.minilm import MiniLMEncoder

TABLES = ("mmlu_pro", "routerbench_part")
LOG_WORDS = (4.5, 0.65)  # mean and standard deviation of the logarithm of a prompt's words in MMLU-Pro
SIZES = {  # of BertConfig
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    "bert-base": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072},
}


def prompts_by_source(limit: int) -> dict[str, list[str]]:
    """Sample up to ``limit`` prompts of each table, or generate them."""
    rng = np.random.default_rng(0)
    if folder := os.environ.get("ROUTERBENCH_DATA"):
        import pyarrow.parquet as pq

        tables = {name: pq.read_table(Path(folder, f"{name}.parquet"), columns=["prompt"]) for name in TABLES}
        prompts = {name: table["prompt"].to_numpy() for name, table in tables.items()}
        return {name: rng.permutation(texts)[:limit].tolist() for name, texts in prompts.items()}
    words = np.array(" ".join(make_world(2000, seed=0).table.prompts).split())
    sizes = np.ceil(rng.lognormal(*LOG_WORDS, size=limit)).astype(int)
    return {"made": [" ".join(rng.choice(words, size)) for size in sizes]}


def random_bert(folder: Path, size: str, tokenizer: Path) -> Path:
    """Save a BERT with random weights and the tokenizer of another model."""
    from transformers import BertConfig, BertModel

    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("*.safetensors", "*_Pooling", "modules.json"))
    torch.manual_seed(0)
    BertModel(BertConfig(**SIZES[size])).save_pretrained(folder)
    return folder


def seconds_of(work: Callable[[], np.ndarray], device: torch.device) -> float:
    """Measure the wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def network_flops(encoder: HuggingFaceEncoder, lengths: np.ndarray) -> float:
    """Count the floating-point operations of the matrix products for prompts of these lengths, without padding."""
    model, config = encoder.backbone.model, encoder.backbone.model.config
    layers = [layer for name, layer in model.named_modules() if not name.startswith("pooler")]
    weights = sum(layer.weight.numel() for layer in layers if isinstance(layer, torch.nn.Linear))
    attention = 2 * config.num_hidden_layers * config.hidden_size * (lengths.astype(float) ** 2).sum()
    return 2 * (weights * lengths.sum() + attention)


def matrix_rate(device: torch.device, size: int = 8192, repeats: int = 20) -> float:
    """Measure the operations per second of bfloat16 matrix products on this GPU."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        left @ right
    torch.cuda.synchronize(device)
    return 2 * size**3 * repeats / (time.perf_counter() - start)


def compare(name: str, prompts: list[str], encoder: HuggingFaceEncoder, peer: SentenceTransformer, rounds: int) -> None:
    """Print the measurements of one table."""
    device = encoder._device
    tokens = encoder.tokenize(prompts)
    lengths = tokens.lengths
    ours, theirs = encoder.encode(prompts), peer.encode(prompts)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    cosine = (ours * theirs).sum(axis=1)
    work = {
        "sentence_transformers": lambda: peer.encode(prompts),
        "routerbench": lambda: encoder.encode(prompts),
        "its network alone": lambda: encoder.embed_tokens(tokens, encoder.backbone),
    }
    timed = [{part: seconds_of(call, device) for part, call in work.items()} for _ in range(rounds)]
    best = {part: min(one[part] for one in timed) for part in work}
    print(f"{name}: {len(prompts)} prompts of {lengths.mean():.0f} tokens; cosine at least {cosine.min():.5f}")
    for part, seconds in best.items():
        print(f"  {part:<22} {len(prompts) / seconds:10,.0f} prompts/s {lengths.sum() / seconds:12,.0f} tokens/s")
    budget = AUTO_BATCH_TOKENS[device.type == "cuda"]
    packed = type(encoder.backbone).__name__ == "PackedBackbone"
    share = 0.0 if packed else padding_share(lengths, longest_first(lengths, budget))
    print(f"  padding {share:.1%} of positions, {encoder.dtype}, {'packed' if packed else 'padded'} attention")
    if device.type == "cuda":
        flops, peak = network_flops(encoder, lengths), matrix_rate(device)
        rates = {part: flops / seconds for part, seconds in best.items()}
        print(f"  matrix rate of the card {peak / 1e12:.0f} TFLOP/s; used by", end=" ")
        print(", ".join(f"{part} {rate / 1e12:.1f} ({rate / peak:.1%})" for part, rate in rates.items()))
    print(f"  ratio {best['sentence_transformers'] / best['routerbench']:.2f}")


def main() -> None:
    """Print the measurements of each source of prompts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=500, help="prompts of each table")
    parser.add_argument("--device", default="auto", help="cpu | cuda")
    parser.add_argument("--dtype", default="auto", help="of routerbench's encoder")
    parser.add_argument("--model", type=Path, help="folder of a model with mean pooling, instead of all-MiniLM-L6-v2")
    parser.add_argument("--random", choices=SIZES, help="random weights of this size; the tokenizer is the model's")
    parser.add_argument("--rounds", type=int, default=3, help="the best of each counts")
    args = parser.parse_args()
    folder = args.model or MiniLMEncoder().folder
    with tempfile.TemporaryDirectory() as scratch:
        if args.random:
            folder = random_bert(Path(scratch, args.random), args.random, folder)
        device = None if args.device == "auto" else args.device
        peer = SentenceTransformer(str(folder), device=device)
        encoder = HuggingFaceEncoder(
            str(folder),
            max_length=peer.max_seq_length,
            truncation_side="right",
            dtype=args.dtype,
            device=args.device,
        )
        print(f"{folder}, at most {peer.max_seq_length} tokens, {encoder._device}, {torch.get_num_threads()} threads")
        for name, prompts in prompts_by_source(args.limit).items():
            compare(name, prompts, encoder, peer, args.rounds)


if __name__ == "__main__":
    main()
