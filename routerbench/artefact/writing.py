"""Save fitted routers as artefacts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.artefact.card import make_card
from routerbench.artefact.layout import CARD, ENCODER, OPERATING, SEEN, WEIGHTS
from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder
from routerbench.evaluation.operating import OperatingPoints
from routerbench.files import atomic_folder, atomic_path, sha256_of
from routerbench.routers.base import Router


def save(
    folder: Path | str,
    router: Router,
    encoder: Encoder,
    train: OutcomeTable,
    data: Mapping[str, Any],
    validation: Mapping[str, float],
    seen: NDArray[np.uint64],
    training: Mapping[str, Any] | None = None,
    operating: OperatingPoints | None = None,
) -> None:
    """Write the artefact: ``weights.safetensors`` and ``router.json``.

    Args:
        folder: folder to write; created if missing.
        router: fitted router.
        encoder: encoder it was fitted with.
        train: outcomes it was fitted on, for the models and their mean costs.
        data: config, digest and split digest of the data.
        validation: metrics on the validation split.
        seen: ``prompt_keys`` of the prompts of train and val.
        training: options of the training, without the seed.
        operating: operating points on validation.
    """
    card = make_card(router, encoder, train, data, validation, training or {})
    write(Path(folder), router, card, encoder, seen, operating)


def write(
    folder: Path,
    router: Router,
    card: Mapping[str, Any],
    encoder: Encoder,
    seen: NDArray[np.uint64],
    operating: OperatingPoints | None,
) -> None:
    """Write a complete new version of an artefact, then replace the folder by it.

    Other files in the folder are kept. A folder that is a mount point, or whose parent is read-only, cannot be
    replaced; its files are then replaced one by one, the card last.
    """
    arrays = {SEEN: seen, **router.arrays()}
    if operating is not None:
        arrays |= {
            f"{OPERATING}.{field.name}": np.asarray(getattr(operating, field.name)) for field in fields(operating)
        }
    if os.path.ismount(folder) or (folder.is_dir() and not os.access(folder.resolve().parent, os.W_OK)):
        _write_files(folder, arrays, card, encoder.files)
        return
    with atomic_folder(folder) as part:
        if folder.is_dir():
            new = {CARD, WEIGHTS, *([ENCODER] if encoder.files else [])}
            shutil.copytree(
                folder,
                part,
                dirs_exist_ok=True,
                copy_function=_link,
                ignore=lambda place, names: new.intersection(names) if Path(place) == folder else set(),
            )
        _write_files(part, arrays, card, encoder.files)


def _link(source: str, target: str) -> None:
    """Link a file that is not replaced; copy it if the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_files(
    folder: Path, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any], encoder: Path | None
) -> None:
    from safetensors.numpy import save as serialize

    if encoder is not None and encoder.resolve() != (folder / ENCODER).resolve():
        with atomic_folder(folder / ENCODER) as part:
            shutil.copytree(encoder, part, dirs_exist_ok=True)
    with atomic_path(folder / WEIGHTS) as part:
        # Python's writer raises an OSError if the disk is full, which atomic_path reports.
        part.write_bytes(serialize({name: np.asarray(array, order="C") for name, array in arrays.items()}))
        digest = sha256_of(part)
    with atomic_path(folder / CARD) as part:
        part.write_text(json.dumps({**card, "weights_sha256": digest}, indent=2) + "\n")
