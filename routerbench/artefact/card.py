"""Write and read ``router.json``, the card of an artefact."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from routerbench.adjustment import AdjustedRouter
from routerbench.artefact.layout import CARD, ENCODER, WEIGHTS
from routerbench.artefact.specs import spec_of
from routerbench.calibration import METHODS
from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.files import sha256_of
from routerbench.routers.base import Router

PACKAGES = ("routerbench", "numpy", "torch", "transformers", "faiss-cpu")


class Configuration(NamedTuple):
    """Parts of the configuration that a card records.

    Attributes:
        data: options of the table, from which it can be loaded again.
        training: options of the training, without the seed.
    """

    data: Mapping[str, Any]
    training: Mapping[str, Any]


def make_card(
    router: Router,
    encoder: Encoder,
    train: OutcomeTable,
    data: Mapping[str, Any],
    validation: Mapping[str, float],
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the card of a fitted router; the arguments are those of ``save``."""
    mean_cost = [None] * train.num_models
    if train.has_cost:
        mean_cost = np.nanmean(train.cost, axis=0).tolist()
    return {
        "format": 1,
        **_router(router, train.models),
        "encoder": {**_encoder(encoder), "fingerprint": encoder.fingerprint, "identity": encoder.identity},
        "models": list(train.models),
        "mean_cost_usd_per_prompt": dict(zip(train.models, mean_cost, strict=True)),
        "information": "prompt only",
        "data": dict(data),
        "training": dict(training),
        "validation": dict(validation),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def read_card(folder: Path) -> dict[str, Any]:
    """Read ``router.json``; validate the entries that loading needs, and the checksum of the weights."""
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no router there, {name} is missing")
    try:
        card = json.loads((folder / CARD).read_text())
        _ = card["router"], card["encoder"]["fingerprint"], tuple(card["models"]), read_adjustment(card)
        _ = str(card["name"]), dict(card["data"]), dict(card["mean_cost_usd_per_prompt"]), dict(card["validation"])
        weights_digest, card_format = card["weights_sha256"], card["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD}: not a router's card ({error!r}); train the router again") from error
    if card_format != 1:
        raise InputError(f"{folder / CARD}: format {card_format} is newer than this version of routerbench")
    if sha256_of(folder / WEIGHTS) != weights_digest:
        raise InputError(f"{folder / WEIGHTS}: changed since it was saved (wrong checksum); copy or train it again")
    return card


def read_adjustment(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the card's ``AdjustedRouter``; empty if the router is not adjusted.

    Raises:
        KeyError, TypeError, ValueError: the card is invalid.
    """
    calibration, policy = card.get("calibration", "none"), card.get("policy", {"guard": 0.0})
    if calibration not in ("none", *METHODS):
        raise ValueError(f"calibration {calibration!r}")
    if calibration == "none" and policy["guard"] == 0:
        return {}
    best = card["models"].index(policy["best_single"])
    return {"calibration": calibration, "guard": policy["guard"], "best_single": best}


def digest(card: Mapping[str, Any]) -> str:
    """Hexadecimal hash of weights, router, models, encoder, calibration and guard, which determine decisions."""
    parts = ("weights_sha256", "router", "models", "calibration", "policy")
    known = {part: card.get(part) for part in parts} | {"encoder": card["encoder"]["fingerprint"]}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def recipe(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that defines the router except its seed."""
    parts = ("name", "calibration", "training", "models")
    arguments = {name: value for name, value in card["router"]["arguments"].items() if name != "seed"}
    # A fine-tuned encoder has different weights for each seed.
    known = ("class", "arguments") if "finetune" in card.get("training", {}) else card["encoder"]
    encoder = {key: card["encoder"][key] for key in known}
    return {part: card.get(part) for part in parts} | {"router": arguments, "encoder": encoder}


def located(spec: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return the spec of an encoder, with its path if it is stored in the artefact."""
    if not spec.get("travels"):
        return spec
    return {**spec, "arguments": {**spec["arguments"], "name": str(folder / ENCODER)}}


def _router(router: Router, models: Sequence[str]) -> dict[str, Any]:
    """Return name, spec, calibration and guard of a router."""
    calibration, policy = "none", dict[str, Any](guard=0.0, best_single=None)
    if isinstance(router, AdjustedRouter):
        calibration, policy = router.calibration, {"guard": router.guard, "best_single": models[router.best_single]}
        router = router.router
    name = type(router).__module__.rpartition(".")[2]
    return {"name": name, "router": spec_of(router), "calibration": calibration, "policy": policy}


def _encoder(encoder: Encoder) -> dict[str, Any]:
    """Return the spec of an encoder, without the path of one that is stored in the artefact."""
    spec = spec_of(encoder)
    if encoder.files is not None:
        del spec["arguments"]["name"]
        spec["travels"] = True
    return spec


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
