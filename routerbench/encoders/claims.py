"""Who encodes what: several processes fill one folder of the embedding store and do nothing twice."""

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

WAIT_SECONDS = 5.0  # for one claim, before all are looked at again


class Claims:
    """The texts that living processes are encoding for one folder of the store.

    A claim is two files: ``<id>.keys`` lists the texts, and ``<id>.lock`` is locked while its process works on them; if
    the process is killed, the operating system unlocks it. Claims are made and looked through in turn, under one lock
    of the folder that is held for milliseconds. They save work; correctness does not rest on them.

    Args:
        folder: where the segments of one fingerprint are; made with the first claim.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places = folder / "claims"
        self._others: dict[Path, set[bytes]] = {}
        self._can_lock = True
        self._has_waited = False

    @contextmanager
    def take(self, choose: Callable[[set[bytes]], list[bytes]]) -> Iterator[list[bytes]]:
        """Claim texts for the duration of the block, which has to store them.

        Args:
            choose: from the keys that others have claimed, the keys to claim, possibly none. What it reads from the
                store is complete: others store their texts before they drop their claims.

        Raises:
            InputError: the folder cannot be written.
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
        """Wait, not for long, until another process is done with its claim on some of these keys, or is killed."""
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
        """One process at a time; on a file system without locks, all at once."""
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
        """Lock file and keys of every claim; those of killed processes are removed."""
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
    except FileNotFoundError:  # its texts have been stored since the lock was tried
        return set()
    return {keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)}


def _drop(lock: BaseFileLock) -> None:
    """Remove a claim whose lock is held, and only then let go of the lock."""
    file = Path(lock.lock_file)
    for part in (file.with_suffix(".keys"), file):
        part.unlink(missing_ok=True)
    lock.release()
