"""Run an experiment and log its report."""

from __future__ import annotations

import logging
from pathlib import Path

from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder, Store
from routerbench.experiments.base import Experiment, Pages, Recipes
from routerbench.programs.train import embedded_parts
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
    """Run an experiment, and log and track its report.

    The experiment may train the routers of ``recipes`` with any seed; the other arguments are those of ``train``.
    """
    pages = experiment.conduct(recipes, embedded_parts(table, encoder, store), seed, folder)
    announce(pages, folder, tracker)


def announce(pages: Pages, folder: Path, tracker: Tracker) -> None:
    """Track a written report, and log its findings, table and path."""
    tracker.reported(pages.findings, folder / "report.html", folder / f"{pages.name}.png")
    log.info("%s\n\n%s\n\nreport: %s", pages.findings, pages.table, folder / f"{pages.name}.md")
