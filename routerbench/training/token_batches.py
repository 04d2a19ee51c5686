"""Feeding a transformer: tokens live on the device, a batch is gathered there, and an epoch can go on in its middle."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from routerbench.data.outcomes import Examples
from routerbench.encoders.batching import longest_first, padding_share, shuffled
from routerbench.encoders.tokens import TokenTensors
from routerbench.errors import InputError
from routerbench.training.batches import ResidentExamples, epoch_seed


class TokenBatch(NamedTuple):
    """B prompts to learn from, as tokens.

    Attributes:
        inputs: what the backbone takes: ids and lengths, padded or packed.
        embeddings: ``(B, D)`` by the encoder as it was before fine-tuning.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where it was not observed.
        cost: ``(B, M)`` measured cost in USD, NaN where it is not known.
        share: how much the batch's mean loss counts for, so that every prompt counts alike over an epoch.
    """

    inputs: tuple[Any, ...]
    embeddings: Tensor
    quality: Tensor
    cost: Tensor
    share: float


class TokenBatches:
    """All prompts in order of length: the batches of validation.

    Args:
        tokens: of the N prompts.
        examples: their outcomes.
        budget: most tokens of a batch.
        packed: put prompts one after the other instead of padding them.
    """

    def __init__(self, tokens: TokenTensors, examples: Examples, budget: int, packed: bool = False) -> None:
        self.tokens = tokens
        self.packed = packed
        self.outcomes = ResidentExamples(examples, tokens.ids.device)
        self.batches = longest_first(tokens.host_lengths, budget)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[TokenBatch]:
        """The batches, on the device."""
        return (self.gather(rows, share=1.0) for rows in self.batches)

    @property
    def order(self) -> NDArray[np.int64]:
        """``(N,)`` row numbers in the order of the batches."""
        return np.concatenate(self.batches)

    def gather(self, rows: NDArray[np.int64], share: float) -> TokenBatch:
        """One batch, on the device."""
        inputs = (self.tokens.gather_packed if self.packed else self.tokens.gather)(rows)
        return TokenBatch(inputs, *self.outcomes.take(torch.from_numpy(rows)), share)


class ShuffledTokenBatches(TokenBatches):
    """The batches of every epoch of training, or this process's part of each batch.

    A run that was killed within an epoch goes on with the batch it was at: Lightning keeps the state in checkpoints.

    Args:
        tokens: of the N prompts.
        examples: their outcomes.
        budget: about how many tokens a batch has, of all processes together.
        packed: put prompts one after the other instead of padding them.
        seed: of the order.
        rank: number of this process; each batch is dealt out among all of them.
        num_processes: how many there are.

    Raises:
        InputError: there are not enough prompts for every process to have one of each batch.
    """

    def __init__(
        self,
        tokens: TokenTensors,
        examples: Examples,
        budget: int,
        packed: bool,
        seed: int,
        rank: int = 0,
        num_processes: int = 1,
    ) -> None:
        super().__init__(tokens, examples, budget, packed)
        self.num_batches = -(-int(tokens.host_lengths.sum()) // budget)
        self.seed = seed
        self.rank = rank
        self.num_processes = num_processes
        self.epoch = 0
        self.done = 0
        self.resumed = (-1, 0)
        if budget < num_processes * tokens.host_lengths.max() or self.num_batches > len(tokens):
            longest = num_processes * tokens.host_lengths.max()
            raise InputError(f"finetune.batch_tokens must be at least {longest}, the longest prompt on each device")

    @property
    def sampler(self) -> "ShuffledTokenBatches":
        """Where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches, the same in every epoch."""
        return self.num_batches

    def plan(self) -> list[NDArray[np.int64]]:
        """Row numbers of all batches of the epoch, whatever process they are for."""
        rng = np.random.default_rng(epoch_seed(self.seed, self.epoch))
        return shuffled(self.tokens.host_lengths, self.num_batches, rng)

    def __iter__(self) -> Iterator[TokenBatch]:
        """The batches of the epoch, after those that a resumed run has had."""
        epoch, done = self.resumed
        self.done = done if epoch == self.epoch else 0
        prompts_per_batch = len(self.tokens) / self.num_batches
        for batch in self.plan()[self.done :]:
            self.done += 1
            rows = batch[self.rank :: self.num_processes]
            yield self.gather(rows, share=len(rows) * self.num_processes / prompts_per_batch)

    @property
    def padding_share(self) -> float:
        """Share of the positions of an epoch that hold no token."""
        return 0.0 if self.packed else padding_share(self.tokens.host_lengths, self.plan())

    def state_dict(self) -> dict[str, Any]:
        """Where the run is."""
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.resumed = (state_dict["epoch"], state_dict["done"])
