"""From a fitted router to its artefact."""

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
        folder: the directory to write, made if it is missing.
        router: fitted.
        encoder: what it was fitted on.
        train: the outcomes it was fitted on: gives the models and their mean costs.
        data: what to record of the data: its config, digest and split digest.
        validation: figures on the validation split.
        seen: ``prompt_keys`` of the prompts of train and val.
        training: options it was trained with, whatever the seed.
        operating: what it came to on validation at each lambda.
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
        # Written by Python, so that a full disk is an OSError that atomic_path explains.
        part.write_bytes(serialize({name: np.asarray(array, order="C") for name, array in arrays.items()}))
        digest = sha256_of(part)
    with atomic_path(folder / CARD) as part:
        part.write_text(json.dumps({**card, "weights_sha256": digest}, indent=2) + "\n")
