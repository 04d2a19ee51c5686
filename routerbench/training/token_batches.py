"""Token batches for fine-tuning. Tokens are kept on the device, and an epoch can be resumed in the middle."""

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
    """A batch of B prompts as tokens.

    Attributes:
        inputs: input of the backbone: token ids and lengths, padded or packed.
        embeddings: ``(B, D)`` embeddings by the encoder before fine-tuning.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where not observed.
        cost: ``(B, M)`` measured cost in USD, NaN where unknown.
        share: weight of the batch's mean loss, so that every prompt has the same weight over an epoch.
    """

    inputs: tuple[Any, ...]
    embeddings: Tensor
    quality: Tensor
    cost: Tensor
    share: float


class TokenBatches:
    """Batches of all prompts in order of length, for validation.

    Args:
        tokens: tokens of the N prompts.
        examples: outcomes of the N prompts.
        budget: maximum number of tokens in a batch.
        packed: concatenate the prompts instead of padding them.
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
        """Iterate over the batches, on the device."""
        return (self.gather(rows, share=1.0) for rows in self.batches)

    @property
    def order(self) -> NDArray[np.int64]:
        """``(N,)`` row numbers, in the order of the batches."""
        return np.concatenate(self.batches)

    def gather(self, rows: NDArray[np.int64], share: float) -> TokenBatch:
        """Make the batch of the given rows, on the device."""
        inputs = (self.tokens.gather_packed if self.packed else self.tokens.gather)(rows)
        return TokenBatch(inputs, *self.outcomes.take(torch.from_numpy(rows)), share)


class ShuffledTokenBatches(TokenBatches):
    """Shuffled training batches, or this process's part of each batch.

    A run that was interrupted within an epoch continues with the next batch: Lightning stores the state in checkpoints.

    Args:
        tokens: tokens of the N prompts.
        examples: outcomes of the N prompts.
        budget: approximate number of tokens in a batch, over all processes.
        packed: concatenate the prompts instead of padding them.
        seed: seed for the order of the prompts.
        rank: rank of this process.
        num_processes: number of processes that share each batch.

    Raises:
        InputError: there are too few prompts to give every process at least one of each batch.
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
        """This object; Lightning looks for ``set_epoch`` here."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches, the same in every epoch."""
        return self.num_batches

    def plan(self) -> list[NDArray[np.int64]]:
        """Return the row numbers of all batches of the epoch, for all processes together."""
        rng = np.random.default_rng(epoch_seed(self.seed, self.epoch))
        return shuffled(self.tokens.host_lengths, self.num_batches, rng)

    def __iter__(self) -> Iterator[TokenBatch]:
        """Iterate over the batches of the epoch, without those that a resumed run has finished."""
        epoch, done = self.resumed
        self.done = done if epoch == self.epoch else 0
        prompts_per_batch = len(self.tokens) / self.num_batches
        for batch in self.plan()[self.done :]:
            self.done += 1
            rows = batch[self.rank :: self.num_processes]
            yield self.gather(rows, share=len(rows) * self.num_processes / prompts_per_batch)

    @property
    def padding_share(self) -> float:
        """Fraction of the positions in an epoch that are padding."""
        return 0.0 if self.packed else padding_share(self.tokens.host_lengths, self.plan())

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the number of its batches that are done."""
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the position from a checkpoint."""
        self.resumed = (state_dict["epoch"], state_dict["done"])
