"""Plot of a study: score along an axis, or gain on each benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Difference, Evaluation, Scored
from routerbench.experiments.study import Study
from routerbench.report.formatting import MEASURES, gain, merit, shorten
from routerbench.report.pictures import DPI, FAINT, INK, LANDMARK_STYLES, colour_of, name_ends, plain, save_picture
from routerbench.report.tables import by_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DODGE = 0.012  # shift between routers as a share of the axis, so that their bars do not overlap
_LINES = ("zero_router", "benchmark_oracle")


def write_picture(study: Study, path: Path) -> None:
    """Plot a study as PNG.

    If any condition has a position, scores are plotted along the axis of positions, and conditions without a position
    on its left or right. Otherwise the two conditions are plotted by benchmark. Bars are paired intervals of the
    difference to the baseline condition, which has no bar.
    """
    has_axis = any(condition.position is not None for condition in study.conditions)
    save_picture(path, lambda: _along_axis(study) if has_axis else _by_benchmark(study))


def _along_axis(study: Study) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.5), dpi=DPI)
    axes = figure.add_axes((0.085, 0.165, 0.725, 0.755))
    places = _places(study)
    width = np.ptp(places)
    ends: list[tuple[str, float, str]] = []
    for number, router in enumerate(study.routers):
        shift = (number - (len(study.routers) - 1) / 2) * _DODGE * width
        colour = colour_of(number)
        ends.append((router, _draw_router(axes, study, router, places + shift, colour), colour))
    for name in _LINES:
        height = merit(study.evaluation, study.evaluation.references[name])
        axes.axhline(height, **LANDMARK_STYLES[name], zorder=1)
        ends.append((name, height, LANDMARK_STYLES[name]["color"]))
    axes.set_xlim(places[0] - 0.05 * width, places[-1] + 0.05 * width)
    axes.set_xticks(places, [_tick(*condition) for condition in study.conditions])
    axes.set_xlabel(study.axis + (", log scale" if study.log_axis else ""))
    axes.set_ylabel(MEASURES[study.evaluation.measure])
    plain(axes)
    name_ends(axes, ends, bold=study.routers)
    _words(figure, study)
    return figure


def _places(study: Study) -> NDArray[np.float64]:
    """Compute the coordinate of each condition; those without a position are placed one step apart beyond the ends."""
    positions = np.array([np.nan if s.position is None else s.position for s in study.conditions])
    places = np.log10(positions) if study.log_axis else positions
    known = np.flatnonzero(np.isfinite(places))
    first, last = known[0], known[-1]
    step = (places[last] - places[first]) / (len(known) - 1) if len(known) > 1 else 1.0
    number = np.arange(len(places))
    places[:first] = places[first] - step * (first - number[:first])
    places[last + 1 :] = places[last] + step * (number[last + 1 :] - last)
    return places


def _tick(label: str, position: float | None) -> str:
    return label.replace(" ", "\n", 1) if position is None else f"{position:,g}"


def _draw_router(axes: Axes, study: Study, router: str, places: NDArray[np.float64], colour: str) -> float:
    """Plot the runs of one router, and return the height of the last one, where its name is placed."""
    runs = [study.scored(router, condition.label) for condition in study.conditions]
    heights = np.array([np.nan if run is None else merit(study.evaluation, run) for run in runs])
    inside = np.array([condition.position is not None for condition in study.conditions])
    axes.plot(places[inside], heights[inside], linewidth=1.6, zorder=3, color=colour)
    # Dotted lines lead to conditions without a position, where interpolation has no meaning.
    axes.plot(places, heights, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2.5, color=colour)
    axes.scatter(places[inside], heights[inside], s=16, zorder=4, color=colour)
    axes.scatter(places[~inside], heights[~inside], s=18, facecolor="white", edgecolor=colour, zorder=4)
    base = merit(study.evaluation, study.scored(router, study.baseline))  # type: ignore[arg-type]
    for place, condition in zip(places, study.conditions, strict=True):
        change = study.changes.get(study.names.get((router, condition.label), ""), {}).get(None)
        if change is not None and change.prompts is not None:
            ends = [base + change.prompts.low, base + change.prompts.high]
            axes.plot([place] * 2, ends, linewidth=0.8, color=colour)
    return float(heights[np.isfinite(heights)][-1])


def _by_benchmark(study: Study) -> Figure:
    """Plot the gain over zero_router by benchmark, with a line between the two conditions of each router."""
    from matplotlib.figure import Figure

    (other,) = (condition.label for condition in study.conditions if condition.label != study.baseline)
    counts = study.evaluation.benchmark_counts
    rows: dict[str | None, str] = {None: f"all ({sum(counts.values()):,} prompts)"}
    rows |= {name: f"{shorten(name, 20)} ({count:,})" for name, count in by_count(study.evaluation)}
    pitch = len(study.routers) + 0.8
    height = 1.35 + 0.135 * len(rows) * pitch
    figure = Figure(figsize=(7.2, height), dpi=DPI)
    axes = figure.add_axes((0.25, 0.72 / height, 0.72, 1 - 1.24 / height))
    axes.axvline(0, **LANDMARK_STYLES["zero_router"], zorder=1)
    for number, (benchmark, label) in enumerate(rows.items()):
        top = -number * pitch
        if number % 2:
            axes.axhspan(top - pitch + 0.9, top + 0.9, color="#f6f6f6", zorder=0, linewidth=0)
        for place, router in enumerate(study.routers):
            pair = (study.scored(router, label) for label in (study.baseline, other))
            known, unseen = (_gain(study.evaluation, run, benchmark) for run in pair)
            change = study.changes[study.names[router, other]][benchmark]
            _draw_pair(axes, top - place, known, unseen, change, colour_of(place))
        axes.text(-0.015, top - (len(study.routers) - 1) / 2, label, ha="right", va="center", size=8, parse_math=False,
                  weight="normal" if number else "bold", transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks([])
    axes.set_ylim(-len(rows) * pitch + 0.9, 0.9)
    axes.set_xlabel(f"{MEASURES[study.evaluation.measure]} above that of zero_router, which reads no prompt")
    plain(axes, "x")
    _legend(axes, study, other)
    _words(figure, study)
    return figure


def _gain(evaluation: Evaluation, run: Scored | None, benchmark: str | None) -> float:
    """Compute the gain of a run over zero_router on one benchmark, or on all prompts for None."""
    assert run is not None
    if benchmark is None:
        return gain(evaluation, run)
    everyone = (run, evaluation.references["zero_router"])
    values = [scored.per_benchmark[benchmark][evaluation.measure].value for scored in everyone]
    return np.nan if None in values else values[0] - values[1]  # type: ignore[operator]


def _draw_pair(axes: Axes, row: float, known: float, unseen: float, change: Difference, colour: str) -> None:
    if change.prompts is not None:
        ends = [known + change.prompts.low, known + change.prompts.high]
        axes.plot(ends, [row, row], color=colour, linewidth=0.8, alpha=0.55, zorder=2)
    axes.plot([known, unseen], [row, row], color=colour, linewidth=2.2, alpha=0.35, zorder=2, solid_capstyle="butt")
    axes.scatter([known], [row], s=15, facecolor="white", edgecolor=colour, linewidth=1.0, zorder=3)
    axes.scatter([unseen], [row], s=17, color=colour, linewidth=0, zorder=4)


def _legend(axes: Axes, study: Study, other: str) -> None:
    from matplotlib.lines import Line2D

    def dot(colour: str, face: str) -> Line2D:
        return Line2D([], [], marker="o", linestyle="none", markersize=4, markeredgecolor=colour, markerfacecolor=face)

    colours = map(colour_of, range(len(study.routers)))
    handles = [*(dot(colour, colour) for colour in colours), dot(INK, "white"), dot(INK, INK)]
    labels = [*(shorten(router, 18) for router in study.routers), study.baseline, other]
    axes.legend(handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(labels), frameon=False,
                fontsize=8, handletextpad=0.1, columnspacing=1.0, borderaxespad=0.1)  # fmt: skip


def _words(figure: Figure, study: Study) -> None:
    inch = 1 / figure.get_figheight()
    figure.text(0.015, 1 - 0.1 * inch, study.title, size=9.5, weight="bold", va="top", parse_math=False)
    if len(study.names) < len(study.routers) * len(study.conditions):
        text = "where a router has no dot it is unable"
        figure.text(0.985, 1 - 0.12 * inch, text, size=7, color=FAINT, ha="right", va="top")
    if study.evaluation.num_resamples:
        text = f"bars: 95 % interval of the difference to “{study.baseline}” of the same router, on the same prompts"
        figure.text(0.985, 0.08 * inch, text, size=7, color=FAINT, ha="right", parse_math=False)
