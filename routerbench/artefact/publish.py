"""Publish an artefact with its model card on the Hugging Face hub."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routerbench import hub
from routerbench.artefact.layout import CARD, ENCODER, EXPORTED, WEIGHTS, artefact_files
from routerbench.artefact.model_card import PICTURE, measure_of, read_evaluation, repository_card
from routerbench.artefact.reading import read
from routerbench.errors import InputError
from routerbench.files import sha256_of
from routerbench.report.frontier_picture import write_validation

REPLACED = (f"{ENCODER}/*", *EXPORTED, PICTURE)  # deleted if not uploaded again; other files of the repository stay


def publish(folder: Path, repo_id: str, evaluation: Path | str | None, license: str | None, **options: Any) -> str:
    """Commit the files of an artefact, a model card and a picture.

    Args:
        folder: folder of the artefact.
        repo_id: this and the following as in ``TrainedRouter.push_to_hub``.
        evaluation: folder written by ``evaluate.py``, or None.
        license: the hub's identifier of the licence, or None.
        options: options of ``hub.upload``.
    """
    artefact = read(folder)
    with tempfile.TemporaryDirectory() as scratch:
        files = {path: folder / path for path in artefact_files(folder)}
        picture = None
        if evaluation is not None:
            read_evaluation(evaluation, artefact.card)
            picture = Path(evaluation) / PICTURE
            if not picture.is_file():
                raise InputError(f"{picture}: missing; run evaluate.py again")
        elif artefact.operating is not None and measure_of(artefact) == "aiq":
            picture = Path(scratch) / PICTURE
            write_validation(artefact.operating, picture)
        if picture:
            files[PICTURE] = picture
        card = repository_card(artefact, repo_id, evaluation, license)
        return hub.upload(repo_id, card, files, REPLACED, **options)


def check_unchanged(folder: Path, card: Mapping[str, Any]) -> None:
    """Refuse a folder whose card or weights changed after the router was loaded.

    Args:
        folder: folder of the artefact.
        card: card as loaded.

    Raises:
        InputError: a file has changed or is missing.
    """
    try:
        found, weights = json.loads((folder / CARD).read_text()), sha256_of(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename}: is gone since the router was loaded; load it from where it is now"
        ) from error
    # Compared as text, because NaN != NaN.
    is_same = json.dumps(found, sort_keys=True) == json.dumps(card, sort_keys=True)
    if not is_same or weights != found["weights_sha256"]:
        raise InputError(f"{folder}: changed since it was loaded; load it again")
