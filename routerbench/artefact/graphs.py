"""Read the ONNX graphs that ``routerbench.export`` wrote into an artefact, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from routerbench.artefact.layout import ENCODER_GRAPH, MANIFEST, ROUTER_GRAPH, TOKENIZER
from routerbench.encoders.onnx import OnnxEncoder
from routerbench.errors import InputError
from routerbench.files import sha256_of
from routerbench.onnx_runtime import Graph
from routerbench.routers.families.onnx import OnnxRouter


class Exported(NamedTuple):
    """Graphs of an artefact.

    Attributes:
        encoder: encoder graph, or None if the encoder runs without torch.
        router: network graph, or None if the router is in closed form or chooses by itself.
    """

    encoder: OnnxEncoder | None
    router: OnnxRouter | None


def read(folder: Path, card: Mapping[str, Any], device: str) -> Exported:
    """Read the export in the folder of an artefact.

    Args:
        folder: folder of the artefact.
        card: contents of its ``router.json``.
        device: device for the graphs.

    Raises:
        InputError: there is no export, it was made from other weights, or a file is missing or has changed.
    """
    again = f"write it with: python -m routerbench export {folder}"
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no ONNX export there, {MANIFEST} is missing; {again}")
    try:
        exported = json.loads((folder / MANIFEST).read_text())
        weights, files, encoder, router = (exported[key] for key in ("weights_sha256", "files", "encoder", "router"))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST}: not the manifest of an export ({error!r}); {again}") from error
    if weights != card["weights_sha256"]:
        raise InputError(f"{folder / MANIFEST}: the export of another router than {folder} holds now; {again}")
    for name, digest in files.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            raise InputError(f"{folder / name}: missing, or changed since it was exported (wrong checksum); {again}")
    return Exported(
        OnnxEncoder(Graph(folder / ENCODER_GRAPH, device), folder / TOKENIZER, **encoder) if encoder else None,
        OnnxRouter(Graph(folder / ROUTER_GRAPH, device), **router) if router else None,
    )
