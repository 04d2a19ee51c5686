"""Report of predictable errors: self_knowledge.md and self_knowledge.png."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from routerbench.files import atomic_path
from routerbench.report.formatting import MEASURES, difference, percent, share, short_names, shorten, with_interval
from routerbench.report.pictures import DPI, FAINT, PALETTE, plain, save_picture
from routerbench.report.tables import Table, escape, markdown
from routerbench.self_knowledge.multicalibration import NUM_BINS, SMALLEST, GroupCalibration
from routerbench.self_knowledge.self_knowledge import SelfKnowledge

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_MOST = 20  # benchmarks in the plot
_UNIT = 1e-4  # of advantages and changes of Brier
_METHOD = (
    "q is the predicted quality, l its squared error, and H = q (1 - q) the error that q implies; with outcomes "
    "other than 0 and 1, H is the mean of l in ten bins of q. LP predicts l by a ridge regression per model that "
    "starts from H. The advantage is E[(l - H)^2] - E[(l - LP)^2] on validation, in five folds. Above 0, q is not "
    "calibrated (arXiv 2502.20375). The unexplained is E[(l - H)^2], mostly chance.",
    "(low, high) is a 95 % bootstrap interval over prompts. The benchmark is guessed from the embedding.",
    f"A cell is a group of prompts, a model and a fifth of the range of q, with at least {SMALLEST} outcomes. Its "
    "error is the mean of measured minus predicted quality. By chance: the mean error of a calibrated prediction "
    "whose errors vary as much. The largest of many errors is partly chance, too.",
    "Multicalibration adds to q the error of each cell on validation, times n / (n + prior) for n outcomes. The "
    "prior with the least squared error out of fold is chosen; inf changes nothing.",
    "The guard replaces the best single model only if the predicted gain exceeds z standard errors, sqrt((LP of "
    "the model + LP of the best single one) / validation prompts). z is chosen on validation.",
)


def write_self_knowledge(found: SelfKnowledge, folder: Path, notes: Sequence[str] = ()) -> str:
    """Write self_knowledge.md, with additional notes, and self_knowledge.png, and return the Markdown."""
    size = f"{found.num_val:,} validation and {found.num_test:,} test prompts, {len(found.models)} models."
    blocks = [
        f"# {escape(_title(found))}",
        f"- {size}\n- {escape(verdict(found))}",
        "## Advantage of a second predictor of the loss",
        markdown(_advantage_rows(found)),
        "## Calibration by groups",
        markdown(_calibration_rows(found)),
        "## Corrections on test",
        markdown(_routed_rows(found)),
        "## Method",
        "\n".join(f"- {escape(line)}" for line in [*notes, *_METHOD]),
    ]
    text = "\n\n".join(blocks)
    with atomic_path(folder / "self_knowledge.md") as part:
        part.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")
    save_picture(folder / "self_knowledge.png", partial(_picture, found))
    return text


def verdict(found: SelfKnowledge) -> str:
    """State in one sentence whether a second predictor is better."""
    if found.advantages[0].value.low is None:
        return "Without resamples there are no intervals, so an advantage may be due to chance."
    known = [one for one in found.advantages if (one.value.low or 0.0) > 0]
    if not known:
        return "No second predictor is better than the router at predicting its loss: no interval lies above 0."
    best = max(known, key=lambda one: one.share.value or 0.0)
    return (
        f"A second predictor with {best.features} ({best.information}) explains {with_interval(best.share, percent)} "
        "of what the router leaves unexplained of its loss."
    )


def _advantage_rows(found: SelfKnowledge) -> Table:
    rows = tuple(
        (one.features, one.information, with_interval(one.value, _small), with_interval(one.share, percent))
        for one in found.advantages
    )
    return Table(("features", "information", "advantage, 1e-4", "share of the unexplained"), "llrr", (rows,))


def _calibration_rows(found: SelfKnowledge) -> Table:
    def row(groups: str, where: str, one: GroupCalibration) -> tuple[str, ...]:
        worst = "-"
        if one.worst is not None:
            group, model, place = one.worst
            bounds = f"q in {place / NUM_BINS:.1f} to {(place + 1) / NUM_BINS:.1f}"
            worst = f"{difference(one.largest)} for {found.models[model]} on {found.benchmarks[group]}, {bounds}"
        return groups, where, f"{one.num_cells:,}", share(one.mean), share(one.by_chance), worst

    rows = tuple(row(*key, one) for key, one in found.calibration.items())
    return Table(
        ("groups", "split", "cells", "mean error", "by chance", "largest error"), "llrrrl", (rows[:3], rows[3:])
    )


def _routed_rows(found: SelfKnowledge) -> Table:
    rows = tuple(
        (
            one.name,
            with_interval(one.value, share),
            with_interval(one.change, difference) if number else "",
            "" if one.brier is None else f"{one.brier:.4f}".lstrip("0"),
            with_interval(one.brier_change, _small) if number and one.brier is not None else "",
        )
        for number, one in enumerate(found.routed)
    )
    return Table(("prediction", MEASURES[found.measure], "change", "Brier", "change of Brier, 1e-4"), "lrrrr", (rows,))


def _picture(found: SelfKnowledge) -> Canvas:
    """Plot the advantages with their intervals, above the mean errors by benchmark and model."""
    from matplotlib.figure import Figure as Canvas

    names = list(found.errors)[:_MOST]
    heights = [0.5 + 0.24 * len(found.advantages), 0.19 * len(names)]  # inches
    figure = Canvas(figsize=(7.2, sum(heights) + 2.4), dpi=DPI, layout="constrained")
    figure.suptitle(_title(found), x=0.015, size=9.5, weight="bold", ha="left", parse_math=False)
    top, axes = figure.subplots(2, height_ratios=heights)
    for row, one in enumerate(found.advantages):
        ends = [end / _UNIT for end in (one.value.low, one.value.high) if end is not None]
        top.plot(ends, [row] * len(ends), color=PALETTE[0], linewidth=4, alpha=0.5, solid_capstyle="butt")
        top.plot([(one.value.value or 0.0) / _UNIT], [row], "o", color=PALETTE[0], markersize=5)
    top.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    top.set_ylim(len(found.advantages) - 0.4, -0.6)
    top.set_yticks(range(len(found.advantages)), [one.features for one in found.advantages], parse_math=False)
    top.set_title("advantage of a second predictor of the loss, 1e-4", size=8.5, loc="left")
    plain(top, grid="x")
    errors = np.stack([found.errors[name] for name in names])
    limit = max(0.05, float(np.nanmax(np.abs(errors))))
    image = axes.imshow(errors, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(found.models)), short_names(found.models, 20), rotation=90, parse_math=False)
    axes.set_yticks(range(len(names)), [shorten(name, 24) for name in names], parse_math=False)
    axes.set_title("mean of measured minus predicted quality on validation", size=8.5, loc="left")
    plain(axes, grid=None)
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01).outline.set_visible(False)
    return figure


def _title(found: SelfKnowledge) -> str:
    return f"Does {shorten(found.router)} know where it errs? {shorten(PurePath(found.source).name, 40)}"


def _small(value: float | None) -> str:
    """Format a number in units of 1e-4."""
    return "-" if value is None else f"{value / _UNIT:+.1f}"
