"""`python -m routerbench self-knowledge DIR`: check whether the errors of a trained router can be predicted."""

from __future__ import annotations

import argparse
import copy
import os
import sys
from pathlib import Path

from routerbench.commands.options import add_seed_option, check_seed
from routerbench.errors import InputError


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Check whether a second predictor foresees the errors of a trained router, and what correcting them gains. "
        "Uses the table that the router was trained on. Writes self_knowledge.md and self_knowledge.png."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to; beside DIR by default")
    parser.add_argument("--resamples", type=int, default=1000, help="behind each interval; 0 for none")
    add_seed_option(parser, "of folds and resamples")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench import artefact
    from routerbench.adjustment import AdjustedRouter
    from routerbench.data.outcomes import Parts
    from routerbench.data.recorded import read_recorded
    from routerbench.encoders.store import EmbeddingStore
    from routerbench.self_knowledge.report import write_self_knowledge
    from routerbench.self_knowledge.self_knowledge import self_knowledge

    check_seed(options.seed)
    if options.resamples < 0:
        raise InputError(f"--resamples must be at least 0, got {options.resamples}")
    trained = artefact.load(options.folder)
    advice = "run in the folder of the training, or train it again"
    table = read_recorded(trained.card["data"], str(options.folder / artefact.CARD), advice)
    trained.check_encoder()
    router, notes = trained.router, []
    if isinstance(router, AdjustedRouter):
        router = copy.copy(router)
        router.guard = 0.0  # study what the router predicts, before the guard lowers it
        if router.calibration != "none":
            notes.append(
                f"calibration={router.calibration} was learned on the same validation prompts. The router therefore "
                "seems better calibrated on validation than it is. The figures on test are not affected."
            )
    store = EmbeddingStore(os.environ.get("ROUTERBENCH_CACHE", "~/.cache/routerbench"))
    parts = Parts.of(table, trained.encoder.embed(table, store))
    predictions = {"val": router.predict(parts.val.embeddings), "test": router.predict(parts.test.embeddings)}
    found = self_knowledge(trained.card["name"], parts, predictions, num_resamples=options.resamples, seed=options.seed)
    folder = options.output or options.folder.parent
    text = write_self_knowledge(found, folder, notes)
    sys.stdout.write(f"{text}\n\nreport: {folder / 'self_knowledge.md'}\n")
