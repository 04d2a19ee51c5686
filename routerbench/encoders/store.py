"""Embeddings on disk, so that each text is encoded once, ever."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.files import atomic_path

log = logging.getLogger(__name__)

KEY_BYTES = 16


class EmbeddingStore:
    """A folder of embeddings, found by the encoder's fingerprint and the text's hash.

    Each fingerprint has a folder of segments that never change once written: ``<id>.vectors.npy``, ``(n, D)`` float32,
    and ``<id>.keys.npy``, ``(n, 16)`` hashes. The keys are written last and are the mark that the segment counts: a
    process killed in between leaves vectors that nobody reads. Any number of processes may read and write at once.

    Args:
        root: the folder; made when the first embedding is written. "~" is the home folder.
        block_size: texts per segment, about; what a killed run loses at most.
    """

    def __init__(self, root: Path | str, block_size: int = 1024) -> None:
        self.root = Path(root).expanduser()
        self.block_size = block_size

    def encode(self, encoder: Encoder, prompts: Sequence[str] | NDArray[np.object_]) -> NDArray[np.float32]:
        """Embeddings of texts; only those that the store does not hold are encoded, and then stored.

        Args:
            encoder: the map from texts to vectors.
            prompts: N texts; repeats are encoded once.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.

        Raises:
            InputError: a segment is broken, the folder cannot be written, the disk is full, or a vector is not finite.
        """
        folder = self.root / encoder.fingerprint
        keys = [_key(prompt) for prompt in prompts]
        texts = dict(zip(keys, prompts, strict=True))
        found = _find(folder, texts)
        encoded = 0
        if len(found) < len(texts):
            with _write_lock(folder):
                # Another process may have encoded them while this one waited for the lock.
                found = _find(folder, texts)
                missing = {key: text for key, text in texts.items() if key not in found}
                encoded = sum(key in missing for key in keys)
                self._encode_missing(encoder, folder, missing)
            found = _find(folder, texts) if missing else found
        done = f"{encoded} encoded" if encoded else "nothing to encode"
        log.info("embeddings: %d prompts, %d from the store at %s, %s", len(keys), len(keys) - encoded, self.root, done)
        return _read(keys, found, encoder.dim)

    def _encode_missing(self, encoder: Encoder, folder: Path, missing: dict[bytes, str]) -> None:
        """Encode texts by blocks of like length and commit each block, so that a killed run goes on where it was."""
        from tqdm import tqdm

        keys = sorted(missing, key=lambda key: len(missing[key]))
        if keys and not (folder / "identity.json").exists():
            with atomic_path(folder / "identity.json") as part:
                part.write_text(json.dumps(encoder.identity, indent=2) + "\n", encoding="utf-8")
        start = reported = time.monotonic()
        with tqdm(total=len(keys), desc="encoding", unit=" prompts", disable=None, smoothing=0) as bar:
            for first in range(0, len(keys), self.block_size):
                block = keys[first : first + self.block_size]
                vectors = encoder.encode([missing[key] for key in block])
                if bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
                    text = missing[block[bad[0]]][:80]
                    raise InputError(f"the embedding of {text!r} is not finite; a wider dtype (float32) may help")
                _write_segment(folder, block, vectors)
                bar.update(len(block))
                # A log file has no progress bar; a line now and then says that the run is alive.
                if bar.disable and (now := time.monotonic()) - reported > 30:
                    reported, done = now, first + len(block)
                    log.info("encoding: %d of %d prompts, %.0f a second", done, len(keys), done / (now - start))


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def _find(folder: Path, wanted: dict[bytes, str]) -> dict[bytes, tuple[Path, int]]:
    """Segment (by its keys file) and row of every wanted key that is stored."""
    found: dict[bytes, tuple[Path, int]] = {}
    for file in sorted(folder.glob("*.keys.npy")):
        keys = _load(file, np.uint8, KEY_BYTES)
        rows = keys.view(f"V{KEY_BYTES}").ravel().tolist()
        found.update({key: (file, row) for row, key in enumerate(rows) if key in wanted})
        if len(found) == len(wanted):
            break
    return found


def _read(keys: list[bytes], found: dict[bytes, tuple[Path, int]], dim: int) -> NDArray[np.float32]:
    """``(N, D)`` vectors of the keys, one segment after the other."""
    embeddings = np.empty((len(keys), dim), np.float32)
    by_segment: dict[Path, tuple[list[int], list[int]]] = {}
    for position, key in enumerate(keys):
        file, row = found[key]
        positions, rows = by_segment.setdefault(file, ([], []))
        positions.append(position)
        rows.append(row)
    for file, (positions, rows) in by_segment.items():
        vectors = _load(_vectors_file(file), np.float32, dim)
        if max(rows) >= len(vectors):
            raise _broken(_vectors_file(file), f"it has {len(vectors)} rows, its keys say more")
        embeddings[positions] = vectors[rows]
    return embeddings


def _load(file: Path, dtype: type, width: int) -> NDArray:
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


def _write_segment(folder: Path, keys: list[bytes], vectors: NDArray[np.float32]) -> None:
    keys_file = folder / f"{uuid.uuid4().hex}.keys.npy"
    hashes = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
    for file, array in ((_vectors_file(keys_file), vectors), (keys_file, hashes)):
        with atomic_path(file) as part, part.open("wb") as stream:
            np.save(stream, array)
            stream.flush()
            # The keys must not survive a power cut that the vectors did not.
            os.fsync(stream.fileno())


@contextmanager
def _write_lock(folder: Path) -> Iterator[None]:
    """Keep two processes from encoding the same texts twice. It saves work; correctness does not rest on it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("embeddings: waiting for another process that encodes into %s", folder)
            lock.acquire()
    except NotImplementedError:
        log.warning("embeddings: %s has no file locks; two runs at once may encode the same texts twice", folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot store embeddings here: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
