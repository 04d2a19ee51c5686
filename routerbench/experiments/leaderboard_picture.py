"""Plot of a leaderboard: one row per router, with its score and its comparison with linear."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from routerbench.evaluation.results import Evaluation, Scored
from routerbench.experiments.standings import Standings
from routerbench.report.formatting import MEASURES, difference, merit, ranked, share, shorten
from routerbench.report.labels import spread
from routerbench.report.pictures import DPI, FAINT, INK, LANDMARK_STYLES, PALETTE, plain, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"better": PALETTE[2], "not distinguishable": PALETTE[0], "worse": PALETTE[1]}
_LINES = {
    "zero_router": LANDMARK_STYLES["zero_router"],
    "linear": {"color": INK, "linestyle": "solid", "linewidth": 0.9},
    "benchmark_oracle": LANDMARK_STYLES["benchmark_oracle"],
}
_ROW, _TOP, _BOTTOM = 0.2, 0.8, 0.8  # inches
_COLUMNS = (1.13, 1.28, 1.43)  # right edges, in widths of the axes


def write_picture(standings: Standings, path: Path) -> None:
    """Plot the routers as PNG, the best on top, with linear and two references as vertical lines.

    A thin bar is the interval of the router's score. A thick bar is the paired interval of its difference to linear,
    shifted by the score of linear. A difference whose bar covers the line of linear is not significant.
    """
    save_picture(path, lambda: _picture(standings))


def _picture(standings: Standings) -> Figure:
    from matplotlib.figure import Figure

    evaluation = standings.evaluation
    routers = ranked(evaluation)
    height = _TOP + _ROW * len(routers) + _BOTTOM
    figure = Figure(figsize=(7.2, height), dpi=DPI)
    axes = figure.add_axes((0.215, _BOTTOM / height, 0.545, _ROW * len(routers) / height))
    axes.set_ylim(len(routers) - 0.5, -0.5)
    everyone = {**evaluation.references, **evaluation.routers}
    lines = {name: merit(evaluation, everyone[name]) for name in _LINES}
    for name, place in lines.items():
        axes.axvline(place, **_LINES[name], zorder=1)
    comparisons = standings.against("linear")
    for row, (name, scored) in enumerate(routers):
        relation = comparisons[name].relation if name in comparisons else "not distinguishable"
        colour = INK if name == "linear" else COLOURS[relation]
        _draw_row(axes, row, evaluation, scored, lines["linear"], colour)
        _name_row(axes, row, name, standings, scored, colour)
    plain(axes, "x")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _name_lines(axes, lines)
    _words(figure, axes, standings)
    return figure


def _draw_row(axes: Axes, row: int, evaluation: Evaluation, scored: Scored, linear: float, colour: str) -> None:
    own = evaluation.score(scored)
    if own.low is not None and own.high is not None:
        axes.plot([own.low, own.high], [row, row], color=colour, linewidth=0.7, alpha=0.6, zorder=2)
    paired = scored.differences.get("linear")
    if paired is not None and paired.prompts is not None:
        ends = [linear + paired.prompts.low, linear + paired.prompts.high]
        axes.plot(ends, [row, row], color=colour, linewidth=4.5, alpha=0.35, solid_capstyle="butt", zorder=3)
    axes.scatter([merit(evaluation, scored)], [row], s=20, color=colour, linewidth=0, zorder=4)


def _name_row(axes: Axes, row: int, name: str, standings: Standings, scored: Scored, colour: str) -> None:
    """Write the name on the left, and score, difference to linear and training time in seconds on the right."""
    place_at = axes.get_yaxis_transform()
    axes.text(-0.02, row, shorten(name, 22), ha="right", va="center", color=colour, weight="bold", parse_math=False,
              transform=place_at)  # fmt: skip
    paired = scored.differences.get("linear")
    cells = (
        share(standings.evaluation.score(scored).value),
        "" if paired is None else difference(paired.value),
        f"{standings.entries[name].fit_seconds:.1f}",
    )
    for x, cell in zip(_COLUMNS, cells, strict=True):
        axes.text(x, row, cell, ha="right", va="center", size=8, transform=place_at)


def _name_lines(axes: Axes, lines: dict[str, float]) -> None:
    """Label the vertical lines above the axes, without overlap."""
    place_at = axes.get_xaxis_transform()
    low, high = axes.get_xlim()
    top = 1 + 0.35 / abs(np.diff(axes.get_ylim())[0])  # a third of a row above the axes
    places = spread(np.array(list(lines.values())), 0.23 * (high - low), low, high)
    for (name, value), place in zip(lines.items(), places, strict=True):
        colour = _LINES[name]["color"]
        axes.plot([value, place], [1, top], color=colour, linewidth=0.6, transform=place_at, clip_on=False)
        axes.text(place, top, f"{name}\n{share(value)}", ha="center", va="bottom", size=7, color=colour,
                  transform=place_at)  # fmt: skip
    axes.set_xlim(low, high)


def _words(figure: Figure, axes: Axes, standings: Standings) -> None:
    """Write title, column heads, legend, and the score of the oracle, which is outside the axis."""
    inch = 1 / figure.get_figheight()
    evaluation, measure = standings.evaluation, MEASURES[standings.evaluation.measure]
    title = f"{shorten(table_name(evaluation), 40)}: {len(evaluation.routers)} routers on "
    title += f"{sum(evaluation.benchmark_counts.values()):,} test prompts"
    figure.text(0.015, 1 - 0.1 * inch, title, size=9.5, weight="bold", va="top", parse_math=False)
    oracle = f"oracle, off the axis: {share(evaluation.score(evaluation.references['oracle']).value)}"
    figure.text(0.985, 1 - 0.12 * inch, oracle, size=7.5, color=FAINT, ha="right", va="top")
    for x, head in zip(_COLUMNS, (measure, "to linear", "train, s"), strict=True):
        axes.text(x, 1.0, head, ha="right", va="bottom", size=7, color=FAINT,
                  transform=axes.transAxes)  # fmt: skip
    axes.set_xlabel(measure)
    if not evaluation.num_resamples:
        return
    figure.text(0.215, 0.25 * inch, "against linear, Holm-corrected:", size=7.5, color=FAINT)
    for x, (relation, colour) in zip((0.475, 0.57, 0.76), COLOURS.items(), strict=True):
        figure.text(x, 0.25 * inch, f"● {relation}", size=7.5, color=colour)
    text = "thin: 95 % interval of a router's own score; thick: paired interval of its difference to linear"
    figure.text(0.215, 0.08 * inch, text, size=7, color=FAINT)


def table_name(evaluation: Evaluation) -> str:
    """Return the name of the table, without folders and suffix.

    Example:
        >>> from types import SimpleNamespace
        >>> table_name(SimpleNamespace(source="/data/logs.parquet"))
        'logs'
    """
    return PurePath(evaluation.source).stem or evaluation.source
