"""Report of an evaluation: Markdown, HTML, a plot, JSON and Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routerbench.evaluation.results import Evaluation
from routerbench.report.curves import write_curves
from routerbench.report.frontier_picture import write_frontier
from routerbench.report.html import write_html
from routerbench.report.metrics import write_metrics
from routerbench.report.tables import write_table


def write_report(evaluation: Evaluation, folder: Path, origin: Mapping[str, Any] | None = None) -> None:
    """Write metrics.json, curves.parquet, table.md, frontier.png and report.html into a folder.

    Args:
        evaluation: results of the evaluation.
        folder: output folder; created if missing.
        origin: ``data_digest`` and ``split_digest`` of the table, and ``routers``, which maps each router to the
            digests of its artefacts, one per seed; None without artefacts.
    """
    write_metrics(evaluation, folder / "metrics.json", origin)
    write_curves(evaluation, folder / "curves.parquet")
    write_table(evaluation, folder / "table.md")
    write_frontier(evaluation, folder / "frontier.png")
    write_html(evaluation, folder / "report.html")
