"""Time of an MLP epoch of 25,500 x 768 -> 11 with our batches and with DataLoader(TensorDataset).

python benchmarks/train.py [--epochs 6] [--batch 256]
"""

import argparse
import logging
import time
import warnings
from functools import partial

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.routers.mlp import MLPRouter
from routerbench.training.batches import Batch, EpochShuffle, ResidentExamples, train_batches
from routerbench.training.module import RouterModule
from routerbench.training.objectives import Pointwise

N, D, M = 25_500, 768, 11


def world() -> Examples:
    """Make random embeddings and outcomes that depend on them."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((N, D), np.float32)
    quality = 1 / (1 + np.exp(-embeddings @ rng.standard_normal((D, M)) / np.sqrt(D)))
    text = np.array([str(i) for i in range(N)], dtype=object)
    models = tuple(f"model-{m}" for m in range(M))
    cost = rng.lognormal(size=(N, M)) * 1e-3
    return Examples(OutcomeTable(text, models, quality, cost, text, text, np.arange(N), "world"), embeddings)


class Clock(L.Callback):
    """Callback that records seconds and mean loss of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Record the epoch."""
        self.seconds.append(time.perf_counter() - self.start)
        self.losses.append(torch.stack(module.train_losses).mean().item())


def module_for(examples: Examples) -> RouterModule:
    """Make the module with the same initial network each time."""
    torch.manual_seed(0)
    router = MLPRouter(D, M, hidden=[256], dropout=0.3)
    router.prepare(examples)
    optimizer = partial(torch.optim.Adam, lr=1e-3, fused=True)
    return RouterModule(router, Pointwise(), optimizer, 0.5, examples.table, seed=0)


def lightning_epochs(examples: Examples, loader: DataLoader, epochs: int) -> Clock:
    """Train under Lightning with all optional features off."""
    clock = Clock()
    trainer = L.Trainer(
        max_epochs=epochs,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module_for(examples), loader)
    return clock


def arithmetic_epochs(examples: Examples, dataset: ResidentExamples, batch: int, epochs: int) -> list[float]:
    """Time forward, backward and step alone, on prepared batches."""
    module = module_for(examples)
    optimizer = module.configure_optimizers()
    batches = [Batch(*parts) for parts in zip(*(tensor.split(batch) for tensor in dataset.all), strict=True)]
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for part in batches:
            optimizer.zero_grad()
            module._loss(module.router(part.embeddings), part).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Print the table and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=256)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning").setLevel(logging.ERROR)
    examples = world()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resident = ResidentExamples(examples, device)
    plain = TensorDataset(*(tensor.cpu() for tensor in resident.all))

    def collate(rows: list[tuple[torch.Tensor, ...]]) -> Batch:
        return Batch(*torch.utils.data.default_collate(rows))

    ours = lightning_epochs(examples, train_batches(resident, args.batch, seed=0), args.epochs)
    shuffle = EpochShuffle(N, seed=0)
    theirs = lightning_epochs(
        examples,
        DataLoader(plain, args.batch, sampler=shuffle, collate_fn=collate, generator=torch.Generator()),
        args.epochs,
    )
    arithmetic = arithmetic_epochs(examples, resident, args.batch, args.epochs)
    gap = max(abs(a - b) for a, b in zip(ours.losses, theirs.losses, strict=True))
    rows = {"plain DataLoader": theirs.seconds, "routerbench": ours.seconds, "arithmetic alone": arithmetic}
    print(f"{N} x {D} -> {M}, batch {args.batch}, {device}, {torch.get_num_threads()} threads; best of {args.epochs}")
    for name, seconds in rows.items():
        print(f"{name:<18} {min(seconds):7.3f} s per epoch")
    print(f"largest difference of the epochs' losses {gap:.1e}")
    print(f"share of our epoch that is not arithmetic {1 - min(arithmetic) / min(ours.seconds):.0%}")
    print(f"ratio {min(theirs.seconds) / min(ours.seconds):.2f}")


if __name__ == "__main__":
    main()
