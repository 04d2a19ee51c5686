"""Report of abstention: plot of error against coverage, and a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from routerbench.evaluation.abstention import Abstention
from routerbench.evaluation.metrics import RiskCoverage
from routerbench.evaluation.results import Figure
from routerbench.files import atomic_path
from routerbench.report.formatting import p_value, percent, share, with_interval
from routerbench.report.pictures import DPI, FAINT, colour_of, name_ends, plain, save_picture
from routerbench.report.tables import Table, markdown

if TYPE_CHECKING:
    from matplotlib import figure as mpl_figure
    from matplotlib.axes import Axes

_LEAST_COVERAGE = 0.05  # the error of fewer prompts is mostly noise


def abstention_table(found: Mapping[str, Abstention]) -> str:
    """Format the results of each router as a Markdown table, the smallest AURC first."""
    ordered = sorted(found.items(), key=lambda item: (item[1].aurc.value or 0.0, item[0]))
    return markdown(
        Table(
            ("router", "error", "declined", "error then", "reduction", "of oracle", "AURC", "oracle AURC",
             "threshold", "realised coverage", "realised error"),
            "lrrrrrrrrrr",
            (tuple((name, *_cells(one)) for name, one in ordered),),
        )
    )  # fmt: skip


def write_abstention(found: Mapping[str, Abstention], folder: Path) -> str:
    """Write ``abstention.md`` and ``abstention.png`` into a folder, and return the Markdown table."""
    table = abstention_table(found)
    with atomic_path(folder / "abstention.md") as part:
        part.write_text(f"# Declining the least sure prompts\n\n{table}\n", encoding="utf-8")
    draw_abstention(found, folder / "abstention.png")
    return table


def draw_abstention(found: Mapping[str, Abstention], path: Path) -> None:
    """Plot error against coverage as PNG.

    Solid lines decline by confidence, dotted lines at random, and thin lines by measured quality (the oracle). A cross
    marks realised coverage and error at the threshold chosen on validation.
    """
    save_picture(path, lambda: _picture(found))


def _picture(found: Mapping[str, Abstention]) -> mpl_figure.Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), dpi=DPI)
    axes = figure.add_axes((0.08, 0.125, 0.645, 0.79))
    for number, one in enumerate(found.values()):
        _draw(axes, one, colour_of(number))
    _dress(axes, found)
    return figure


def _cells(one: Abstention) -> tuple[str, ...]:
    bounds = (one.interval.low, one.interval.high) if one.interval else (None, None)
    possible = (one.error.value or 0.0) - one.oracle_error_after
    reduction = with_interval(Figure(one.reduction, *bounds), share)
    return (
        with_interval(one.error, share),
        percent(one.abstention),
        with_interval(one.error_after, share),
        f"{reduction}, {p_value(one.interval.p_value)}" if one.interval else reduction,
        percent(one.reduction / possible if possible > 0 else None),
        with_interval(one.aurc, share),
        share(one.oracle_aurc),
        f"{one.threshold:.3g}",
        percent(one.realised_coverage),
        with_interval(one.realised_error, share),
    )


def _draw(axes: Axes, one: Abstention, colour: str) -> None:
    grid = _grid(one.curve)
    assert one.error.value is not None
    axes.plot(grid, one.curve.at(grid), color=colour, linewidth=1.8, zorder=3)
    axes.plot([grid[0], 1], [one.error.value] * 2, color=colour, linestyle=(0, (1, 1.5)), linewidth=1.2, zorder=2)
    axes.plot(grid, one.oracle.at(grid), color=colour, linewidth=0.7, zorder=2)
    if one.realised_error.value is not None:
        axes.scatter(one.realised_coverage, one.realised_error.value, s=34, marker="X", color=colour,
                     edgecolor="white", linewidth=0.7, zorder=5)  # fmt: skip


def _grid(curve: RiskCoverage) -> np.ndarray:
    """Return ascending coverages to plot: those of the thresholds, and a grid in case many prompts tie."""
    grid = np.concatenate([curve.coverage, np.linspace(_LEAST_COVERAGE, 1, 200)])
    return np.unique(grid[grid >= _LEAST_COVERAGE])


def _dress(axes: Axes, found: Mapping[str, Abstention]) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.set_xlim(1.0, _LEAST_COVERAGE)  # descending, from all prompts on the left
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda coverage, _: f"{100 * coverage:.0f} %"))
    axes.set_xlabel("share of the prompts that is answered")
    axes.set_ylabel("error among them: 1 - mean quality")
    plain(axes)
    ends = [
        (name, float(one.curve.at(_LEAST_COVERAGE)), colour_of(number))
        for number, (name, one) in enumerate(found.items())
    ]
    name_ends(axes, ends, 18, bold=found, figures=[share(one.aurc.value) for one in found.values()], head="AURC")
    handles = [
        axes.plot([], [], color=FAINT, linewidth=1.8)[0],
        axes.plot([], [], color=FAINT, linewidth=1.2, linestyle=(0, (1, 1.5)))[0],
        axes.plot([], [], color=FAINT, linewidth=0.7)[0],
        axes.scatter([], [], s=34, marker="X", color=FAINT, linewidth=0),
    ]
    words = ["the least sure declined", "declined at random", "the worst declined (oracle)", "threshold of validation"]
    axes.legend(handles, words, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, frameon=False, fontsize=7.5,
                columnspacing=1.2, handletextpad=0.5)  # fmt: skip
