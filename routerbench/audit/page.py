"""Report of an audit: text for a terminal, and a page in HTML for screen, phone and print."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePath

from routerbench.audit.audit import Audit
from routerbench.audit.findings import findings, summary
from routerbench.audit.pictures import headroom_figure, ties_figure
from routerbench.audit.sentences import LEVELS
from routerbench.files import atomic_path
from routerbench.report.formatting import per_thousand, percent, share
from routerbench.report.tables import Table

_WIDTH = 100

_STYLE = """
body { margin: 0; background: #fff; color: #222; font: 15px/1.55 system-ui, "Segoe UI", Roboto, Helvetica, sans-serif; }
main { max-width: 820px; margin: 0 auto; padding: 28px 20px 56px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 8px; }
h3 { font-size: 15px; margin: 0; }
h2 small { font-weight: 400; color: #666; font-size: 14px; }
section { border-left: 4px solid #0072b2; padding: 0 0 0 14px; margin: 0 0 18px; overflow-wrap: anywhere; }
section.act { border-color: #d55e00; }
section.fine { border-color: #b5b5b5; }
section p { margin: 3px 0 0; max-width: 78ch; }
.advice { font-weight: 500; }
.advice::before { content: "→ "; }
figure { margin: 20px 0; }
figure svg { max-width: 100%; height: auto; }
figcaption, dl, .note { color: #666; font-size: 13.5px; max-width: 85ch; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; margin: 12px 0; }
th { font-weight: 600; border-bottom: 1.5px solid #555; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; }
td { border-bottom: 1px solid #eee; }
td:first-child { overflow-wrap: anywhere; min-width: 14ch; }
th.r, td.r { text-align: right; }
td.r { white-space: nowrap; }
dt { font-weight: 600; float: left; clear: left; margin-right: 8px; }
dd { margin: 0 0 4px; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  section, figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
}
"""

_TERMS = {
    "best single": "the model with the best mean quality on train.",
    "zero_router": "mixes single models at random and reads no prompt.",
    "benchmark_oracle": "knows each prompt's benchmark, and each model's train mean on it, and nothing else.",
    "oracle": "knows the measured outcomes of every model on the prompt.",
    "AIQ": "mean height of the cost-quality hull from the cheapest single model's mean cost to the dearest's "
    "(RouterBench paper, arXiv 2403.12031).",
    "oracle calls": "share of the prompts on which the oracle chooses the model at one willingness to pay at least; "
    "without costs, on which no model is better.",
    "alone best": "share of the prompts on which every other model is worse.",
    "resolves": "half width of the 95 % interval of a difference of two models on the test prompts (median pair).",
    "values": "distinct qualities among the labels of the benchmark.",
    "USD/1k": "US dollars per 1,000 prompts, as measured.",
}
_COST_TERMS = ("AIQ", "USD/1k")


def audit_text(audit: Audit, remarks: Sequence[str] = ()) -> str:
    """Format the findings for a terminal, the most important first; ``remarks`` as in ``findings``."""
    lines = [_title(audit), *textwrap.wrap(summary(audit), _WIDTH)]
    level = ""
    for finding in findings(audit, remarks):
        if finding.level != level:
            level = finding.level
            lines += ["", f"{level.upper()}: {LEVELS[level]}"]
        lines += ["", finding.title]
        for text, mark in ((finding.text, "  "), (finding.advice, "  -> ")):
            lines += textwrap.wrap(
                text, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False
            )
    return "\n".join(lines)


def write_audit(audit: Audit, path: Path, remarks: Sequence[str] = ()) -> None:
    """Write the findings, two pictures and two tables as one self-contained HTML page without scripts.

    All names are escaped, because a model may be called ``<script>``. ``remarks`` are as in ``findings``.
    """
    with atomic_path(path) as part:
        part.write_text(_page(audit, remarks), encoding="utf-8", errors="xmlcharrefreplace")


def model_rows(audit: Audit) -> Table:
    """Make the table of the models, the best mean quality first."""
    models, has_aiq = audit.models, audit.models.measure == "aiq"
    rows = []
    for m in sorted(range(len(models.names)), key=lambda m: -models.quality[m]):
        by = models.dominated_by[m]
        cost = (per_thousand(models.cost[m]),) if has_aiq and models.cost is not None else ()
        dominator = ("" if by is None else models.names[by],) if has_aiq else ()
        called, alone = percent(models.oracle_share[m]), percent(models.alone_best[m])
        rows.append((models.names[m], share(models.quality[m]), *cost, called, alone, *dominator))
    if not has_aiq:
        return Table(("model", "quality", "oracle calls", "alone best"), "lrrr", (tuple(rows),))
    header = ("model", "quality", "USD/1k", "oracle calls", "alone best", "dominated by")
    return Table(header, "lrrrrl", (tuple(rows),))


def benchmark_rows(audit: Audit) -> Table:
    """Make the table of the benchmarks: label scales, and the differences that their test prompts resolve."""
    rows = tuple(
        (
            part.name,
            f"{part.num_prompts:,}",
            f"{part.num_test:,}",
            part.scale,
            f"{part.num_values:,}",
            _resolves(part.resolution),
        )
        for part in audit.benchmarks
    )
    return Table(("benchmark", "prompts", "in test", "labels", "values", "resolves"), "lrrlrr", (rows,))


def _resolves(noise: float | None) -> str:
    return "-" if noise is None else f"±{share(noise)}"


def _title(audit: Audit) -> str:
    """Return the heading, with the name of the table but not its folders."""
    return f"Audit of {PurePath(audit.source).name or audit.source}"


def _page(audit: Audit, remarks: Sequence[str]) -> str:
    heading = escape(_title(audit))
    unused = () if audit.models.measure == "aiq" else _COST_TERMS
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(_TERMS[term])}</dd>" for term in _TERMS if term not in unused)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{_STYLE}</style>
</head>
<body><main>
<h1>{heading}</h1>
<p>{escape(summary(audit))}</p>
{_findings(audit, remarks)}
<h2>Pictures</h2>
{_pictures(audit)}
<h2>Models</h2>
{_table(model_rows(audit))}
<h2>Benchmarks</h2>
{_table(benchmark_rows(audit))}
<h2>Definitions</h2>
<dl>{terms}</dl>
</main></body>
</html>
"""


def _findings(audit: Audit, remarks: Sequence[str]) -> str:
    parts, level = [], ""
    for finding in findings(audit, remarks):
        if finding.level != level:
            level = finding.level
            parts.append(f"<h2>{level.capitalize()} <small>{LEVELS[level]}</small></h2>")
        advice = f'<p class="advice">{escape(finding.advice)}</p>' if finding.advice else ""
        parts.append(
            f'<section class="{level}"><h3>{escape(finding.title)}</h3><p>{escape(finding.text)}</p>{advice}</section>'
        )
    return "\n".join(parts)


def _pictures(audit: Audit) -> str:
    parts = []
    if audit.quality is not None:
        parts.append((headroom_figure(audit), "What there is to win: a router stands between the first mark and the "
                      "last; up to the second, the name of the benchmark is enough."))  # fmt: skip
    text = "Where one model alone is best (green) the choice decides quality"
    text += "; where many are, it decides cost; where none gets anything (orange), only cost." if (
        audit.models.measure == "aiq") else "."  # fmt: skip
    parts.append((ties_figure(audit.ties), text))
    return "".join(f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>" for svg, text in parts)


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        pairs = zip(cells, table.align, strict=True)
        return "<tr>" + "".join(f'<{tag} class="{side}">{escape(cell)}</{tag}>' for cell, side in pairs) + "</tr>"

    body = "".join(row(cells, "td") for group in table.groups for cells in group)
    return f'<div class="wide"><table><thead>{row(table.header, "th")}</thead><tbody>{body}</tbody></table></div>'
