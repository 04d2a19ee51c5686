"""A trained router on disk: saving and loading it. No Hydra, no Lightning, nothing executed from the file."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from routerbench import hub
from routerbench.adjustment import AdjustedRouter
from routerbench.calibration import METHODS
from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.evaluation.operating import OperatingPoints
from routerbench.files import atomic_folder, atomic_path, sha256_of
from routerbench.recipes import build, recipe_of
from routerbench.routers.base import Router
from routerbench.trained import TrainedRouter

if TYPE_CHECKING:
    from routerbench.onnx import Exported

CARD, WEIGHTS = "router.json", "weights.safetensors"
ENCODER = "encoder"  # folder of an encoder that was trained with the router
GRAPHS = ("onnx.json", "encoder.onnx", "router.onnx", "tokenizer.json")  # what ``routerbench.export`` adds
SEEN = "seen_prompts"  # name of the keys among the weights
OPERATING = "operating_points"  # prefix of the names of the validation curve among the weights
PACKAGES = ("routerbench", "numpy", "torch", "transformers", "faiss-cpu")


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
    mean_cost = [None] * train.num_models
    if train.has_cost:
        mean_cost = np.nanmean(train.cost, axis=0).tolist()
    card = {
        "format": 1,
        **_router_card(router, train.models),
        "encoder": {**_encoder_recipe(encoder), "fingerprint": encoder.fingerprint, "identity": encoder.identity},
        "models": list(train.models),
        "mean_cost_usd_per_prompt": dict(zip(train.models, mean_cost, strict=True)),
        "information": "prompt only",
        "data": dict(data),
        "training": dict(training or {}),
        "validation": dict(validation),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }
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


def load(
    folder: Path | str,
    encoder: Encoder | None = None,
    device: str = "auto",
    backend: Literal["torch", "onnx"] = "torch",
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> TrainedRouter:
    """Load an artefact.

    Args:
        folder: the directory that training wrote, as a rule ``outputs/.../router``; or, unless there is such a
            directory here, ``owner/name`` on the hub.
        encoder: use this one instead of the one in the card, as for a router trained on precomputed embeddings.
        device: where encoder and network run: "auto", "cpu", "cuda", "cuda:1", ...
        backend: "onnx" runs what ``python -m routerbench export`` wrote into the folder, and imports no torch.
        revision: branch, tag or commit on the hub; None for "main".
        token: of a private repository there; None takes ``HF_TOKEN`` or what ``hf auth login`` kept.

    Raises:
        InputError: a file is missing or was changed, a package is missing, or the card names a foreign class; there is
            neither such a folder nor such a repository, or it cannot be reached.
    """
    if backend not in ("torch", "onnx"):
        raise InputError(f"backend must be torch or onnx, got {backend!r}")
    there = locate(folder, backend, revision=revision, token=token)
    try:
        return _load(there, encoder, device, backend)
    except InputError as error:
        if there == Path(folder):
            raise
        raise InputError(f"router {folder} on the hub: {error}") from error


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
    parts = GRAPHS if backend == "onnx" else [f"{ENCODER}/{pattern}" for pattern in hub.TRANSFORMER]
    option = "to routerbench.load"
    return hub.snapshot("router", name, revision, [CARD, WEIGHTS, *parts], hub.UNWANTED, token=token, option=option)


def _load(folder: Path, encoder: Encoder | None, device: str, backend: str) -> TrainedRouter:
    """Load the artefact of a folder."""
    from safetensors.numpy import load_file

    card = _read_card(folder)
    models, encoder_card, adjustment = tuple(card["models"]), card["encoder"], _read_adjustment(card)
    graphs = _read_graphs(folder, card, device) if backend == "onnx" else None
    network = (graphs and graphs.router) or build(card["router"], Router, folder / CARD)  # type: ignore[type-abstract]
    router = AdjustedRouter(network, **adjustment) if adjustment else network
    encoder = encoder or (graphs and graphs.encoder)
    fingerprint = None if encoder else encoder_card["fingerprint"]
    encoder = encoder or build(_located(encoder_card, folder), Encoder, folder / CARD, device=device)  # type: ignore[type-abstract]
    if router.num_models != len(models):
        raise InputError(f"{folder / CARD}: names {len(models)} models for a router of {router.num_models}")
    try:
        arrays = load_file(folder / WEIGHTS)
        seen, operating = arrays.pop(SEEN), _read_operating(arrays)
        router.load_arrays(arrays)
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{folder / WEIGHTS}: the weights do not fit the card's router: {error}") from error
    _move(network, device)
    return TrainedRouter(router, encoder, models, card, fingerprint, seen, operating, folder)


def _read_operating(arrays: dict[str, NDArray[Any]]) -> OperatingPoints | None:
    """Take the operating points out of the weights; None where an artefact has none."""
    found = {name: arrays.pop(name) for name in list(arrays) if name.startswith(f"{OPERATING}.")}
    if not found:
        return None
    points = {name.removeprefix(f"{OPERATING}."): values for name, values in found.items()}
    return OperatingPoints(**points | {"best_quality": float(points["best_quality"])})  # type: ignore[arg-type]


def _read_card(folder: Path) -> dict[str, Any]:
    """What ``router.json`` says, as far as loading relies on it, of weights that are there and unchanged."""
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no router there, {name} is missing")
    try:
        card = json.loads((folder / CARD).read_text())
        _ = card["router"], card["encoder"]["fingerprint"], tuple(card["models"]), _read_adjustment(card)
        weights_digest, card_format = card["weights_sha256"], card["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD}: not a router's card ({error!r}); train the router again") from error
    if card_format != 1:
        raise InputError(f"{folder / CARD}: format {card_format} is newer than this version of routerbench")
    if sha256_of(folder / WEIGHTS) != weights_digest:
        raise InputError(f"{folder / WEIGHTS}: changed since it was saved (wrong checksum); copy or train it again")
    return card


def _move(network: Router, device: str) -> None:
    """Bring a network to its device; other routers have none."""
    if hasattr(network, "to"):
        import torch

        try:
            network.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} is not to be had here: {error}") from error


def _read_graphs(folder: Path, card: Mapping[str, Any], device: str) -> Exported:
    from routerbench import onnx

    return onnx.read(folder, card, device)


def _router_card(router: Router, models: Sequence[str]) -> dict[str, Any]:
    """Name and recipe of a router, and how its predictions are adjusted."""
    calibration, policy = "none", dict[str, Any](guard=0.0, best_single=None)
    if isinstance(router, AdjustedRouter):
        calibration, policy = router.calibration, {"guard": router.guard, "best_single": models[router.best_single]}
        router = router.router
    name = type(router).__module__.rpartition(".")[2]
    return {"name": name, "router": recipe_of(router), "calibration": calibration, "policy": policy}


def _read_adjustment(card: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the ``AdjustedRouter`` that a card describes, none if its router's predictions are left alone.

    Raises:
        KeyError, TypeError, ValueError: the card is damaged.
    """
    calibration, policy = card.get("calibration", "none"), card.get("policy", {"guard": 0.0})
    if calibration not in ("none", *METHODS):
        raise ValueError(f"calibration {calibration!r}")
    if calibration == "none" and policy["guard"] == 0:
        return {}
    best = card["models"].index(policy["best_single"])
    return {"calibration": calibration, "guard": policy["guard"], "best_single": best}


def _encoder_recipe(encoder: Encoder) -> dict[str, Any]:
    """The recipe of an encoder, without the place of one that travels with the artefact."""
    recipe = recipe_of(encoder)
    if encoder.files is not None:
        del recipe["arguments"]["name"]
        recipe["travels"] = True
    return recipe


def _located(recipe: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The recipe of an encoder that travels with the artefact, with the place that it has there."""
    if not recipe.get("travels"):
        return recipe
    return {**recipe, "arguments": {**recipe["arguments"], "name": str(folder / ENCODER)}}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
