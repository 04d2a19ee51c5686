"""report.html: one file that opens anywhere, with nothing fetched from the net."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from routerbench.evaluation.results import Evaluation
from routerbench.files import atomic_path
from routerbench.report.interactive import benchmark_map, call_shares, frontier
from routerbench.report.tables import Table, benchmark_rows, definitions, model_rows, result_rows, scope, title
from routerbench.report.verdict import verdict

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
body { margin: 0; background: #fff; color: #222; font: 15px/1.55 system-ui, "Segoe UI", Roboto, Helvetica, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 28px 64px; }
h1 { font-size: 25px; margin: 0 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 44px 0 8px; }
.verdict { border-left: 3px solid #0072b2; padding: 2px 0 2px 18px; overflow-wrap: anywhere; }
.verdict p { margin: 8px 0; max-width: 78ch; }
.note, dl { color: #666; font-size: 13.5px; max-width: 95ch; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; margin: 12px 0; }
th { font-weight: 600; border-bottom: 1.5px solid #555; white-space: nowrap; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; }
td:first-child { overflow-wrap: anywhere; min-width: 14ch; }
th.r, td.r { text-align: right; white-space: nowrap; }
th.r:last-child, td.r:last-child { padding-right: 0; }
tbody tr:hover { background: #f5f8fa; }
tbody + tbody { border-top: 1px solid #aaa; color: #555; }
dt { font-weight: 600; float: left; clear: left; margin-right: 8px; }
dd { margin: 0 0 4px; }
"""


def write_html(evaluation: Evaluation, path: Path) -> None:
    """Write the verdict, interactive pictures and all tables as one self-contained page.

    Names are escaped wherever they appear: a model may be called ``<script>``.

    Args:
        evaluation: what was found.
        path: the file to write.
    """
    with atomic_path(path) as part:
        part.write_text(_page(evaluation), encoding="utf-8", errors="xmlcharrefreplace")


def _page(evaluation: Evaluation) -> str:
    from plotly.offline import get_plotlyjs

    heading = escape(title(evaluation))
    lines = "".join(f"<p>{escape(line)}</p>" for line in verdict(evaluation).split("\n"))
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in definitions(evaluation).items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body><main>
<h1>{heading}</h1>
<div class="verdict">{lines}</div>
{_pictures(evaluation)}
<h2>Results</h2>
{_table(result_rows(evaluation))}
<p class="note">{escape(scope(evaluation))}</p>
{_benchmarks(evaluation)}
<h2>Single models</h2>
{_table(model_rows(evaluation))}
<h2>Definitions</h2>
<dl>{terms}</dl>
</main></body>
</html>
"""


def _pictures(evaluation: Evaluation) -> str:
    """The pictures that need a cost."""
    if evaluation.cost_interval is None:
        return ""
    parts = [
        "<h2>Quality over cost</h2>",
        _picture(frontier(evaluation), "frontier"),
        '<p class="note">Thick: the hull, which mixing points of the curve can reach. Thin: the curve over lambda as it'
        " was measured. A click on a name hides its lines. Shaded: the cost interval of the AIQ.</p>",
    ]
    if any(scored.sweep is not None for scored in evaluation.routers.values()):
        parts += ["<h2>Who answers</h2>", _picture(call_shares(evaluation), "shares")]
        parts.append('<p class="note">Share of the prompts that go to each model, along the willingness to pay.</p>')
    return "\n".join(parts)


def _benchmarks(evaluation: Evaluation) -> str:
    parts = ["<h2>Benchmarks</h2>"]
    if evaluation.cost_interval is not None and evaluation.routers:
        parts.append(_picture(benchmark_map(evaluation), "benchmarks"))
        parts.append('<p class="note">AIQ on the prompts of each benchmark alone; the colour is its difference to'
                     " zero_router: blue above, red below.</p>")  # fmt: skip
    return "\n".join([*parts, _table(benchmark_rows(evaluation))])


def _picture(figure: go.Figure, name: str) -> str:
    # plotly's bar of buttons has one that uploads the chart: a company's numbers stay in the company.
    private = {"showSendToCloud": False, "plotlyServerURL": ""}
    config = private | {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    return figure.to_html(config=config, include_plotlyjs=False, full_html=False, div_id=name)


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        pairs = zip(cells, table.align, strict=True)
        return "<tr>" + "".join(f'<{tag} class="{side}">{escape(cell)}</{tag}>' for cell, side in pairs) + "</tr>"

    bodies = "".join(
        f"<tbody>{''.join(row(cells, 'td') for cells in group)}</tbody>" for group in table.groups if group
    )
    return f'<div class="wide"><table><thead>{row(table.header, "th")}</thead>{bodies}</table></div>'
