"""Report in HTML, as one self-contained file."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from routerbench.evaluation.results import Evaluation
from routerbench.files import atomic_path
from routerbench.report.interactive.frontier import frontier
from routerbench.report.interactive.reliability import reliability_diagram
from routerbench.report.interactive.shares import call_shares
from routerbench.report.interactive.style import below
from routerbench.report.panels import benchmark_panels
from routerbench.report.tables import (
    Table,
    benchmark_rows,
    deployed_rows,
    difference_rows,
    model_rows,
    other_rows,
    result_rows,
    scope,
    setting_rows,
    title,
)
from routerbench.report.terms import DEPLOYED, DIFFERENCES, SETTINGS, benchmark_note, definitions
from routerbench.report.verdict import verdict

if TYPE_CHECKING:
    import plotly.graph_objects as go


def write_html(evaluation: Evaluation, path: Path) -> None:
    """Write the verdict, interactive plots and all tables as one self-contained page for screen, phone and print.

    All names are escaped, because a model may be called ``<script>``.
    """
    with atomic_path(path) as part:
        part.write_text(_page(evaluation), encoding="utf-8", errors="xmlcharrefreplace")


def _page(evaluation: Evaluation) -> str:
    from plotly.offline import get_plotlyjs

    heading = escape(title(evaluation))
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    lines = "".join(f"<p>{escape(line)}</p>" for line in verdict(evaluation).split("\n"))
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in definitions(evaluation).items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{style}</style>
<script>{get_plotlyjs()}</script>
<script>{script}</script>
</head>
<body><main>
<h1>{heading}</h1>
<div class="verdict">{lines}</div>
<noscript><p class="note">The pictures need JavaScript; the tables do not.</p></noscript>
{_frontier(evaluation)}
{_section("Deployed", _table(deployed_rows(evaluation), DEPLOYED))}
{_section("Results", _table(result_rows(evaluation), scope(evaluation)))}
{_section("Differences", _table(difference_rows(evaluation), DIFFERENCES))}
{_section("Settings", _table(setting_rows(evaluation), SETTINGS))}
{_benchmarks(evaluation)}
{_shares(evaluation)}
{_reliability(evaluation)}
{_section("Other figures", _table(other_rows(evaluation)))}
{_section("Single models", _table(model_rows(evaluation)))}
{_section("Definitions", f"<dl>{terms}</dl>")}
</main></body>
</html>
"""


def _frontier(evaluation: Evaluation) -> str:
    if evaluation.measure != "aiq":
        return ""
    routers = evaluation.routers.values()
    text = "Thick: the hull, which mixing points of the curve can reach. "
    if any(scored.band is not None for scored in routers):
        text += "Shaded in its colour: the hull's 95 % interval at each cost. "
    text += "Thin: the curve over lambda as it was measured, one for each seed. "
    targets = {target for scored in routers for target in scored.deployed}
    marks = {"budget": "Diamond: deployed within the budget", "keep": "Square: deployed to keep quality"}
    for target in sorted(targets):
        text += f"{marks[target]}, lambda chosen on validation. "
    text += "Grey: the cost interval of the AIQ. A click on a name hides what belongs to it."
    return _section("Quality over cost", _picture(frontier(evaluation), "frontier"), _note(text))


def _benchmarks(evaluation: Evaluation) -> str:
    text = f"{benchmark_note(evaluation)[:-1]}, the largest first; each panel has its own scale."
    if evaluation.num_resamples:
        text += " Lines: 95 % intervals."
    text += " The upright line is zero_router."
    table = f"<details><summary>The same as a table</summary>{_table(benchmark_rows(evaluation))}</details>"
    return _section("Benchmarks", benchmark_panels(evaluation), _note(text), table)


def _shares(evaluation: Evaluation) -> str:
    if evaluation.measure != "aiq" or not any(scored.sweeps for scored in evaluation.routers.values()):
        return ""
    text = "Share of the prompts that go to each model, along the willingness to pay."
    return _section("Who answers", _picture(call_shares(evaluation), "shares"), _note(text))


def _reliability(evaluation: Evaluation) -> str:
    if not any(scored.calibration for scored in evaluation.routers.values()):
        return ""
    text = (
        "Measured against predicted quality of all prompts and models, in bins; the area of a point is its number of"
        " cells. A point below the dashed line promised too much. ECE: mean distance from that line."
    )
    return _section(
        "May predictions be believed?", _picture(reliability_diagram(evaluation), "reliability"), _note(text)
    )


def _section(heading: str, *parts: str) -> str:
    """Join a heading and its parts; empty if all parts are empty."""
    return "\n".join([f"<h2>{heading}</h2>", *parts]) if any(parts) else ""


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _picture(figure: go.Figure, name: str) -> str:
    # Escape "<" so that no name can close the script.
    parts = (part.replace("<", r"\u003c") for part in (str(figure.to_json()), json.dumps(below(figure))))
    return f'<div class="plot" id="{name}"></div>\n<script>draw("{name}", {", ".join(parts)});</script>'


def _table(table: Table | None, note: str = "") -> str:
    """Format a table in a scrollable box, with a note below; empty without a table."""
    if table is None:
        return ""
    header = "".join(
        f'<th class="{side}">{escape(cell)}</th>' for cell, side in zip(table.header, table.align, strict=True)
    )
    bodies = "".join(
        f"<tbody>{''.join(_row(row, table.align) for row in group)}</tbody>" for group in table.groups if group
    )
    box = f'<div class="wide"><table><thead><tr>{header}</tr></thead>{bodies}</table></div>'
    return box + (_note(note) if note else "")


def _row(cells: tuple[str, ...], align: str) -> str:
    """Format a row; intervals and p-values are put below their figures."""
    texts = [_figure(cell) if side == "r" else escape(cell) for cell, side in zip(cells, align, strict=True)]
    return (
        "<tr>" + "".join(f'<td class="{side}">{text}</td>' for text, side in zip(texts, align, strict=True)) + "</tr>"
    )


def _figure(cell: str) -> str:
    value, opening, rest = escape(cell).partition(" (")
    return f"{value} <small>({rest.replace(') ', ')<br>')}</small>" if opening else value
