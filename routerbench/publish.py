"""A trained router, with its model card, on the Hugging Face hub."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerbench import hub
from routerbench.artefact import CARD, ENCODER, GRAPHS, WEIGHTS
from routerbench.errors import InputError
from routerbench.files import sha256_of
from routerbench.report.card import PICTURE, read_evaluation, repository_card
from routerbench.report.figures import write_validation

if TYPE_CHECKING:
    from routerbench.trained import TrainedRouter

REPLACED = (f"{ENCODER}/*", *GRAPHS, PICTURE)  # of an older version; others' files in a repository stay


def publish(
    trained: TrainedRouter, repo_id: str, evaluation: Path | str | None, license: str | None, **options: Any
) -> str:
    """Commit the files of an artefact, a card and a picture; arguments are those of ``TrainedRouter.push_to_hub``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = trained.folder
        if folder is None:
            folder = Path(scratch) / "router"
            trained.save(folder)
            trained = replace(trained, card=json.loads((folder / CARD).read_text()))
        _check_unchanged(folder, trained)
        files = {path: folder / path for path in artefact_files(folder)}
        picture = None
        if evaluation is not None:
            read_evaluation(evaluation, trained)
            picture = Path(evaluation) / PICTURE
            if not picture.is_file():
                raise InputError(f"{picture}: missing; run evaluate.py again")
        elif trained.operating is not None:
            picture = Path(scratch) / PICTURE
            write_validation(trained.operating, picture)
        if picture:
            files[PICTURE] = picture
        card = repository_card(trained, repo_id, evaluation, license)
        return hub.upload(repo_id, card, files, REPLACED, **options)


def _check_unchanged(folder: Path, trained: TrainedRouter) -> None:
    """Refuse a folder that holds another router, or other facts about it, than was loaded: the card tells of that one.

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
    is_same = json.dumps(found, sort_keys=True) == json.dumps(trained.card, sort_keys=True)
    if not is_same or weights != found["weights_sha256"]:
        raise InputError(f"{folder}: changed since it was loaded; load it again")


def artefact_files(folder: Path) -> list[str]:
    """The files of an artefact, relative to its folder: what was saved, an encoder that travels, and an ONNX export.

    Raises:
        InputError: the export is one of other weights.
    """
    card = json.loads((folder / CARD).read_text())
    files = [CARD, WEIGHTS]
    if card["encoder"].get("travels"):
        paths = sorted(path for path in (folder / ENCODER).rglob("*") if path.is_file())
        files += [path.relative_to(folder).as_posix() for path in paths]
    if (folder / GRAPHS[0]).is_file():
        exported = json.loads((folder / GRAPHS[0]).read_text())
        if exported["weights_sha256"] != card["weights_sha256"]:
            raise InputError(
                f"{folder / GRAPHS[0]}: the export of another router than {folder} holds now; write it with: python -m "
                f"routerbench export {folder}, or delete it"
            )
        files += [GRAPHS[0], *exported["files"]]
    return files
