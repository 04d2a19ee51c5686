"""self_knowledge.md and .png: where a router errs without knowing it, and what it buys to tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.evaluation.results import Difference, Figure
from routerbench.files import atomic_path
from routerbench.report.formatting import difference, p_value, percent, share, short_names, shorten, with_interval
from routerbench.report.pictures import PALETTE
from routerbench.report.tables import Table, escape, markdown
from routerbench.self_knowledge.loss_prediction import Advantage
from routerbench.self_knowledge.multicalibration import NUM_BINS, SMALLEST, GroupCalibration
from routerbench.self_knowledge.self_knowledge import SelfKnowledge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 200
_INK = "#333333"
_FONT: Any = {"font.family": "sans-serif", "font.size": 8, "text.color": _INK, "axes.labelcolor": _INK}
_MOST = 20  # benchmarks of the picture
_UNIT = 1e-4  # of an advantage


def write_self_knowledge(found: SelfKnowledge, folder: Path, notes: Sequence[str] = ()) -> None:
    """Write self_knowledge.md and self_knowledge.png into a folder.

    Args:
        found: what was measured.
        folder: where to; made if it is missing.
        notes: what else a reader has to know.
    """
    text = f"{self_knowledge_text(found)}\n\n## Models\n\n{markdown(_model_rows(found))}\n\n{_method(found, notes)}\n"
    with atomic_path(folder / "self_knowledge.md") as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
    write_picture(found, folder / "self_knowledge.png")


def self_knowledge_text(found: SelfKnowledge) -> str:
    """What was found in words and in tables, as Markdown that also reads well in a terminal."""
    guards = f"Above the guard with one error per model, that with the predicted loss is {_change(found.guard_change)}."
    references = ", ".join(f"{name} {share(figure.value)}" for name, figure in found.references.items())
    blocks = [
        f"# Does {escape(found.router)} know where it errs? {escape(PurePath(found.source).name)}",
        "\n".join(f"- {escape(line)}" for line in findings(found)),
        "## The loss, predicted by another predictor",
        markdown(_advantage_rows(found)),
        "## Calibration by groups",
        markdown(_calibration_rows(found)),
        "## What it buys on test",
        markdown(_routed_rows(found)),
        f"{guards} For comparison: {references}.",
    ]
    return "\n\n".join(blocks)


def findings(found: SelfKnowledge) -> list[str]:
    """The verdict in a few sentences."""
    size = f"{found.num_val:,} validation and {found.num_test:,} test prompts, {len(found.models)} models"
    loss, expected = _fine(found.mean_loss), _fine(found.mean_expected)
    errors = f"squared error on validation {loss}, expected by the router {expected}"
    lines = [f"{size}; {'all outcomes are graded' if np.isnan(found.mean_loss) else errors}."]
    known = [advantage for advantage in found.advantages if advantage.is_significant]
    if not found.num_resamples:
        lines.append("Without resamples nothing is said about chance.")
    elif known:
        best = max(known, key=lambda advantage: advantage.share.value or 0.0)
        lines.append(
            f"Another predictor knows of errors that the router does not: with {best.features} ({best.information}) it "
            f"explains {with_interval(best.share, percent)} of what the router's own expectation leaves of its loss."
        )
    else:
        lines.append("No other predictor knows more of the router's loss than the router itself, beyond chance.")
    for round_ in found.rounds:
        name = f"multicalibrated by {round_.groups}"
        routed = found.routed[name]
        if not round_.is_called_for:
            why = "is not called for"
        elif math.isinf(round_.prior):
            why = "is called for, but validation chose to change nothing"
        else:
            why = "is called for"
        assert routed.calibrated is not None
        assert routed.change is not None
        brier = with_interval(routed.calibrated.brier_change, lambda value: _fine(value, sign=True))
        lines.append(
            f"One round of multicalibration by {round_.groups} ({round_.information}) {why}: on test the squared error "
            f"changes by {brier}, {_measure(found)} by {_change(routed.change)}."
        )
    return lines


def _advantage_rows(found: SelfKnowledge) -> Table:
    rows = tuple(
        (
            advantage.features,
            advantage.information,
            with_interval(advantage.overall, _small),
            with_interval(advantage.share, percent),
            str(sum(figure.low is not None and figure.low > 0 for figure in advantage.per_model)),
        )
        for advantage in found.advantages
    )
    header = ("sees q and", "needs", "advantage, 1e-4", "of what q leaves", "models above 0")
    return Table(header, "llrrr", (rows,))


def _calibration_rows(found: SelfKnowledge) -> Table:
    groups = []
    for round_ in found.rounds:
        sides = {"validation": round_.on_validation, "test": round_.before, "test, after": round_.after}
        groups.append(tuple((round_.groups, side, *_calibration_cells(found, cells)) for side, cells in sides.items()))
    header = ("groups", "where", "cells", "mean error", "by chance", "largest", "by chance up to", "the largest one")
    return Table(header, "llrrrrrl", tuple(groups))


def _calibration_cells(found: SelfKnowledge, cells: GroupCalibration) -> tuple[str, ...]:
    where = "-"
    if cells.worst is not None:
        group, model, low, error, size = cells.worst
        bounds = f"q in {low:.1f} to {low + 1 / NUM_BINS:.1f}"
        where = f"{difference(error)} for {found.models[model]} on {group}, {bounds}, {size} outcomes"
    numbers = cells.mean, cells.mean_by_chance, cells.largest, cells.largest_by_chance
    return (f"{cells.num_cells:,} ({percent(cells.covered)})", *(share(number) for number in numbers), where)


def _routed_rows(found: SelfKnowledge) -> Table:
    rows = []
    for name, routed in found.routed.items():
        label = f"{name}, z = {found.guards[name]:g}" if name in found.guards else name
        calibrated = routed.calibrated
        rows.append(
            (
                label,
                routed.information,
                with_interval(routed.aiq, share),
                "" if routed.change is None else _change(routed.change),
                "" if calibrated is None else share(calibrated.ece),
                "" if calibrated is None else _fine(calibrated.brier),
            )
        )
    header = ("prediction", "sees", _measure(found), "to the router as it is", "ECE", "Brier")
    return Table(header, "llrrrr", (tuple(rows),))


def _model_rows(found: SelfKnowledge) -> Table:
    def cell(figure: Figure) -> str:
        return _small(figure.value) + (" *" if figure.low is not None and figure.low > 0 else "")

    rows = tuple(
        (model, *(cell(advantage.per_model[number]) for advantage in found.advantages))
        for number, model in enumerate(found.models)
    )
    header = ("advantage, 1e-4", *(advantage.features for advantage in found.advantages))
    return Table(header, "l" + "r" * len(found.advantages), (rows,))


def _method(found: SelfKnowledge, notes: Sequence[str]) -> str:
    """How each figure was made."""
    lines = [
        "q is the predicted quality, l = (Q - q)^2 its loss, H = q (1 - q) the loss it expects of itself, LP that of "
        "another predictor, a ridge regression per model that starts from H. The advantage is E[(l - H)^2] - "
        "E[(l - LP)^2] on validation; LP never saw the prompt (5 folds). Above 0 it proves that q is not calibrated on "
        "some group that LP sees (arXiv 2502.20375). Most of E[(l - H)^2] is chance, so that shares are small.",
        f"(low, high): 95 % bootstrap interval over prompts ({found.num_resamples:,} resamples), given the folds' "
        "predictors; *: it lies above 0, for one model and not corrected for their number.",
        f"A cell is a group of prompts, a model and a fifth of the range of q; those with {SMALLEST} outcomes count, "
        "the percentage is their share of all. By chance: for a calibrated prediction that scatters as much, from "
        "errors with signs drawn anew per prompt; the largest error exceeds the last number in one of twenty cases.",
        "A round adds each cell's mean error on validation to q, shrunken by n / (n + prior): "
        + ", ".join(f"{round_.groups} {_prior(round_.prior)}" for round_ in found.rounds)
        + ", chosen out of fold by squared error. It is called for if LP with these groups has an advantage above 0.",
        f"A guard leaves {found.best_single} only for a predicted gain of z standard errors; z is chosen on validation "
        f"by {_measure(found)}. One error per model is that of policy.guard; the other one is sqrt((LP of the model + "
        f"LP of the best single one) / n), LP with {found.guard_features}.",
        "Test outcomes score, and choose nothing.",
    ]
    if found.guess_accuracy is not None:
        guess = f"learned on train, is right for {percent(found.guess_accuracy)} of the validation prompts."
        lines.append(f"The guess of the benchmark, a softmax regression on the embedding {guess}")
    if found.graded:
        lines.append(
            f"Not all outcomes of {', '.join(found.graded)} are 0 or 1: there H is the mean loss in ten bins of q, "
            "learned on the other folds, because a grade scatters less than q (1 - q)."
        )
    return "## How it was measured\n\n" + "\n".join(f"- {escape(line)}" for line in [*notes, *lines])


def write_picture(found: SelfKnowledge, path: Path) -> None:
    """Draw the advantages with their intervals and models, and the mean error of each model on each benchmark.

    Args:
        found: what was measured.
        path: the PNG to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    names = found.benchmarks[:_MOST]
    above, rows, below = 0.35 + 0.24 * len(found.advantages), 0.19 * len(names), 1.15
    height = above + 0.7 + rows + below
    with mpl.rc_context(_FONT), atomic_path(path) as part:
        figure = Canvas(figsize=(7.2, height), dpi=_DPI)
        _draw_advantages(figure.add_axes((0.2, 1 - above / height, 0.76, (above - 0.35) / height)), found)
        axes = figure.add_axes((0.2, below / height, 0.68, rows / height))
        limit = max(0.05, float(np.nanmax(np.abs(found.errors[: len(names)]))))
        image = axes.imshow(found.errors[: len(names)], cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
        axes.set_xticks(range(len(found.models)), short_names(found.models, 20), rotation=90, size=6, parse_math=False)
        axes.set_yticks(range(len(names)), [shorten(name, 24) for name in names], size=7, parse_math=False)
        axes.tick_params(length=0)
        title = "measured minus predicted quality on validation, mean of each benchmark"
        axes.set_title(title, size=8, loc="left")
        bar = figure.colorbar(image, cax=figure.add_axes((0.9, below / height, 0.015, rows / height)))
        bar.ax.tick_params(labelsize=6, length=0)
        bar.outline.set_visible(False)
        heading = f"Does {shorten(found.router)} know where it errs? {shorten(PurePath(found.source).name, 40)}"
        figure.text(0.015, 1 - 0.08 / height, heading, size=9.5, weight="bold", va="top", parse_math=False)
        figure.savefig(part, dpi=_DPI, facecolor="white")


def _draw_advantages(axes: Axes, found: SelfKnowledge) -> None:
    for row, advantage in enumerate(found.advantages):
        colour = PALETTE[0] if advantage.information == "prompt only" else PALETTE[1]
        values = [figure.value / _UNIT for figure in advantage.per_model if figure.value is not None]
        axes.scatter(values, [row] * len(values), s=8, color=colour, alpha=0.3, linewidth=0)
        if advantage.overall.low is not None and advantage.overall.high is not None:
            ends = [advantage.overall.low / _UNIT, advantage.overall.high / _UNIT]
            axes.plot(ends, [row, row], color=colour, linewidth=4, alpha=0.5, solid_capstyle="butt")
        if advantage.overall.value is not None:
            axes.scatter([advantage.overall.value / _UNIT], [row], s=26, color=colour, zorder=3)
    axes.axvline(0, color="#808080", linewidth=0.8, zorder=0)
    axes.set_ylim(len(found.advantages) - 0.4, -0.6)
    labels = [_label(advantage) for advantage in found.advantages]
    axes.set_yticks(range(len(labels)), labels, size=7, parse_math=False)
    axes.tick_params(length=0, labelsize=7)
    axes.set_xlabel("advantage over the router's own expectation of its loss, 1e-4; small: single models", size=7)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _label(advantage: Advantage) -> str:
    return advantage.features if advantage.features == "q alone" else f"q and {advantage.features}"


def _change(change: Difference) -> str:
    if change.prompts is None:
        return difference(change.value)
    low, high, p = change.prompts
    return f"{difference(change.value)} ({difference(low)}, {difference(high)}), {p_value(p)}"


def _measure(found: SelfKnowledge) -> str:
    return "AIQ" if found.has_cost else "peak quality"


def _prior(prior: float) -> str:
    return "infinity, no change" if math.isinf(prior) else f"{prior:g}"


def _fine(value: float | None, *, sign: bool = False) -> str:
    """Four decimals without a leading zero."""
    if value is None:
        return "-"
    return (f"{value:+.4f}" if sign else f"{value:.4f}").replace("0.", ".", 1)


def _small(value: float | None) -> str:
    """An advantage, in units of 1e-4."""
    return "-" if value is None else f"{value / _UNIT:+.1f}"
