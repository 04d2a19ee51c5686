"""Common style of the plots: colours, fonts, axes, and names at the right ends of lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from routerbench.evaluation.results import Evaluation, Scored
from routerbench.files import atomic_path
from routerbench.report.formatting import ranked, shorten
from routerbench.report.labels import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Palette of Okabe and Ito for colour-blind readers. Beyond six routers, the dashes differ as well.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))
LANDMARK_STYLES: dict[str, dict[str, Any]] = {
    "zero_router": {"color": "#808080", "linestyle": (0, (5, 2)), "linewidth": 1.3},
    "benchmark_oracle": {"color": "#4d4d4d", "linestyle": (0, (1, 1.5)), "linewidth": 1.5},
    "oracle": {"color": "black", "linestyle": "solid", "linewidth": 0.7},
}
DPI = 200
INK, FAINT = "#333333", "#8a8a8a"
FONT: Any = {"font.family": "sans-serif", "font.size": 8.5, "text.color": INK, "axes.labelcolor": INK}
_GRID, _SPINE, _TICK = "#e4e4e4", "#b5b5b5", "#555555"


def colour_of(number: int) -> str:
    """Return the colour of a router by its index from 0; colours repeat."""
    return PALETTE[number % len(PALETTE)]


def coloured(evaluation: Evaluation) -> list[tuple[str, Scored, str]]:
    """Return name, figures and colour of the routers, best first; a router has the same colour in all plots."""
    return [(name, scored, colour_of(number)) for number, (name, scored) in enumerate(ranked(evaluation))]


def save_picture(path: Path, draw: Callable[[], Figure]) -> None:
    """Write a plot as PNG; ``draw`` makes the figure, in the common font."""
    import matplotlib as mpl

    with mpl.rc_context(FONT), atomic_path(path) as part:
        draw().savefig(part, dpi=DPI, facecolor="white")


def plain(axes: Axes, grid: Literal["x", "y", "both"] | None = "both") -> None:
    """Style axes without top and right spines and without tick marks; ``grid`` selects the grid lines."""
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(color=_GRID, linewidth=0.6, axis=grid)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SPINE)
    axes.tick_params(which="both", length=0, colors=_TICK, labelsize=8)


def name_ends(
    axes: Axes,
    ends: Sequence[tuple[str, float, str]],
    max_length: int = 22,
    *,
    bold: Collection[str] = (),
    figures: Sequence[str] = (),
    head: str = "",
) -> None:
    """Write the name of each line at its right end, without overlap.

    Args:
        axes: axes with the lines, and with their limits set.
        ends: name, height of the end in data units, and colour of each line; of equal heights, the last one is on top.
        max_length: maximum number of characters of a name.
        bold: names in bold type.
        figures: formatted number of each line, written before its name.
        head: heading of the numbers.
    """
    from matplotlib.transforms import blended_transform_factory

    low, high = axes.get_ylim()
    room, inch = high - low, 1 / (axes.get_position().width * axes.figure.get_figwidth())  # type: ignore[union-attr]
    heights = np.array([height for _, height, _ in ends]).clip(low, high)
    places = spread(heights, 0.046 * room, low, high - (0.05 * room if head else 0))
    place_at = blended_transform_factory(axes.transAxes, axes.transData)
    for number, ((name, _, color), height, place) in enumerate(zip(ends, heights, places, strict=True)):
        style: Any = {"color": color, "weight": "bold" if name in bold else "normal", "size": 8, "va": "center"}
        axes.plot([1, 1 + 0.12 * inch], [height, place], color=color, linewidth=0.6, transform=place_at, clip_on=False)
        if figures:
            axes.text(1 + 0.17 * inch, place, figures[number], transform=place_at, **style)
        axes.text(1 + (0.53 if figures else 0.17) * inch, place, shorten(name, max_length), parse_math=False,
                  transform=place_at, **style)  # fmt: skip
    if head and len(places):
        axes.text(1 + 0.17 * inch, places.max() + 0.05 * room, head, color=FAINT, size=7, va="center",
                  transform=place_at)  # fmt: skip
