"""`python -m routerbench self-knowledge DIR`: does a trained router know where it errs?"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from pathlib import Path

from routerbench.commands.options import add_seed_option, check_seed
from routerbench.errors import InputError


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Can another predictor tell where a trained router errs, and what does it buy to tell the router? On the "
        "validation and test prompts of the table it was trained on; writes self_knowledge.md and self_knowledge.png."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to; beside DIR by default")
    parser.add_argument("--resamples", type=int, default=1000, help="behind each interval; 0 for none")
    add_seed_option(parser, "of folds and resamples")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it."""
    from routerbench import artefact
    from routerbench.adjustment import AdjustedRouter
    from routerbench.config.building import instantiate_data
    from routerbench.data.outcomes import Examples
    from routerbench.encoders.store import EmbeddingStore
    from routerbench.self_knowledge.report import self_knowledge_text, write_self_knowledge
    from routerbench.self_knowledge.self_knowledge import self_knowledge

    check_seed(options.seed)
    if options.resamples < 0:
        raise InputError(f"--resamples must be at least 0, got {options.resamples}")
    trained = artefact.load(options.folder)
    data = trained.card["data"]
    table = instantiate_data(data.get("config", {}))
    if (table.digest(), table.split_digest()) != (data["digest"], data["split_digest"]):
        raise InputError(f"{table.source}: changed since {options.folder} was trained on it; train it again")
    trained.check_encoder()
    router, notes = trained.router, []
    if isinstance(router, AdjustedRouter):
        router = copy.copy(router)
        router.guard = 0.0  # what it predicts, not what it is held back by
        if router.calibration != "none":
            notes.append(
                f"calibration={router.calibration} was learned on the same validation prompts, where the router "
                "therefore seems to know more than it does; the figures on test are not touched by that."
            )
    store = EmbeddingStore(os.environ.get("ROUTERBENCH_CACHE", "~/.cache/routerbench"))
    embeddings = trained.encoder.embed(table, store)
    train, val, test = (
        Examples(table.part(name), embeddings[table.split == name]) for name in ("train", "val", "test")
    )
    predictions = {"val": router.predict(val.embeddings), "test": router.predict(test.embeddings)}
    found = self_knowledge(
        trained.card["name"], train, val, test, predictions, num_resamples=options.resamples, seed=options.seed
    )
    folder = options.output or options.folder.parent
    write_self_knowledge(found, folder, notes)
    sys.stdout.write(f"{self_knowledge_text(found)}\n\nreport: {folder / 'self_knowledge.md'}\n")
