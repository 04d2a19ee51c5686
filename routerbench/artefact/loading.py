"""Load artefacts, without Hydra or Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from routerbench.adjustment import AdjustedRouter
from routerbench.artefact.card import located, read_adjustment
from routerbench.artefact.layout import CARD
from routerbench.artefact.reading import locate, read_consistently, read_once, weights_do_not_fit
from routerbench.artefact.specs import build
from routerbench.artefact.trained import TrainedRouter
from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.routers.base import Router

if TYPE_CHECKING:
    from routerbench.artefact.graphs import Exported


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
        folder: folder written by training, usually ``outputs/.../router``, or ``owner/name`` on the hub if there is no
            such folder.
        encoder: replaces the encoder in the card, for example for a router trained on precomputed embeddings.
        device: device for encoder and network: "auto", "cpu", "cuda", "cuda:1", ...
        backend: "onnx" runs the graphs written by ``python -m routerbench export`` and does not import torch.
        revision: branch, tag or commit on the hub; None for "main".
        token: token for a private repository; None uses ``HF_TOKEN`` or the login of ``hf auth login``.

    Raises:
        InputError: a file is missing or has changed, a package is missing, the card names a class outside this
            package, or there is neither a folder nor a reachable repository of this name.
    """
    if backend not in ("torch", "onnx"):
        raise InputError(f"backend must be torch or onnx, got {backend!r}")
    there = locate(folder, backend, revision=revision, token=token)
    try:
        return read_consistently(there, lambda folder: _load(folder, encoder, device, backend))
    except InputError as error:
        if there == Path(folder):
            raise
        raise InputError(f"router {folder} on the hub: {error}") from error


def _load(folder: Path, encoder: Encoder | None, device: str, backend: str) -> TrainedRouter:
    artefact = read_once(folder)
    card, source = artefact.card, folder / CARD
    models, encoder_card, adjustment = tuple(card["models"]), card["encoder"], read_adjustment(card)
    graphs = _read_graphs(folder, card, device) if backend == "onnx" else None
    network = (graphs and graphs.router) or build(card["router"], Router, source)  # type: ignore[type-abstract]
    router = AdjustedRouter(network, **adjustment) if adjustment else network
    encoder = encoder or (graphs and graphs.encoder)
    fingerprint = None if encoder else encoder_card["fingerprint"]
    encoder = encoder or build(located(encoder_card, folder), Encoder, source, device=device)  # type: ignore[type-abstract]
    if router.num_models != len(models):
        raise InputError(f"{source}: names {len(models)} models for a router of {router.num_models}")
    try:
        router.load_arrays(artefact.arrays)
    except (RuntimeError, KeyError, ValueError) as error:
        raise weights_do_not_fit(folder, error) from error
    _move(network, device)
    return TrainedRouter(router, encoder, models, card, fingerprint, artefact.seen, artefact.operating, folder)


def _move(network: Router, device: str) -> None:
    """Move a network to a device; other routers have none."""
    if hasattr(network, "to"):
        import torch

        try:
            network.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} is not to be had here: {error}") from error


def _read_graphs(folder: Path, card: Mapping[str, Any], device: str) -> Exported:
    from routerbench.artefact import graphs

    return graphs.read(folder, card, device)
