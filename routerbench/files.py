"""Write files and folders so that readers never see partial content."""

import ctypes
import errno
import fcntl
import glob
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from routerbench.errors import InputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h
_PART = ".part"  # suffix of temporary folders, so that no hidden folder of the user is taken for one
_YOUNG = 60.0  # seconds; a younger temporary folder may have been made, but not locked yet


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    If the block raises, the disk is full or the process is killed, ``path`` is unchanged.

    Args:
        path: the file to write; its folder is created if missing.

    Yields:
        The path to write to, with the suffix of ``path``.

    Raises:
        InputError: the disk is full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "figures" / "aiq.txt"
        >>> with atomic_path(target) as part:
        ...     _ = part.write_text("0.7")
        >>> target.read_text(), [file.name for file in target.parent.iterdir()]
        ('0.7', ['aiq.txt'])
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            # mkstemp creates files with mode 0600, which other users of a shared folder could not read.
            part.chmod(0o666 & ~_umask())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it replaces ``path`` when the block succeeds.

    The two folders are exchanged in one step, so that a reader, or a kill at any moment, finds the old or the new one.
    Where the system cannot exchange them, ``path`` is missing for a moment between two renames. Folders that killed
    processes left behind are removed.

    Raises:
        InputError: the disk is full.
    """
    path = Path(path).resolve()  # of a link, the folder that it points to is replaced
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-", suffix=_PART))
        try:
            with _locked(part):
                yield part
                part.chmod(0o777 & ~_umask())
                if not _exchange(part, path):
                    old = part.with_name(f"{part.name.removesuffix(_PART)}-old{_PART}")
                    if path.exists():
                        os.replace(path, old)
                    os.replace(part, path)
                    shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # after an exchange, the old version


def _exchange(first: Path, second: Path) -> bool:
    """Swap two paths in one step, if both exist and kernel and file system can."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if renameat2 is None:
        return False
    names = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(renameat2(*names, _RENAME_EXCHANGE) == 0)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, so that others can tell whether the folder is still in use."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary folders of ``path`` that no living process holds."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}-*{_PART}"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < _YOUNG:
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise an InputError if the disk is full."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise InputError(f"{path}: the disk is full; free some space and run again") from error
        raise


def sha256_of(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_full(error: OSError) -> bool:
    """Whether an error means that the disk or the user's quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
