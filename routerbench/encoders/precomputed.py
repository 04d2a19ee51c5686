"""Embeddings computed by the user, aligned with the rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, Store
from routerbench.errors import InputError
from routerbench.files import sha256_of

if TYPE_CHECKING:
    from routerbench.data.outcomes import OutcomeTable


class PrecomputedEncoder(Encoder):
    """Reads the embeddings of a table from a file; row i of the file belongs to row i of the table.

    It cannot encode new texts. The file is read when the first embedding is needed, so a router trained on it can be
    loaded on a machine without the file.

    Args:
        path: a .npy file of ``(N, D)`` floats, where N is the number of rows of the table as read.

    Raises:
        InputError: on first use, if the file is missing or is not such an array.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    @property
    def dim(self) -> int:
        """Embedding size D, the number of columns of the file."""
        return self._array.shape[1]

    @property
    def identity(self) -> dict[str, Any]:
        """Checksum of the file, independent of its path."""
        return {"encoder": "precomputed", "sha256": self._sha256}

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Raise an error, because new texts cannot be encoded.

        Args:
            prompts: N texts.

        Raises:
            InputError: always.
        """
        raise InputError("trained on precomputed embeddings: pass embeddings, or an encoder to load(...)")

    def embed(self, table: OutcomeTable, store: Store) -> NDArray[np.float32]:
        """``(N, D)`` float32 rows of the file that belong to a table's prompts; nothing is stored.

        Args:
            table: N outcomes, all of the source or some; ``table.rows`` are their rows in the file.
            store: not used.

        Raises:
            InputError: the file does not fit the table, or a row is not finite.
        """
        if np.array_equal(table.rows, np.arange(len(table))):
            self.check_rows(len(table))
        elif len(table) and (last := int(table.rows.max())) >= len(self._array):
            raise InputError(
                f"{self.path}: {len(self._array)} rows of embeddings, but {table.source} has a row {last}; "
                "row i of the one must belong to row i of the other"
            )
        with np.errstate(over="ignore"):
            embeddings = self._array[table.rows].astype(np.float32)
        if bad := np.flatnonzero(~np.isfinite(embeddings).all(axis=1)).tolist():
            row = int(table.rows[bad[0]])
            raise InputError(f"{self.path}: row {row} is not finite in float32; {len(bad)} rows are not")
        return embeddings

    def check_rows(self, num_rows: int) -> None:
        """Check that the file has as many rows as the table.

        Args:
            num_rows: number of rows of the table as read, before filtering.

        Raises:
            InputError: the numbers differ.
        """
        if len(self._array) != num_rows:
            raise InputError(
                f"{self.path}: {len(self._array)} rows of embeddings, but the table has {num_rows}; "
                "row i of the one must belong to row i of the other"
            )

    @cached_property
    def _sha256(self) -> str:
        return sha256_of(self._file)

    @property
    def _file(self) -> Path:
        file = Path(self.path).expanduser()
        if not file.is_file():
            raise InputError(f"{self.path}: no such file; encoder.path must name a .npy file of embeddings")
        return file

    @cached_property
    def _array(self) -> NDArray[np.floating]:
        file = self._file
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.path}: not a .npy file of numbers ({error}); write it with numpy.save") from error
        if not isinstance(array, np.ndarray):
            raise InputError(f"{self.path}: an archive of several arrays; write one array with numpy.save")
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise InputError(f"{self.path}: {array.dtype} of shape {array.shape}; embeddings are (N, D) floats")
        return array
