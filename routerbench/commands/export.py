"""`python -m routerbench export DIR`: a trained router as ONNX graphs, for services without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Write a trained router into its own folder as ONNX graphs, encoder.onnx with tokenizer.json and router.onnx, "
        "and compare them with torch; routerbench.load(DIR, backend='onnx') then routes without torch."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it."""
    from routerbench.export import export

    written = export(options.folder)
    for file in written.files:
        sys.stdout.write(f"{file}: {file.stat().st_size / 1e6:.1f} MB\n")
    if not written.files:
        sys.stdout.write(f"{options.folder}: encoder and router run without torch as they are; no graph is needed\n")
    else:
        sys.stdout.write(f"largest difference to torch: {written.difference:.1g}\n")
