"""What the folder of an artefact holds, before a router is made of it; the folder may be on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench import hub
from routerbench.artefact.card import read_card
from routerbench.artefact.layout import CARD, ENCODER, EXPORTED, OPERATING, SEEN, WEIGHTS
from routerbench.errors import InputError
from routerbench.evaluation.operating import OperatingPoints


@dataclass(frozen=True)
class Artefact:
    """An artefact as it was read: nothing in it has been executed.

    Attributes:
        folder: where it is.
        card: what ``router.json`` says.
        arrays: the router's own weights.
        seen: keys of the prompts it learned from.
        operating: mean cost and quality on validation at each lambda, or None where they are not known.
    """

    folder: Path
    card: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    seen: NDArray[np.uint64]
    operating: OperatingPoints | None


def read(folder: Path | str) -> Artefact:
    """Read an artefact.

    Args:
        folder: the directory that training wrote.

    Raises:
        InputError: a file is missing, damaged, or was changed.
    """
    from safetensors.numpy import load_file

    folder = Path(folder)
    card = read_card(folder)
    try:
        arrays = load_file(folder / WEIGHTS)
        seen, operating = arrays.pop(SEEN), _read_operating(arrays)
    except (RuntimeError, KeyError, ValueError) as error:
        raise weights_do_not_fit(folder, error) from error
    return Artefact(folder, card, arrays, seen, operating)


def weights_do_not_fit(folder: Path, error: Exception) -> InputError:
    """The error of weights that are not those that the card's router needs."""
    return InputError(f"{folder / WEIGHTS}: the weights do not fit the card's router: {error}")


def locate(
    folder: Path | str, backend: str = "torch", *, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """The folder of an artefact: it itself, or where the hub's copy lies, which is fetched if need be.

    Args:
        folder: as ``load`` takes it.
        backend: as ``load`` takes it.
        revision: as ``load`` takes it.
        token: as ``load`` takes it.

    Raises:
        InputError: there is neither such a folder nor such a repository, or it cannot be reached.
    """
    if Path(folder).is_dir():
        if revision is not None:
            raise InputError(f"{folder}: a folder here has no revision {revision!r}; a name on the hub is owner/name")
        return Path(folder)
    if isinstance(folder, Path) or not hub.is_name(str(folder)):
        raise InputError(f"{folder}: no router there; give a folder that training wrote, or owner/name on the hub")
    return _download(str(folder), revision, token, backend)


def _download(name: str, revision: str | None, token: str | bool | None, backend: str) -> Path:
    """The folder of a router on the hub, with the files that a backend needs."""
    parts = EXPORTED if backend == "onnx" else [f"{ENCODER}/{pattern}" for pattern in hub.TRANSFORMER]
    option = "to routerbench.load"
    return hub.snapshot("router", name, revision, [CARD, WEIGHTS, *parts], hub.UNWANTED, token=token, option=option)


def _read_operating(arrays: dict[str, NDArray[Any]]) -> OperatingPoints | None:
    """Take the operating points out of the weights; None where an artefact has none."""
    found = {name: arrays.pop(name) for name in list(arrays) if name.startswith(f"{OPERATING}.")}
    if not found:
        return None
    points = {name.removeprefix(f"{OPERATING}."): values for name, values in found.items()}
    return OperatingPoints(**points | {"best_quality": float(points["best_quality"])})  # type: ignore[arg-type]
