"""Feeding a network: the whole split lives on the device and a batch is one indexing operation."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from routerbench.data.outcomes import Examples


class Batch(NamedTuple):
    """B prompts to learn from.

    Attributes:
        embeddings: ``(B, D)`` float32.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where it was not observed.
        cost: ``(B, M)`` measured cost in USD, NaN where it is not known.
    """

    embeddings: Tensor
    quality: Tensor
    cost: Tensor


class ResidentExamples(Dataset[Batch]):
    """A split as tensors on one device, gathered batch by batch: no per-prompt Python and no collate.

    Args:
        examples: the N prompts.
        device: where the tensors live.
    """

    def __init__(self, examples: Examples, device: torch.device) -> None:
        arrays = examples.embeddings, examples.table.quality, examples.table.cost
        self.all = Batch(*(torch.from_numpy(array).float().to(device) for array in arrays))

    def __len__(self) -> int:
        """Number of prompts N."""
        return len(self.all.embeddings)

    def __getitems__(self, rows: list[int]) -> Batch:
        """One batch; DataLoader calls this instead of fetching item by item."""
        return self.take(torch.tensor(rows))

    def take(self, rows: Tensor) -> Batch:
        """The batch of ``(B,)`` row numbers."""
        index = rows.to(self.all.embeddings.device)
        return Batch(*(tensor.index_select(0, index) for tensor in self.all))


class EpochShuffle(Sampler[int]):
    """A shuffle that depends on the seed and the epoch alone, so a resumed run sees what the uninterrupted one saw.

    Lightning calls ``set_epoch`` as it does for a distributed sampler.
    """

    def __init__(self, num_prompts: int, seed: int) -> None:
        self.num_prompts = num_prompts
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shuffles for."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of prompts N."""
        return self.num_prompts

    def __iter__(self) -> Iterator[int]:
        """The row numbers in this epoch's order."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.num_prompts, generator=generator).tolist())


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch: unrelated to those of other epochs and of other runs."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def train_batches(dataset: ResidentExamples, batch_size: int, seed: int) -> DataLoader[Any]:
    """Shuffled batches of ``batch_size`` prompts, the last one smaller."""
    return DataLoader(
        dataset, batch_size, sampler=EpochShuffle(len(dataset), seed), collate_fn=_identity, generator=torch.Generator()
    )


def val_batches(dataset: ResidentExamples) -> DataLoader[Any]:
    """The whole split in large batches, in order."""
    return DataLoader(dataset, batch_size=65_536, collate_fn=_identity, generator=torch.Generator())


def _identity(batch: Any) -> Batch:
    return batch
