"""An artefact, with its model card, on the Hugging Face hub."""

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

REPLACED = (f"{ENCODER}/*", *EXPORTED, PICTURE)  # of an older version; others' files in a repository stay


def publish(folder: Path, repo_id: str, evaluation: Path | str | None, license: str | None, **options: Any) -> str:
    """Commit the files of an artefact, a model card and a picture.

    Args:
        folder: of the artefact.
        repo_id: as ``TrainedRouter.push_to_hub`` takes it, as all that follow.
        evaluation: folder that ``evaluate.py`` wrote, or None.
        license: as the hub writes it, or None.
        options: of ``hub.upload``.
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
    """Refuse a folder that holds another router, or other facts about it, than was loaded from it.

    Args:
        folder: of the artefact.
        card: as it was loaded.

    Raises:
        InputError: it does, or it is gone.
    """
    try:
        found, weights = json.loads((folder / CARD).read_text()), sha256_of(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename}: is gone since the router was loaded; load it from where it is now"
        ) from error
    # As text, in which one NaN is as another.
    is_same = json.dumps(found, sort_keys=True) == json.dumps(card, sort_keys=True)
    if not is_same or weights != found["weights_sha256"]:
        raise InputError(f"{folder}: changed since it was loaded; load it again")
