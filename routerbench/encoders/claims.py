"""Coordinate processes that fill the same folder of the embedding store, so that no text is encoded twice."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from routerbench.encoders.segments import KEY_BYTES
from routerbench.errors import InputError
from routerbench.files import atomic_path

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)

WAIT_SECONDS = 5.0  # to wait for one claim before checking all claims again


class Claims:
    """The texts that running processes are encoding for one folder of the store.

    A claim consists of two files: ``<id>.keys`` lists the texts, and ``<id>.lock`` is locked while the process works on
    them; if the process is killed, the operating system releases the lock. A lock on the folder, held for milliseconds,
    serialises creating and reading claims. Claims only save work; correctness does not depend on them.

    Args:
        folder: folder of the segments of one fingerprint; created with the first claim.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places = folder / "claims"
        self._others: dict[Path, set[bytes]] = {}
        self._can_lock = True
        self._has_waited = False

    @contextmanager
    def take(self, choose: Callable[[set[bytes]], list[bytes]]) -> Iterator[list[bytes]]:
        """Claim texts for the duration of the block, which must store them.

        Args:
            choose: maps the keys claimed by others to the keys to claim, possibly none. When it is called, the store
                already has the texts of all released claims.

        Raises:
            InputError: the folder is not writable.
        """
        lock = None
        with self._turn():
            self._others = self._alive()
            keys = choose(set().union(*self._others.values()))
            if keys and self._can_lock:
                lock = self._claim(keys)
        try:
            yield keys
        finally:
            if lock is not None:
                _drop(lock)

    def wait(self, keys: Collection[bytes]) -> None:
        """Wait at most ``WAIT_SECONDS`` for another process to release its claim on some of these keys."""
        from filelock import Timeout

        if not self._has_waited:
            log.info("embeddings: waiting for another process that encodes into %s", self.folder)
            self._has_waited = True
        lock = _lock(next(file for file, claimed in self._others.items() if not claimed.isdisjoint(keys)))
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            return
        _drop(lock)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the folder's lock; on a file system without locks, warn and continue."""
        lock = _lock(self.folder / "lock")
        try:
            self._places.mkdir(parents=True, exist_ok=True)
            if self._can_lock:
                lock.acquire()
        except NotImplementedError:
            self._can_lock = False
            log.warning(
                "embeddings: %s has no file locks; two runs at once may encode the same texts twice", self.folder
            )
        except OSError as error:
            raise InputError(f"{self.folder}: cannot store embeddings here: {error.strerror or error}") from error
        try:
            yield
        finally:
            lock.release()

    def _alive(self) -> dict[Path, set[bytes]]:
        """Map the lock files of all claims to their keys; remove the claims of killed processes."""
        from filelock import Timeout

        alive = {}
        for file in sorted(self._places.glob("*.lock")) if self._can_lock else []:
            lock = _lock(file)
            try:
                lock.acquire(timeout=0)
                _drop(lock)
            except Timeout:
                alive[file] = _read(file)
        return alive

    def _claim(self, keys: list[bytes]) -> BaseFileLock:
        lock = _lock(self._places / f"{uuid.uuid4().hex}.lock")
        lock.acquire()
        with atomic_path(Path(lock.lock_file).with_suffix(".keys")) as part:
            part.write_bytes(b"".join(keys))
        return lock


def _lock(file: Path) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(file)


def _read(lock_file: Path) -> set[bytes]:
    try:
        keys = lock_file.with_suffix(".keys").read_bytes()
    except FileNotFoundError:  # the texts were stored after the lock was tried
        return set()
    return {keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)}


def _drop(lock: BaseFileLock) -> None:
    """Remove a claim, then release its lock."""
    file = Path(lock.lock_file)
    for part in (file.with_suffix(".keys"), file):
        part.unlink(missing_ok=True)
    lock.release()
