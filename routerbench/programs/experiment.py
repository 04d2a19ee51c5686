"""Running an experiment: its report, and where to find it."""

from __future__ import annotations

import logging
from pathlib import Path

from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder, Store
from routerbench.evaluation.references import best_single
from routerbench.experiments.base import Experiment, Pages, Recipes
from routerbench.tracking import Tracker

log = logging.getLogger(__name__)


def run_experiment(
    experiment: Experiment,
    recipes: Recipes,
    table: OutcomeTable,
    encoder: Encoder,
    *,
    store: Store,
    seed: int,
    folder: Path,
    tracker: Tracker,
) -> None:
    """Run an experiment; it ends in one table and one picture.

    Args:
        experiment: what to do.
        recipes: of the routers that it may train.
        table: N outcomes with their split.
        encoder: embeds the prompts.
        store: keeps embeddings.
        seed: of what the experiment leaves to chance.
        folder: of the report.
        tracker: is told of the report.
    """
    best_single(table.part("train"))  # refuses a model of which train knows nothing
    pages = experiment.conduct(recipes, table, encoder.embed(table, store), seed, folder)
    announce(pages, folder, tracker)


def announce(pages: Pages, folder: Path, tracker: Tracker) -> None:
    """Tell the tracker of a report that was written, and log its first lines, its table and its place."""
    tracker.reported(pages.findings, folder / "report.html", folder / f"{pages.name}.png")
    log.info("%s\n\n%s\n\nreport: %s", pages.findings, pages.table, folder / f"{pages.name}.md")
