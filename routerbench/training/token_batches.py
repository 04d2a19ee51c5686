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
        ids: ``(B, T)`` token ids, padded on the right.
        lengths: ``(B,)`` tokens of each prompt.
        embeddings: ``(B, D)`` by the encoder as it was before fine-tuning.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where it was not observed.
        cost: ``(B, M)`` measured cost in USD, NaN where it is not known.
        share: how much the batch's mean loss counts for, so that every prompt counts alike over an epoch.
    """

    ids: Tensor
    lengths: Tensor
    embeddings: Tensor
    quality: Tensor
    cost: Tensor
    share: float


class TokenBatches:
    """The batches of every epoch, or of this process's part of each.

    It is Lightning's dataloader: ``sampler.set_epoch`` and the state that goes into a checkpoint are its interface. A
    run that was killed within an epoch goes on with the batch it was at.

    Args:
        tokens: of the N prompts.
        examples: their outcomes.
        num_batches: K, per epoch; 0 for batches in order of length, for validation.
        budget: most tokens of a batch of validation.
        seed: of the order.
        rank: number of this process; each batch is dealt out among all of them.
        world_size: number of processes.

    Raises:
        InputError: there are not enough prompts for so many batches.
    """

    def __init__(
        self,
        tokens: TokenTensors,
        examples: Examples,
        num_batches: int = 0,
        budget: int = 0,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.tokens = tokens
        self.outcomes = ResidentExamples(examples, tokens.ids.device)
        self.in_order = longest_first(tokens.host_lengths, budget) if not num_batches else []
        self.num_batches = num_batches or len(self.in_order)
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.done = 0
        self.resumed = (-1, 0)
        if len(tokens) < self.num_batches * world_size:
            raise InputError(
                f"finetune.batch_tokens makes {self.num_batches} batches of {len(tokens)} prompts; raise it"
            )

    @property
    def sampler(self) -> "TokenBatches":
        """Where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return self.num_batches

    def __iter__(self) -> Iterator[TokenBatch]:
        """Batches of the epoch, after those that a resumed run has had."""
        epoch, first = self.resumed
        self.done = first if epoch == self.epoch else 0
        for rows in self.plan()[self.done :]:
            self.done += 1
            yield self.gather(rows[self.rank :: self.world_size])

    def plan(self) -> list[NDArray[np.int64]]:
        """Row numbers of all batches of the epoch, whatever process they are for."""
        if self.in_order:
            return self.in_order
        rng = np.random.default_rng(epoch_seed(self.seed, self.epoch))
        return shuffled(self.tokens.host_lengths, self.num_batches, rng)

    def gather(self, rows: NDArray[np.int64]) -> TokenBatch:
        """One batch, on the device."""
        share = len(rows) * self.world_size * self.num_batches / len(self.tokens)
        return TokenBatch(*self.tokens.gather(rows), *self.outcomes.take(torch.from_numpy(rows)), share)

    @property
    def padding_share(self) -> float:
        """Share of the positions of an epoch that hold no token."""
        return padding_share(self.tokens.host_lengths, self.plan())

    def state_dict(self) -> dict[str, Any]:
        """Where the run is."""
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.resumed = (state_dict["epoch"], state_dict["done"])
