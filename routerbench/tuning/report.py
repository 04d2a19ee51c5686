"""Report of a study: tuning.md and tuning.png, with the best trials first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.files import atomic_path
from routerbench.report.formatting import shorten
from routerbench.report.pictures import DPI, PALETTE, plain, save_picture
from routerbench.report.tables import Table, markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

_NOTE = (
    "val/aiq is the area on validation, which chose the best trial and so flatters it: `python evaluate.py` tells what "
    "it is worth on test. A failed trial has the last line of its error."
)


def write_tuning(trials: Sequence[FrozenTrial], folder: Path) -> None:
    """Write tuning.md and, if a trial has a score, tuning.png; ``trials`` are in order of number."""
    with atomic_path(folder / "tuning.md") as part:
        part.write_text(f"# Trials\n\n{tuning_table(trials)}\n\n{_NOTE}\n", encoding="utf-8", errors="backslashreplace")
    if any(trial.value is not None for trial in trials):
        save_picture(folder / "tuning.png", lambda: _picture(trials))


def tuning_table(trials: Sequence[FrozenTrial]) -> str:
    """Format all trials as a Markdown table: completed ones, best first, then the others with their error."""
    names = _names(trials)
    done = [trial for trial in trials if trial.value is not None]
    groups = (
        sorted(done, key=lambda trial: -np.float64(trial.value)),
        [trial for trial in trials if trial.value is None],
    )
    rows = tuple(
        tuple((str(trial.number), _score(trial), *(_text(trial.params.get(name)) for name in names)) for trial in group)
        for group in groups
    )
    return markdown(Table(("trial", "val/aiq", *names), "rl" + "r" * len(names), rows))


def _names(trials: Sequence[FrozenTrial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def _score(trial: FrozenTrial) -> str:
    if trial.value is not None:
        return f"{trial.value:.4f}"
    return "running" if not trial.state.is_finished() else trial.user_attrs.get("error", "interrupted")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _picture(trials: Sequence[FrozenTrial]) -> Figure:
    """Plot val/aiq against the trial number, with the best so far, and against each option."""
    from matplotlib.figure import Figure

    done = [trial for trial in trials if trial.value is not None]
    names, scores = _names(trials), np.array([trial.value for trial in done])
    columns = min(3, 1 + len(names))
    rows = -(-(1 + len(names)) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.3 * rows), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel in panels[1 + len(names) :]:
        panel.set_visible(False)
    numbers = [trial.number for trial in done]
    panels[0].step(numbers, np.maximum.accumulate(scores), where="post", color=PALETTE[1], linewidth=1.2)
    _dots(panels[0], numbers, scores, "trial")
    for panel, name in zip(panels[1:], names, strict=False):
        chosen = [(trial.params[name], trial.value) for trial in done if name in trial.params]
        distribution = next(trial.distributions[name] for trial in trials if name in trial.params)
        if getattr(distribution, "log", False):
            panel.set_xscale("log")
        choices = getattr(distribution, "choices", None)
        places = [choices.index(value) if choices else value for value, _ in chosen]
        if choices:
            panel.set_xticks(range(len(choices)), [shorten(str(choice), 12) for choice in choices])
            panel.set_xlim(-0.5, len(choices) - 0.5)
        _dots(panel, places, [value for _, value in chosen], name)
    for panel in panels[::columns]:
        panel.set_ylabel("val/aiq")
    return figure


def _dots(axes: Axes, places: Sequence[Any], scores: Any, label: str) -> None:
    axes.scatter(places, scores, s=14, color=PALETTE[0], alpha=0.8, linewidth=0, zorder=3)
    axes.set_xlabel(shorten(label, 30), parse_math=False)
    plain(axes)
