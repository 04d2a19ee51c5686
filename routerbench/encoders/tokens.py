"""Token ids of many prompts in one flat array, tokenised once and gathered in batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.files import atomic_path

if TYPE_CHECKING:
    import torch


class Tokens(NamedTuple):
    """N prompts as one concatenated array of T tokens.

    Attributes:
        ids: ``(T,)`` int32 token ids.
        offsets: ``(N + 1,)`` int64 start of each prompt; the last one is T.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, prompts: Sequence[Sequence[int]]) -> Tokens:
        """Concatenate N lists of token ids.

        Example:
            >>> tokens = Tokens.of([[5, 6, 7], [8]])
            >>> tokens.ids.tolist(), tokens.offsets.tolist(), tokens.lengths.tolist()
            ([5, 6, 7, 8], [0, 3, 4], [3, 1])
        """
        offsets = np.zeros(len(prompts) + 1, np.int64)
        np.cumsum([len(ids) for ids in prompts], out=offsets[1:])
        return cls(np.fromiter(chain.from_iterable(prompts), np.int32, offsets[-1]), offsets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` number of tokens of each prompt."""
        return np.diff(self.offsets)

    @classmethod
    def stored(cls, folder: Path, prompts: Sequence[str], tokenize: Callable[[Sequence[str]], Tokens]) -> Tokens:
        """Return the memory-mapped tokens of prompts; they are tokenised if not stored yet.

        Args:
            folder: folder of the arrays, one per tokenizer; processes may share it.
            prompts: N texts.
            tokenize: tokenises the texts.

        Raises:
            InputError: a stored file is damaged.
        """
        corpus = hashlib.sha256(json.dumps(list(prompts)).encode()).hexdigest()[:16]
        files = [folder / f"{corpus}.{name}.npy" for name in cls._fields]
        if not all(file.exists() for file in files):
            made = tokenize(prompts)
            _write(files[0], made.ids)
            _write(files[1], made.offsets)
        tokens = cls(*map(_load, files))
        if len(tokens.offsets) != len(prompts) + 1 or tokens.offsets[-1] != len(tokens.ids):
            raise InputError(f"{files[0]}: its tokens are not those of {files[1].name}; delete it and run again")
        return tokens


def _load(file: Path) -> NDArray[Any]:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: damaged tokens ({error}); delete it and run again") from error


def _write(file: Path, array: NDArray[Any]) -> None:
    with atomic_path(file) as part, part.open("wb") as stream:
        np.save(stream, array)


class TokenTensors:
    """Tokens on a device, gathered into batches by a few operations of any batch size.

    Args:
        tokens: tokens of N prompts.
        filler: padding token id; padding is identified by the lengths.
        device: device of the tensors.
        multiple: widths are rounded up to a multiple of this: matrix units prefer 8, compiled networks few shapes.
    """

    def __init__(self, tokens: Tokens, filler: int, device: torch.device, multiple: int = 1) -> None:
        import torch

        # One extra padding token, so that every gathered position is valid.
        self.ids = torch.from_numpy(np.append(tokens.ids, np.int32(filler))).to(device)
        self.offsets = torch.from_numpy(np.array(tokens.offsets)).to(device)
        self.host_lengths = tokens.lengths
        self.filler = filler
        self.multiple = multiple

    def __len__(self) -> int:
        """Number of prompts N."""
        return len(self.host_lengths)

    def gather(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """``(B, T)`` int64 ids of B prompts, padded on the right, and their ``(B,)`` lengths."""
        import torch

        width = int(self.host_lengths[rows].max())
        width = -(-width // self.multiple) * self.multiple
        start, lengths = self._places(rows)
        position = torch.arange(width, device=self.ids.device)
        is_token = position < lengths[:, None]
        ids = self.ids[torch.where(is_token, start[:, None] + position, len(self.ids) - 1)]
        return ids.long(), lengths

    def gather_packed(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor, int]:
        """``(T,)`` int64 ids of B concatenated prompts, their ``(B,)`` lengths, and the maximum length."""
        import torch

        host_lengths = self.host_lengths[rows]
        start, lengths = self._places(rows)
        shift = start - (lengths.cumsum(0) - lengths)  # from a token's position in the batch to that in all tokens
        position = torch.arange(int(host_lengths.sum()), device=self.ids.device)
        ids = self.ids[position + shift.repeat_interleave(lengths, output_size=len(position))]
        return ids.long(), lengths, int(host_lengths.max())

    def _places(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Starts and lengths of B prompts, computed without device-to-host synchronisation."""
        import torch

        index = torch.from_numpy(rows)
        if self.ids.device.type == "cuda":  # a copy from pinned memory does not wait for the previous batch
            index = index.pin_memory().to(self.ids.device, non_blocking=True)
        start = self.offsets[index]
        return start, self.offsets[index + 1] - start
