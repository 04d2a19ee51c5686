"""File names of an artefact."""

import json
from pathlib import Path

from routerbench.errors import InputError

CARD, WEIGHTS = "router.json", "weights.safetensors"
ENCODER = "encoder"  # folder of a fine-tuned encoder
# Written by ``routerbench.export``.
MANIFEST = "onnx.json"
ENCODER_GRAPH, ROUTER_GRAPH, TOKENIZER = "encoder.onnx", "router.onnx", "tokenizer.json"
EXPORTED = (MANIFEST, ENCODER_GRAPH, ROUTER_GRAPH, TOKENIZER)
# Arrays in the weights file: hashes of the prompts it learned from, and prefix of the operating points.
SEEN, OPERATING = "seen_prompts", "operating_points"


def artefact_files(folder: Path) -> list[str]:
    """List the files of an artefact relative to its folder, including a fine-tuned encoder and an ONNX export.

    Raises:
        InputError: the export was made from other weights.
    """
    card = json.loads((folder / CARD).read_text())
    files = [CARD, WEIGHTS]
    if card["encoder"].get("travels"):
        paths = sorted(path for path in (folder / ENCODER).rglob("*") if path.is_file())
        files += [path.relative_to(folder).as_posix() for path in paths]
    if (folder / MANIFEST).is_file():
        exported = json.loads((folder / MANIFEST).read_text())
        if exported["weights_sha256"] != card["weights_sha256"]:
            raise InputError(
                f"{folder / MANIFEST}: the export of another router than {folder} holds now; write it with: python -m "
                f"routerbench export {folder}, or delete it"
            )
        files += [MANIFEST, *exported["files"]]
    return files
