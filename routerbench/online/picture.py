"""Plot of a stream: reward lost while serving, and the frontier of the frozen policies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.online.served import Served, half_width
from routerbench.report.formatting import share
from routerbench.report.pictures import DPI, FAINT, LANDMARK_STYLES, PALETTE, name_ends, plain, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 300  # of a curve
_STYLES: dict[str, dict[str, Any]] = {
    "full_information": {"color": PALETTE[2], "linewidth": 1.4},
    "random": {"color": "#808080", "linestyle": (0, (1, 1.5)), "linewidth": 1.3},
    "linear": {"color": PALETTE[1], "linewidth": 1.2},
    "zero_router": LANDMARK_STYLES["zero_router"],
}


def write_picture(served: Served, path: Path) -> None:
    """Plot the reward lost to the best single model over the stream and, if AIQ is defined, the hulls on test."""
    save_picture(path, lambda: _picture(served))


def _picture(served: Served) -> Figure:
    from matplotlib.figure import Figure

    has_aiq = served.evaluation.measure == "aiq"
    width = 9.6 if has_aiq else 5.4  # inches
    figure = Figure(figsize=(width, 4.1), dpi=DPI)
    figure.text(0.01, 0.975, f"{served.name}: learning while serving", size=9.5, weight="bold", va="top")
    lambda_ = f"lambda = {served.willingness_to_pay:.3g} USD per unit of quality, {served.num_orders} orders"
    figure.text(0.99, 0.97, lambda_, size=7.5, color=FAINT, ha="right", va="top")
    _draw_regret(figure.add_axes((0.624 / width, 0.13, 3.024 / width, 0.75)), served)
    if has_aiq:
        _draw_frontier(figure.add_axes((0.56, 0.13, 0.27, 0.75)), served)
    return figure


def _draw_regret(axes: Axes, served: Served) -> None:
    """Plot the cumulative reward lost to the best single model, with its 95 % interval over orders."""
    axes.axhline(0, color=FAINT, linewidth=0.8)
    steps = np.unique(np.linspace(1, served.num_served, _POINTS).astype(int))
    ends = [("best_arm", 0.0, FAINT)]
    for name in ("random", "full_information", served.name):
        lost = served.behind_best_arm(name).cumsum(axis=1)[:, steps - 1]
        style, mean = _style(served, name), lost.mean(axis=0)
        axes.plot(steps, mean, **style)
        if len(lost) > 1:
            reach = half_width(lost)
            axes.fill_between(steps, mean - reach, mean + reach, color=style["color"], alpha=0.18, linewidth=0)
        ends.append((name, float(mean[-1]), style["color"]))
    # Cut off the line of random, because its full range would flatten all others.
    (_, lost_at_random, _), *others = ends[1:]
    heights = [height for _, height, _ in (ends[0], *others)]
    top = max(*heights, 0.35 * lost_at_random)
    axes.set_ylim(min(heights) - 0.15 * top, 1.15 * top)
    axes.set_xlim(0, served.num_served)
    axes.set_xlabel("prompts served")
    axes.set_ylabel("reward lost to the best single model")
    plain(axes)
    name_ends(axes, ends, 26)


def _draw_frontier(axes: Axes, served: Served) -> None:
    evaluation = served.evaluation
    assert evaluation.cost_interval is not None
    low, high = evaluation.cost_interval
    costs = np.geomspace(max(low, 1e-3 * high), high, _POINTS)
    everyone, ends, figures = {**evaluation.references, **evaluation.routers}, [], []
    for name in ("zero_router", "linear", "full_information", served.name):
        heights, style = everyone[name].hull.at(costs), _style(served, name)
        axes.plot(costs * 1000, heights, **style)
        ends.append((name, float(heights[-1]), style["color"]))
        figures.append(share(everyone[name].aiq.value))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda cost, _: f"{cost:g}")
    axes.set_xlim(costs[0] * 1000, costs[-1] * 1000)
    axes.set_xlabel("USD per 1,000 test prompts, log scale")
    axes.set_ylabel("quality, frozen after the stream")
    plain(axes)
    name_ends(axes, ends, 26, figures=figures, head="AIQ")


def _style(served: Served, name: str) -> dict[str, Any]:
    return {"color": PALETTE[0], "linewidth": 1.9} if name == served.name else _STYLES[name]
