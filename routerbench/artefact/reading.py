"""Read the contents of an artefact, locally or from the hub, without building the router."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from routerbench import hub
from routerbench.artefact.card import read_card
from routerbench.artefact.layout import CARD, ENCODER, EXPORTED, OPERATING, SEEN, WEIGHTS
from routerbench.errors import InputError
from routerbench.evaluation.operating import OperatingPoints

T = TypeVar("T")
_MOMENT = 0.02  # seconds


@dataclass(frozen=True)
class Artefact:
    """Contents of an artefact.

    Attributes:
        folder: folder of the artefact.
        card: contents of ``router.json``.
        arrays: weights of the router.
        seen: hashes of the prompts it learned from, validation included.
        operating: operating points on validation, or None if unknown.
    """

    folder: Path
    card: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    seen: NDArray[np.uint64]
    operating: OperatingPoints | None


def read(folder: Path | str) -> Artefact:
    """Read an artefact; the new version if it is replaced in the meantime.

    Args:
        folder: folder written by training.

    Raises:
        InputError: a file is missing, invalid or has changed.
    """
    return read_consistently(Path(folder), read_once)


def read_consistently(folder: Path, read: Callable[[Path], T]) -> T:
    """Call ``read``, again if the artefact was replaced in the meantime.

    Args:
        folder: folder of the artefact.
        read: reads several of its files.

    Raises:
        InputError: ``read`` failed although the artefact was not replaced.
    """
    while True:
        before = _version(folder)
        try:
            found = read(folder)
        except (InputError, FileNotFoundError):
            time.sleep(_MOMENT)  # if two renames replace the folder, it is missing for less than this
            if _version(folder) == before:
                raise
            continue
        if _version(folder) == before:
            return found


def _version(folder: Path) -> tuple[int, ...] | None:
    """Identify the version of an artefact by its folder and its card; None if it does not exist."""
    try:
        found = [folder.stat(), (folder / CARD).stat()]
    except OSError:
        return None
    return tuple(number for stat in found for number in (stat.st_ino, stat.st_mtime_ns))


def read_once(folder: Path) -> Artefact:
    """Read an artefact that is not replaced in the meantime; see ``read``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = read_card(folder)
    try:
        arrays = load_file(folder / WEIGHTS)
        seen, operating = arrays.pop(SEEN), _read_operating(arrays)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise weights_do_not_fit(folder, error) from error
    return Artefact(folder, card, arrays, seen, operating)


def weights_do_not_fit(folder: Path, error: Exception) -> InputError:
    """Return the error for weights that do not match the card's router."""
    return InputError(f"{folder / WEIGHTS}: the weights do not fit the card's router: {error}")


def locate(
    folder: Path | str, backend: str = "torch", *, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """Return the local folder of an artefact, downloading it from the hub if necessary.

    Args:
        folder: as in ``load``.
        backend: as in ``load``.
        revision: as in ``load``.
        token: as in ``load``.

    Raises:
        InputError: there is neither a folder nor a reachable repository of this name.
    """
    if Path(folder).is_dir():
        if revision is not None:
            raise InputError(f"{folder}: a folder here has no revision {revision!r}; a name on the hub is owner/name")
        return Path(folder)
    if isinstance(folder, Path) or not hub.is_name(str(folder)):
        raise InputError(f"{folder}: no router there; give a folder that training wrote, or owner/name on the hub")
    return _download(str(folder), revision, token, backend)


def _download(name: str, revision: str | None, token: str | bool | None, backend: str) -> Path:
    """Download the files that the backend needs."""
    parts = EXPORTED if backend == "onnx" else [f"{ENCODER}/{pattern}" for pattern in hub.TRANSFORMER]
    option = "to routerbench.load"
    return hub.snapshot("router", name, revision, [CARD, WEIGHTS, *parts], hub.UNWANTED, token=token, option=option)


def _read_operating(arrays: dict[str, NDArray[Any]]) -> OperatingPoints | None:
    """Remove the operating points from the arrays and return them, or None if there are none."""
    found = {name: arrays.pop(name) for name in list(arrays) if name.startswith(f"{OPERATING}.")}
    if not found:
        return None
    points = {name.removeprefix(f"{OPERATING}."): values for name, values in found.items()}
    return OperatingPoints(**points | {"best_quality": float(points["best_quality"])})  # type: ignore[arg-type]
