"""Pictures of an audit, as inline SVG: headroom, and ties between models."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.audit.audit import Audit
from routerbench.audit.headroom import Headroom
from routerbench.audit.prompts import Ties
from routerbench.report.pictures import FAINT, FONT, INK, PALETTE, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 4.4  # inches; text stays readable on a phone
_BLUE, _ORANGE, _GREEN = PALETTE[:3]
# Text as paths does not depend on installed fonts. With a fixed salt for element ids, the output is deterministic.
_SVG: Any = {"svg.fonttype": "path", "svg.hashsalt": "audit"}


def headroom_figure(audit: Audit) -> str:
    """Plot the headroom in quality and AIQ as an ``<svg>``; requires ``audit.quality``."""
    from matplotlib.figure import Figure

    assert audit.quality is not None
    rows = [("quality", audit.quality)] + ([("AIQ", audit.aiq)] if audit.aiq is not None else [])
    height = 1.05 + 0.38 * len(rows)

    def draw() -> Figure:
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.14, 0.42 / height, 0.82, (height - 0.95) / height))
        for place, (_, headroom) in enumerate(rows):
            _draw_headroom(axes, headroom, len(rows) - 1 - place)
        axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.legend(
            *_legend(), loc="lower left", bbox_to_anchor=(-0.17, 1.0), ncols=3, frameon=False, fontsize=8,
            handletextpad=0.1, columnspacing=0.8,
        )  # fmt: skip
        plain(axes, None)
        return figure

    return _svg(draw)


def ties_figure(ties: Ties) -> str:
    """Plot the number of prompts by the number of best models, as an ``<svg>``."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    def draw() -> Figure:
        figure = Figure(figsize=(_WIDTH, 2.1))
        axes = figure.add_axes((0.14, 0.21, 0.82, 0.75))
        colours = [_ORANGE, _GREEN, *[_BLUE] * (len(ties.counts) - 2)]
        axes.bar(np.arange(len(ties.counts)), ties.counts, color=colours, width=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("models that reach the best quality (0: all models fail)")
        axes.set_ylabel("prompts")
        plain(axes, None)
        return figure

    return _svg(draw)


def _draw_headroom(axes: Axes, headroom: Headroom, height: int) -> None:
    values = (headroom.blind, headroom.benchmark_oracle, headroom.oracle)
    axes.plot([min(values), max(values)], [height, height], color=FAINT, linewidth=2, zorder=1)
    for value, style in zip(values, _markers(), strict=True):
        axes.plot([value], [height], linestyle="none", zorder=2, **style)


def _markers() -> list[dict[str, Any]]:
    """Return the markers of blind, benchmark_oracle and oracle, all visible where values coincide."""
    return [
        {"marker": "o", "markersize": 9, "markerfacecolor": "white", "markeredgecolor": INK},
        {"marker": "o", "markersize": 5, "color": _BLUE},
        {"marker": "|", "markersize": 13, "markeredgewidth": 2, "color": _ORANGE},
    ]


def _legend() -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="none", **style) for style in _markers()]
    return handles, ["best single / zero_router", "benchmark_oracle", "oracle"]


def _svg(draw: Callable[[], Figure]) -> str:
    """Return the ``<svg>`` element, without the declarations of a separate file."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context(FONT | _SVG):
        draw().savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
