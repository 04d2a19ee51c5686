"""Write files and folders so that readers never see partial content."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routerbench.errors import InputError


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

    Raises:
        InputError: the disk is full.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            yield part
            part.chmod(0o777 & ~_umask())
            shutil.rmtree(path, ignore_errors=True)
            os.replace(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


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
