"""Plots of quality against cost: all routers on test, and one router on validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.frontier import Hull, pareto_frontier
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.results import Evaluation, Scored
from routerbench.report.formatting import LANDMARKS, merit, quality_only, share, short_names, shorten
from routerbench.report.labels import place
from routerbench.report.pictures import (
    DASHES,
    DPI,
    FAINT,
    INK,
    LANDMARK_STYLES,
    PALETTE,
    coloured,
    name_ends,
    plain,
    save_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = {"budget": "D", "keep": "s"}
# Radius of a model's point in pixels, and directions of the points on its rim, which labels avoid.
_RIM = 2.3 * DPI / 72
_TURNS = np.array([(np.cos(angle), np.sin(angle)) for angle in np.arange(8) * np.pi / 4])


def write_frontier(evaluation: Evaluation, path: Path) -> None:
    """Plot the hulls of routers and references and the single models as PNG, against log cost unless a model is free.

    Shaded bands are intervals of the hulls. Diamonds and squares are operating points for a budget and to keep quality.
    If AIQ is undefined, bars of quality are plotted instead.
    """
    save_picture(path, lambda: _frontier(evaluation) if evaluation.measure == "aiq" else _bars(evaluation))


def write_validation(points: OperatingPoints, path: Path) -> None:
    """Plot quality against cost of a router on validation as PNG, with the quality of the best single model."""
    save_picture(path, lambda: _validation(points))


def _validation(points: OperatingPoints) -> Figure:
    from matplotlib.figure import Figure

    cost, style = points.cost * 1000, LANDMARK_STYLES["zero_router"]
    figure = Figure(figsize=(7.2, 4.5), dpi=DPI)
    axes = figure.add_axes((0.08, 0.115, 0.88, 0.8))
    room = max((cost.max() / cost.min()) ** 0.06, 1.05) if cost.min() > 0 else 0
    _axis_of_cost(axes, cost.min() / room if room else -0.04, cost.max() * (room or 1.08))
    axes.step(cost, points.quality, where="post", color=PALETTE[0], linewidth=1.8)
    axes.axhline(points.best_quality, **style)
    axes.text(0.01, points.best_quality, "best single model", color=style["color"], size=8, va="bottom",
              transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_ylabel("mean quality")
    axes.set_title("on validation, on which it was chosen", size=8.5, color=FAINT, loc="left")
    return figure


def _frontier(evaluation: Evaluation) -> Figure:
    from matplotlib.figure import Figure

    lines = _lines(evaluation)
    width = 7.2 + 0.08 * max(0, max(len(shorten(name)) for name, *_ in lines) - 17)  # inches; long names need more
    figure = Figure(figsize=(width, 4.5), dpi=DPI)
    axes = figure.add_axes((0.08 * 7.2 / width, 0.115, 0.68 * 7.2 / width, 0.845))
    left, right = _cost_limits(evaluation)
    _axis_of_cost(axes, left, right)
    _axis_of_quality(axes, evaluation, [float(scored.hull.quality[-1]) for _, scored, _ in lines])
    assert evaluation.cost_interval is not None
    axes.axvspan(*(1000 * cost for cost in evaluation.cost_interval), color="#f6f6f6", zorder=0, linewidth=0)
    drawn = [_draw_hull(axes, scored.hull, style, left, right) for _, scored, style in lines]
    drawn += [_draw_band_and_points(axes, scored, colour) for _, scored, colour in coloured(evaluation)]
    _draw_models(axes, evaluation, np.concatenate(drawn))
    lines.sort(key=lambda line: merit(evaluation, line[1]))
    ends = [(name, float(s.hull.at(max(right / 1000, s.hull.cost[0]))), style["color"]) for name, s, style in lines]
    figures = [share(scored.aiq.value) for _, scored, _ in lines]
    name_ends(axes, ends, 28, bold=evaluation.routers, figures=figures, head="AIQ")
    return figure


def _lines(evaluation: Evaluation) -> list[tuple[str, Scored, dict[str, Any]]]:
    """Return name, figures and style of every line, the routers last so that they are on top."""
    lines = [
        (name, scored, LANDMARK_STYLES[name] | {"zorder": 2})
        for name in LANDMARKS
        if (scored := evaluation.references.get(name))
    ]
    routers = list(enumerate(coloured(evaluation)))
    for number, (name, scored, colour) in reversed(routers):
        style = {"color": colour, "linestyle": DASHES[number // len(PALETTE) % len(DASHES)]}
        lines.append((name, scored, style | {"linewidth": 1.8, "zorder": 3}))
    return lines


def _cost_limits(evaluation: Evaluation) -> tuple[float, float]:
    """Return limits in USD per 1,000 prompts: the cost interval with margins; the oracle may start to the left."""
    assert evaluation.cost_interval is not None
    low, high = (1000 * cost for cost in evaluation.cost_interval)
    if low <= 0:  # a free model requires a linear axis
        return -0.04 * high, 1.08 * high
    room = max((high / low) ** 0.06, 1.05)
    return low / room**1.5, high * room


def _axis_of_cost(axes: Axes, left: float, right: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if left > 0:
        axes.set_xscale("log")
        decades = LogLocator(subs=(1, 2, 5) if right / left < 3000 else (1,))
        axes.xaxis.set_major_locator(decades if right / left > 4 else MaxNLocator(6))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.10g}"))
    axes.set_xlim(left, right)
    axes.set_xlabel("mean cost in USD per 1,000 prompts" + (", log scale" if left > 0 else ""))
    plain(axes)


def _axis_of_quality(axes: Axes, evaluation: Evaluation, heights: list[float]) -> None:
    """Set the limits to contain the single models, the maxima of all hulls and the intervals."""
    from matplotlib.ticker import MaxNLocator

    bands = [scored.band for scored in evaluation.routers.values() if scored.band is not None]
    reached = np.concatenate([evaluation.model_quality, heights, *(np.append(band.low, band.high) for band in bands)])
    margin = 0.05 * max(np.ptp(reached), 0.02)
    axes.set_ylim(reached.min() - margin, reached.max() + margin)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_ylabel("mean quality")


def _draw_hull(axes: Axes, hull: Hull, style: dict[str, Any], left: float, right: float) -> NDArray[np.float64]:
    """Plot a hull, extended to the right edge, and return ``(Q, 2)`` points on it, which labels avoid."""
    first = max(float(hull.cost[0]) * 1000, left)
    grid = np.geomspace(first, right, 500) if first > 0 else np.linspace(first, right, 500)
    # A segment between two vertices is curved on a log axis.
    cost = np.unique(np.concatenate([grid, hull.cost[(hull.cost * 1000 > first) & (hull.cost * 1000 < right)] * 1000]))
    quality = hull.at(np.maximum(cost / 1000, hull.cost[0]))
    axes.plot(cost, quality, **style)
    return np.column_stack([cost, quality])


def _draw_band_and_points(axes: Axes, scored: Scored, colour: str) -> NDArray[np.float64]:
    """Plot the interval of a hull and the operating points of a router, and return the ``(Q, 2)`` points."""
    if scored.band is not None:
        axes.fill_between(scored.band.cost * 1000, scored.band.low, scored.band.high, color=colour, alpha=0.1,
                          linewidth=0, zorder=1)  # fmt: skip
    spots = []
    for target, deployed in scored.deployed.items():
        if deployed.cost.value is None or deployed.quality.value is None:
            continue
        spots.append((1000 * deployed.cost.value, deployed.quality.value))
        axes.scatter(*spots[-1], s=22, marker=_MARKERS[target], color=colour, edgecolor="white", linewidth=0.7,
                     zorder=5)  # fmt: skip
    return np.array(spots).reshape(-1, 2)


def _draw_models(axes: Axes, evaluation: Evaluation, lines: NDArray[np.float64]) -> None:
    """Plot the single models; best_single and the Pareto frontier are labelled first, over lines if needed."""
    from matplotlib.patheffects import withStroke

    cost, quality = evaluation.model_cost * 1000, evaluation.model_quality
    pareto = set(pareto_frontier(cost, quality).tolist())
    best = evaluation.models.index(evaluation.best_single)
    axes.scatter(cost, quality, s=13, color="white", edgecolor=FAINT, linewidth=0.9, zorder=4)
    strong = sorted({*pareto, best})
    axes.scatter(cost[strong], quality[strong], s=17, color=INK, linewidth=0, zorder=5)
    axes.scatter(cost[best], quality[best], s=70, facecolor="none", edgecolor=INK, linewidth=0.9, zorder=5)
    order = sorted(range(len(cost)), key=lambda model: (model != best, model not in pareto, -quality[model]))
    names = short_names(evaluation.models, 32)
    names[best] += ", best single"
    texts = [
        axes.text(0, 0, names[m], fontsize=6.8 if m in strong else 5.8, color=INK if m in strong else "#6e6e6e",
                  parse_math=False, zorder=6)
        for m in order
    ]  # fmt: skip
    sizes = np.array([[box.width, box.height] for box in (text.get_window_extent() for text in texts)])
    points = axes.transData.transform(np.column_stack([cost, quality]))
    dots = np.concatenate([*(points + _RIM * turn for turn in _TURNS), axes.transData.transform(lines)])
    frame = axes.get_window_extent()
    limits = (frame.x0, frame.y0, frame.x1, frame.y1)
    corners = place(points[order], sizes, dots, limits, gap=2 * _RIM, num_needed=len(strong))
    to_data = axes.transData.inverted().transform
    for text, corner, size, point in zip(texts, corners, sizes, points[order], strict=True):
        if corner is None:  # its name is in the table
            text.remove()
            continue
        text.set(position=to_data(corner), verticalalignment="bottom")
        text.set_path_effects([withStroke(linewidth=1.5, foreground="white", alpha=0.8)])
        nearest = np.clip(point, corner, corner + size)
        if np.linalg.norm(nearest - point) > 3 * _RIM:
            axes.plot(*to_data([point, nearest]).T, color=FAINT, linewidth=0.5, zorder=3.5)


def _bars(evaluation: Evaluation) -> Figure:
    """Plot qualities as horizontal bars, best on top: routers in colour, references dark, single models light."""
    from matplotlib.figure import Figure

    routers = [(shorten(name), merit(evaluation, scored), colour) for name, scored, colour in coloured(evaluation)]
    references = [(name, merit(evaluation, scored), "#4d4d4d") for name, scored in evaluation.references.items()]
    names = short_names(evaluation.models)
    models = [(name, float(q), "#c9c9c9") for name, q in zip(names, evaluation.model_quality, strict=True)]
    bars = sorted([*routers, *references, *models], key=lambda bar: bar[1])
    labels, lengths, paints = zip(*bars, strict=True)
    height = 0.9 + 0.2 * len(bars)
    figure = Figure(figsize=(7.2, height), dpi=DPI)
    axes = figure.add_axes((0.3, 0.55 / height, 0.66, 1 - 0.65 / height))
    axes.barh(range(len(bars)), lengths, color=paints, height=0.72)
    axes.set_yticks(range(len(bars)), [""] * len(bars))
    for row, (label, length) in enumerate(zip(labels, lengths, strict=True)):
        axes.text(-0.01, row, label, ha="right", va="center", size=8, parse_math=False,
                  transform=axes.get_yaxis_transform())  # fmt: skip
        axes.text(length, row, f" {share(length)}", va="center", size=7.5)
    axes.set(ylim=(-0.6, len(bars) - 0.4), xlim=(0, 1.06 * max(*lengths, 0.01)))
    axes.set_xlabel(f"mean quality ({quality_only(evaluation)})")
    plain(axes, grid=None)
    return figure
