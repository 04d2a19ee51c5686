"""What all interactive pictures share: how a line looks, how a name is written, how a picture fits a narrow page."""

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
# The dashes of pictures.py in the words of Plotly.
_DASHES = ("solid", "dash", "dashdot", "dot")
_LANDMARK_DASHES = {"zero_router": "dash", "benchmark_oracle": "dot", "oracle": "solid"}
LANDMARK_LINES: dict[str, dict[str, Any]] = {
    name: {"color": LANDMARK_STYLES[name]["color"], "dash": dash, "width": 1.5}
    for name, dash in _LANDMARK_DASHES.items()
}
# Pixels on a narrow page: the plot itself, the axis title below it, and a row of the legend below that.
_PLOT, _TITLE, _ROW = 300, 58, 21
# The longest entry of which two stand side by side in a legend 350 pixels wide.
_HALF = 19


def router_lines(evaluation: Evaluation) -> list[tuple[str, Scored, dict[str, Any]]]:
    """The routers, best first, each with the colour and dash it has in every picture."""
    return [
        (name, scored, {"color": colour, "dash": _DASHES[number // len(PALETTE) % len(_DASHES)]})
        for number, (name, scored, colour) in enumerate(coloured(evaluation))
    ]


def label(name: str) -> str:
    """A name in a legend."""
    return escape(shorten(name, 30))


def literal(name: str) -> str:
    """A name inside a hover template, where "%{" would begin a variable.

    Example:
        >>> literal("<b>%{x}")
        '&lt;b&gt;&#37;{x}'
    """
    return escape(shorten(name, 80)).replace("%", "&#37;")


def below(figure: go.Figure) -> dict[str, Any]:
    """What of the layout changes on a narrow page: the legend goes below the plot, and the picture grows by it.

    Args:
        figure: a picture whose legend stands beside the plot.

    Returns:
        Keys of the layout to replace, as plotly.js reads them.
    """
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
