"""Files of the embedding store: immutable segments of vectors and the keys of their texts."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.errors import InputError
from routerbench.files import atomic_path

KEY_BYTES = 16


def key_of(text: str) -> bytes:
    """Hash a text to its key in the store."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


class Segments:
    """The segments of one folder, indexed for a set of wanted texts.

    Args:
        folder: folder of one fingerprint.
        wanted: keys of the texts.
    """

    def __init__(self, folder: Path, wanted: Collection[bytes]) -> None:
        self.folder = folder
        self.wanted = wanted
        self.found: dict[bytes, tuple[Path, int]] = {}  # maps a key to its segment's keys file and row
        self._seen: set[Path] = set()

    def look(self) -> None:
        """Search wanted texts in segments that are new since the last call."""
        for file in sorted(set(self.folder.glob("*.keys.npy")) - self._seen):
            if len(self.found) == len(self.wanted):
                return
            keys = _load(file, np.uint8, KEY_BYTES).view(f"V{KEY_BYTES}").ravel().tolist()
            self._add(file, keys)

    def read(self, keys: Sequence[bytes], dim: int) -> NDArray[np.float32]:
        """``(N, D)`` vectors of N keys that were found, read segment by segment."""
        embeddings = np.empty((len(keys), dim), np.float32)
        by_segment: dict[Path, tuple[list[int], list[int]]] = {}
        for position, key in enumerate(keys):
            file, row = self.found[key]
            positions, rows = by_segment.setdefault(file, ([], []))
            positions.append(position)
            rows.append(row)
        for file, (positions, rows) in by_segment.items():
            vectors = _load(_vectors_file(file), np.float32, dim)
            if max(rows) >= len(vectors):
                raise _broken(_vectors_file(file), f"it has {len(vectors)} rows, its keys say more")
            embeddings[positions] = vectors[rows]
        return embeddings

    def write(self, keys: list[bytes], vectors: NDArray[np.float32], identity: dict[str, Any]) -> None:
        """Store ``(n, D)`` vectors of n wanted texts."""
        if not (about := self.folder / "identity.json").exists():
            with atomic_path(about) as part:
                part.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
        keys_file = self.folder / f"{uuid.uuid4().hex}.keys.npy"
        hashes = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
        for file, array in ((_vectors_file(keys_file), vectors), (keys_file, hashes)):
            with atomic_path(file) as part, part.open("wb") as stream:
                np.save(stream, array)
                stream.flush()
                # After a power cut, keys must not exist without their vectors.
                os.fsync(stream.fileno())
        self._add(keys_file, keys)

    def _add(self, file: Path, keys: list[bytes]) -> None:
        self._seen.add(file)
        self.found.update({key: (file, row) for row, key in enumerate(keys) if key in self.wanted})


def _load(file: Path, dtype: type, width: int) -> NDArray[Any]:
    """Memory-map one ``(n, width)`` array of a segment."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _broken(file, str(error)) from error
    if array.dtype != dtype or array.shape[1:] != (width,):
        raise _broken(file, f"it holds {array.dtype} {array.shape}")
    return array


def _broken(file: Path, reason: str) -> InputError:
    segment = file.name.split(".")[0]
    return InputError(
        f"{file}: a broken piece of the embedding store ({reason}); delete {segment}.* there and run again"
    )


def _vectors_file(keys_file: Path) -> Path:
    return keys_file.with_name(keys_file.name.replace(".keys.npy", ".vectors.npy"))
