"""Vectorised MurmurHash3 for many short texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_C1, _C2, _C3, _C4 = (np.uint32(c) for c in (0xCC9E2D51, 0x1B873593, 0x85EBCA6B, 0xC2B2AE35))


def murmur3(terms: Sequence[bytes]) -> NDArray[np.int32]:
    """Hash byte strings with MurmurHash3_x86_32 and seed 0 (Austin Appleby, public domain).

    Args:
        terms: N byte strings.

    Returns:
        ``(N,)`` signed 32-bit hashes.

    Example:
        >>> murmur3([b"", b"test", b"Hello, world!"]).view(np.uint32).tolist() == [0, 0xBA6BD213, 0xC0363E43]
        True
    """
    lengths = np.fromiter(map(len, terms), np.int64, len(terms))
    order = np.argsort(lengths, kind="stable")
    joined = np.frombuffer(b"".join([terms[i] for i in order.tolist()]), np.uint8)
    hashes, sizes, row, byte = np.empty(len(terms), np.uint32), np.bincount(lengths), 0, 0
    for length in np.flatnonzero(sizes).tolist():  # texts of equal length form one table
        number = int(sizes[length])
        table = joined[byte : byte + number * length].reshape(number, length)
        hashes[order[row : row + number]] = _of_one_length(table)
        row, byte = row + number, byte + number * length
    return hashes.view(np.int32)


def _of_one_length(table: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """``(N,)`` hashes of the rows of an ``(N, length)`` table of bytes."""
    number, length = table.shape
    padded = np.zeros((number, -(-length // 4) * 4), np.uint8)
    padded[:, :length] = table
    hashes = np.zeros(number, np.uint32)
    for block, part in enumerate(padded.view("<u4").T):
        hashes ^= _rotated(part * _C1, 15) * _C2
        if 4 * block + 4 <= length:  # a final block of fewer than 4 bytes skips this step
            hashes = _rotated(hashes, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    hashes ^= np.uint32(length)
    hashes = (hashes ^ hashes >> np.uint32(16)) * _C3
    hashes = (hashes ^ hashes >> np.uint32(13)) * _C4
    return hashes ^ hashes >> np.uint32(16)


def _rotated(values: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return values << np.uint32(bits) | values >> np.uint32(32 - bits)
