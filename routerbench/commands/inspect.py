"""``python -m routerbench inspect DIR|owner/name``: print the model card of a trained router."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Print the model card of a trained router, as push_to_hub writes it."
    parser.add_argument("router", metavar="DIR|owner/name", help="a router's folder, or its name on the hub")
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument(
        "--evaluation", metavar="DIR", type=Path, help="folder that evaluate.py wrote: its verdict, too"
    )
    parser.add_argument("--json", action="store_true", help="print what router.json says instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench.artefact.model_card import model_card
    from routerbench.artefact.reading import locate, read

    artefact = read(locate(options.router, revision=options.revision))
    if options.json:
        sys.stdout.write(json.dumps(artefact.card, indent=2) + "\n")
    else:
        sys.stdout.write(model_card(artefact, options.evaluation, place=options.router))
