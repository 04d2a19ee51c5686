"""Fine-tuning speed of our batches and of a plain loop that pads to 512 tokens in float32.

python benchmarks/finetune.py [--model DIR] [--bert-base] [--prompts 2000] [--batch 32] [--compile] [--device cuda]

Counts text tokens without padding. Both loops have the same mean number of prompts per step.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from routerbench.data.demo import make_world
from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.encoders.finetuned import trainable
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.encoders.minilm import MiniLMEncoder
from routerbench.encoders.packed import PackedBackbone
from routerbench.encoders.tokens import TokenTensors
from routerbench.routers.encoder import EncoderRouter
from routerbench.training.finetune_module import FineTuneModule, Rates
from routerbench.training.objectives import Pointwise
from routerbench.training.token_batches import ShuffledTokenBatches

WARMUP = 5  # steps that are not timed


def real_or_made(num_prompts: int) -> OutcomeTable:
    """Sample prompts of mmlu_pro if available, else generate a demo world."""
    file = Path(os.environ.get("ROUTERBENCH_DATA", "")) / "mmlu_pro.parquet"
    if not file.is_file():
        return make_world(num_prompts, seed=0).table
    from routerbench.data.table import load

    table = load(file, seed=0)
    return table.take(np.random.default_rng(0).permutation(len(table))[:num_prompts])


def bert_base(minilm: HuggingFaceEncoder, folder: Path, max_length: int, device: str) -> HuggingFaceEncoder:
    """Make BERT-base, the size that most papers fine-tune, with random weights and MiniLM's tokenizer."""
    from transformers import BertConfig, BertModel

    BertModel(BertConfig()).save_pretrained(folder)
    minilm.save_tokenizer(folder)
    return HuggingFaceEncoder(str(folder), max_length=max_length, device=device)


def plain_loop(encoder: HuggingFaceEncoder, table: OutcomeTable, batch: int, device: torch.device) -> Iterator[int]:
    """Train with prompts padded to 512 tokens in float32; yield the number of text tokens of each step."""
    backbone, router = modules(encoder, table, device, autocast=None)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *router.parameters()], lr=2e-5)
    tokenizer = encoder._tokenizer
    quality = torch.from_numpy(table.quality).float()
    bce = torch.nn.BCEWithLogitsLoss()
    while True:
        for rows in torch.randperm(len(table)).split(batch):
            texts = [table.prompts[row] for row in rows.tolist()]
            encoded = tokenizer(texts, padding="max_length", max_length=512, truncation=True, return_tensors="pt")
            mask = encoded["attention_mask"].to(device)
            hidden = backbone.model(input_ids=encoded["input_ids"].to(device), attention_mask=mask).last_hidden_state
            pooled = (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            loss = bce(router(pooled).quality_logit, quality[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(backbone.parameters(), 1.0)
            optimizer.step()
            yield int(mask.sum())


def our_loop(
    encoder: HuggingFaceEncoder, table: OutcomeTable, batch: int, device: torch.device, compiled: bool
) -> Iterator[Tensor]:
    """Train with our batches, bfloat16 if supported, and fused AdamW; yield the number of tokens of each step."""
    backbone, router = modules(encoder, table, device, autocast=device if device.type == "cuda" else None)
    if compiled:
        backbone.model.compile(dynamic=True)
    rates = Rates(3e-5, 0.9, 3e-4, 0.01, 10, 1000)
    module = FineTuneModule(backbone, router, Pointwise(), rates, 0.5, table, 0).to(device)
    optimizer = module.configure_optimizers()["optimizer"]
    tokens = TokenTensors(encoder.tokenize(list(table.prompts)), encoder.filler, device, multiple=8)
    budget = max(int(tokens.host_lengths.mean() * batch), int(tokens.host_lengths.max()))
    examples = Examples(table, np.zeros((len(table), encoder.dim), np.float32))
    batches = ShuffledTokenBatches(tokens, examples, budget, isinstance(backbone, PackedBackbone), seed=0)
    print(f"ours: {len(table) / len(batches):.1f} prompts a step, {batches.padding_share:.1%} padding")
    while True:
        batches.set_epoch(batches.epoch + 1)
        for part in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                heads = module.heads(part)
            loss = module._loss(heads, part) * part.share
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            yield part.inputs[1].sum()


def modules(
    encoder: HuggingFaceEncoder, table: OutcomeTable, device: torch.device, autocast: torch.device | None
) -> tuple:
    """Make a trainable copy of the encoder and linear heads."""
    router = EncoderRouter(encoder.dim, table.num_models)
    router.prepare(Examples(table, np.zeros((len(table), encoder.dim), np.float32)))
    return trainable(encoder, 0, gradient_checkpointing=False, autocast=autocast).to(device), router.to(device)


def rate(loop: Iterator[int | Tensor], seconds: float, device: torch.device) -> tuple[float, float]:
    """Measure the tokens per second of a loop, and its peak GPU memory in GiB."""
    sync: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(WARMUP):
        next(loop)
    sync()
    start, counts = time.perf_counter(), []
    while time.perf_counter() - start < seconds:
        counts.append(next(loop))
    sync()
    taken = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
    return float(sum(counts)) / taken, peak


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder of an encoder; all-MiniLM-L6-v2 as it was installed by default")
    parser.add_argument("--bert-base", action="store_true", help="random weights of BERT-base's size")
    parser.add_argument("--compile", action="store_true", help="finetune.compile=true")
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    device = torch.device(args.device)
    options = {"max_length": 512, "device": args.device}
    encoder = HuggingFaceEncoder(args.model, **options) if args.model else MiniLMEncoder(**options)
    table = real_or_made(args.prompts)
    with tempfile.TemporaryDirectory() as folder:
        if args.bert_base:
            encoder = bert_base(encoder, Path(folder), **options)
        print(f"{len(table)} prompts, {table.num_models} models, batch {args.batch}, {device}")
        theirs, their_peak = rate(plain_loop(encoder, table, args.batch, device), args.seconds, device)
        ours, our_peak = rate(our_loop(encoder, table, args.batch, device, args.compile), args.seconds, device)
    print(f"plain loop, 512 wide, float32  {theirs:10.0f} tokens/s  peak {their_peak:.2f} GiB")
    print(f"routerbench                    {ours:10.0f} tokens/s  peak {our_peak:.2f} GiB")
    print(f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
