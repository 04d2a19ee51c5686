"""Save fitted routers as artefacts."""

from __future__ import annotations

import json
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
    """Write the files of an artefact, each atomically, the card last."""
    from safetensors.numpy import save as serialize

    if encoder.files is not None and encoder.files.resolve() != (folder / ENCODER).resolve():
        with atomic_folder(folder / ENCODER) as part:
            shutil.copytree(encoder.files, part, dirs_exist_ok=True)

    arrays = {SEEN: seen, **router.arrays()}
    if operating is not None:
        arrays |= {
            f"{OPERATING}.{field.name}": np.asarray(getattr(operating, field.name)) for field in fields(operating)
        }
    with atomic_path(folder / WEIGHTS) as part:
        # Python's writer raises an OSError if the disk is full, which atomic_path reports.
        part.write_bytes(serialize({name: np.asarray(array, order="C") for name, array in arrays.items()}))
        digest = sha256_of(part)
    with atomic_path(folder / CARD) as part:
        part.write_text(json.dumps({**card, "weights_sha256": digest}, indent=2) + "\n")
