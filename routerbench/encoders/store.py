"""On-disk store of embeddings, so that each text is encoded only once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder
from routerbench.encoders.claims import Claims
from routerbench.encoders.segments import Segments, key_of
from routerbench.errors import InputError

log = logging.getLogger(__name__)


class EmbeddingStore:
    """A folder of embeddings, addressed by the encoder's fingerprint and the hash of the text.

    Each fingerprint has a folder of immutable segments: ``<id>.vectors.npy``, ``(n, D)`` float32, and
    ``<id>.keys.npy``, ``(n, 16)`` hashes. The keys are written last and make the segment valid; if a process is killed
    before, its vectors are ignored. Any number of processes, on one machine or on several that share the folder, may
    read and write at the same time; processes that need the same texts share the work block by block.

    Args:
        root: the folder, created when the first embedding is written. "~" is the home folder.
        block_size: texts per segment; a process claims one block at a time, and loses at most one if it is killed.
    """

    def __init__(self, root: Path | str, block_size: int = 1024) -> None:
        self.root = Path(root).expanduser()
        self.block_size = block_size

    def encode(self, encoder: Encoder, prompts: Sequence[str] | NDArray[np.object_]) -> NDArray[np.float32]:
        """Return the embeddings of texts; texts that are not in the store are encoded and stored.

        Args:
            encoder: the encoder.
            prompts: N texts; duplicates are encoded once.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.

        Raises:
            InputError: a segment is damaged, the folder is not writable, the disk is full, or a vector is not finite.
        """
        folder = self.root / encoder.fingerprint
        keys = [key_of(prompt) for prompt in prompts]
        texts = dict(zip(keys, prompts, strict=True))
        segments = Segments(folder, texts)
        segments.look()
        own = self._encode_missing(encoder, segments, texts) if len(segments.found) < len(texts) else set()
        encoded = sum(key in own for key in keys)
        done = f"{encoded} encoded" if encoded else "nothing to encode"
        log.info("embeddings: %d prompts, %d from the store at %s, %s", len(keys), len(keys) - encoded, self.root, done)
        return segments.read(keys, encoder.dim)

    def _encode_missing(self, encoder: Encoder, segments: Segments, texts: dict[bytes, str]) -> set[bytes]:
        """Encode texts in blocks of similar length until all are stored, by this process or another.

        Each block is committed, so that a killed run can continue.

        Returns:
            Keys of the texts that this process encoded.
        """
        waiting = sorted((key for key in texts if key not in segments.found), key=lambda key: len(texts[key]))
        claims = Claims(segments.folder)
        own: set[bytes] = set()

        def next_block(claimed: set[bytes]) -> list[bytes]:
            segments.look()
            waiting[:] = [key for key in waiting if key not in segments.found]
            return list(islice((key for key in waiting if key not in claimed), self.block_size))

        with _Progress(len(waiting)) as progress:
            while waiting:
                with claims.take(next_block) as block:
                    if block:
                        vectors = encoder.encode([texts[key] for key in block])
                        _check_finite(vectors, [texts[key] for key in block])
                        segments.write(block, vectors, encoder.identity)
                        own.update(block)
                progress.show(len(texts) - len(segments.found))
                if not block and waiting:
                    claims.wait(waiting)
        return own


class _Progress:
    """Progress of encoding: a bar on a terminal, or a log line every 30 seconds."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=total, desc="encoding", unit=" prompts", disable=None, smoothing=0)
        self.total = total
        self.start = self.reported = time.monotonic()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, left: int) -> None:
        done = self.total - left
        self.bar.update(done - self.bar.n)
        if self.bar.disable and (now := time.monotonic()) - self.reported > 30:
            self.reported = now
            log.info("encoding: %d of %d prompts, %.0f a second", done, self.total, done / (now - self.start))


def _check_finite(vectors: NDArray[np.float32], texts: list[str]) -> None:
    if bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        raise InputError(f"the embedding of {texts[bad[0]][:80]!r} is not finite; a wider dtype (float32) may help")
