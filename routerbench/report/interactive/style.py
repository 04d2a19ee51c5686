"""Common style of the interactive plots: lines, names, and the layout on a narrow page."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from routerbench.evaluation.results import Evaluation, Scored
from routerbench.report.formatting import shorten
from routerbench.report.pictures import LANDMARK_STYLES, PALETTE, coloured

if TYPE_CHECKING:
    import plotly.graph_objects as go

LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, Segoe UI, Roboto, Helvetica, sans-serif", "size": 13, "color": "#333"},
    "margin": {"l": 60, "r": 20, "t": 20, "b": 60},
    "hoverlabel": {"align": "left"},
    "xaxis": {"title": {"font": {"size": 13}}, "tickangle": 0},
    "yaxis": {"title": {"font": {"size": 13}}},
}
_DASHES = ("solid", "dash", "dashdot", "dot")  # Plotly's names for ``DASHES`` of pictures.py
_LANDMARK_DASHES = {"zero_router": "dash", "benchmark_oracle": "dot", "oracle": "solid"}
LANDMARK_LINES: dict[str, dict[str, Any]] = {
    name: {"color": LANDMARK_STYLES[name]["color"], "dash": dash, "width": 1.5}
    for name, dash in _LANDMARK_DASHES.items()
}
# Heights in pixels on a narrow page: plotting area, axis title, and row of the legend.
_PLOT, _TITLE, _ROW = 300, 58, 21
_HALF = 19  # maximum characters of an entry for two columns in a legend 350 pixels wide


def router_lines(evaluation: Evaluation) -> list[tuple[str, Scored, dict[str, Any]]]:
    """Return name, figures and line style of the routers, best first, the same in all interactive plots."""
    return [
        (name, scored, {"color": colour, "dash": _DASHES[number // len(PALETTE) % len(_DASHES)]})
        for number, (name, scored, colour) in enumerate(coloured(evaluation))
    ]


def label(name: str) -> str:
    """Escape and shorten a name for a legend."""
    return escape(shorten(name, 30))


def literal(name: str) -> str:
    """Escape a name for a hover template, where "%{" would start a variable.

    Example:
        >>> literal("<b>%{x}")
        '&lt;b&gt;&#37;{x}'
    """
    return escape(shorten(name, 80)).replace("%", "&#37;")


def below(figure: go.Figure) -> dict[str, Any]:
    """Return the keys of a plotly.js layout that change on a narrow page, where the legend is below the plot."""
    entries = [trace.name for trace in figure.data if trace.showlegend is not False and trace.visible is not False]
    columns = 2 if all(len(entry) <= _HALF for entry in entries) else 1
    legend = _ROW * math.ceil(len(entries) / columns)
    top = figure.layout.margin.t
    return {
        "height": top + _PLOT + _TITLE + legend,
        "margin": {"l": 54, "r": 10, "t": top, "b": _TITLE + legend},
        "legend": figure.layout.legend.to_plotly_json()
        | {"orientation": "h", "x": 0, "y": -_TITLE / _PLOT, "yanchor": "top", "maxheight": legend + _ROW,
           "entrywidthmode": "fraction", "entrywidth": 1 / columns, "tracegroupgap": 0},
    }  # fmt: skip
