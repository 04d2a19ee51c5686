"""Batches for training a network. The whole split is kept on the device, and a batch is one indexing operation."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from routerbench.data.outcomes import Examples


class Batch(NamedTuple):
    """A batch of B prompts.

    Attributes:
        embeddings: ``(B, D)`` float32.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where not observed.
        cost: ``(B, M)`` measured cost in USD, NaN where unknown.
    """

    embeddings: Tensor
    quality: Tensor
    cost: Tensor


class ResidentExamples(Dataset[Batch]):
    """A split as tensors on one device, indexed by batch instead of collated prompt by prompt.

    Args:
        examples: the N prompts.
        device: device of the tensors.
    """

    def __init__(self, examples: Examples, device: torch.device) -> None:
        arrays = examples.embeddings, examples.table.quality, examples.table.cost
        self.all = Batch(*(torch.from_numpy(array).float().to(device) for array in arrays))

    def __len__(self) -> int:
        """Number of prompts N."""
        return len(self.all.embeddings)

    def __getitems__(self, rows: list[int]) -> Batch:
        """Return one batch. DataLoader calls this instead of fetching item by item."""
        return self.take(torch.tensor(rows))

    def take(self, rows: Tensor) -> Batch:
        """Return the batch with the given ``(B,)`` row numbers."""
        index = rows.to(self.all.embeddings.device)
        return Batch(*(tensor.index_select(0, index) for tensor in self.all))


class EpochShuffle(Sampler[int]):
    """Shuffled order that depends on seed and epoch alone, so that a resumed run sees the same order.

    Lightning calls ``set_epoch``, as for a distributed sampler.
    """

    def __init__(self, num_prompts: int, seed: int) -> None:
        self.num_prompts = num_prompts
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of prompts N."""
        return self.num_prompts

    def __iter__(self) -> Iterator[int]:
        """Iterate over the row numbers in the order of this epoch."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.num_prompts, generator=generator).tolist())


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch, independent of other epochs and other seeds."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def train_batches(dataset: ResidentExamples, batch_size: int, seed: int) -> DataLoader[Any]:
    """Make a loader of shuffled batches of ``batch_size`` prompts. The last batch may be smaller."""
    return DataLoader(
        dataset, batch_size, sampler=EpochShuffle(len(dataset), seed), collate_fn=_identity, generator=torch.Generator()
    )


def val_batches(dataset: ResidentExamples) -> DataLoader[Any]:
    """Make a loader of the whole split, in order, in large batches."""
    return DataLoader(dataset, batch_size=65_536, collate_fn=_identity, generator=torch.Generator())


def _identity(batch: Any) -> Batch:
    return batch
