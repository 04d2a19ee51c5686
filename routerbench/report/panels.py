"""Small multiples in HTML: a panel per benchmark, with a dot and its interval for each router."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from routerbench.evaluation.results import Evaluation, Figure
from routerbench.report.formatting import LANDMARKS, share, shorten, with_interval
from routerbench.report.pictures import LANDMARK_STYLES, coloured
from routerbench.report.tables import by_count

_NUM_OPEN = 24  # panels shown initially; those of smaller benchmarks are collapsed
_LEAST_SPAN = 0.04  # smallest range of an axis, so that small differences look small


class _Scale(NamedTuple):
    """Scale from quality to a position in percent; its ends are whole hundredths, as displayed."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Scale":
        """Make the smallest scale that contains all values."""
        low, high = min(values), max(values)
        missing = max(_LEAST_SPAN - (high - low), 0.0) / 2
        ends = max(low - missing, min(low, 0.0)), min(high + missing, max(high, 1.0))
        return cls(math.floor(100 * ends[0]) / 100, math.ceil(100 * ends[1]) / 100)

    def __call__(self, value: float) -> str:
        return f"{100 * (value - self.low) / (self.high - self.low):.1f}%"


def benchmark_panels(evaluation: Evaluation) -> str:
    """Plot the measure by benchmark as HTML, a panel each, the largest benchmark first.

    Each panel has its own scale. Panels contain no scripts and wrap to the width of the page.
    """
    panels = [_panel(evaluation, benchmark, count) for benchmark, count in by_count(evaluation)]
    shown = f'<div class="panels">{"".join(panels[:_NUM_OPEN])}</div>'
    if len(panels) <= _NUM_OPEN:
        return shown
    rest = "".join(panels[_NUM_OPEN:])
    summary = f"<summary>{len(panels) - _NUM_OPEN} smaller benchmarks</summary>"
    return f'{shown}<details class="rest">{summary}<div class="panels">{rest}</div></details>'


def _panel(evaluation: Evaluation, benchmark: str, count: int) -> str:
    rows = _rows(evaluation, benchmark)
    prompts = f"{count:,} prompt{'' if count == 1 else 's'}"
    heading = (
        f'<h3 title="{escape(benchmark)}"><span>{escape(shorten(benchmark, 32))}</span> <small>{prompts}</small></h3>'
    )
    known = [bound for *_, figure in rows for bound in (figure.value, figure.low, figure.high) if bound is not None]
    if not known:
        return f'<section class="panel">{heading}<p class="note">All models cost the same here: no AIQ.</p></section>'
    scale = _Scale.of(known)
    zero = next((figure.value for name, _, figure in rows if name == "zero_router"), None)
    guide = "" if zero is None else _line(scale(zero), scale(zero), "0", "100%", "#c8c8c8", 1)
    body = "".join(_row(*row, guide, scale) for row in rows)
    ends = f"<tr><td></td><td><span>{scale.low:.2f}</span><span>{scale.high:.2f}</span></td><td></td></tr>"
    return f'<section class="panel">{heading}<table>{body}{ends}</table></section>'


def _rows(evaluation: Evaluation, benchmark: str) -> list[tuple[str, str, Figure]]:
    """Return name, colour and figure of each router, best first, and of the landmarks below the oracle."""
    landmarks = [
        (name, scored, LANDMARK_STYLES[name]["color"])
        for name in LANDMARKS[:2]
        if (scored := evaluation.references.get(name))
    ]
    return [
        (name, colour, scored.per_benchmark.get(benchmark, {}).get(evaluation.measure, Figure(None)))
        for name, scored, colour in [*coloured(evaluation), *landmarks]
    ]


def _row(name: str, colour: str, figure: Figure, guide: str, scale: _Scale) -> str:
    """Format name, dot with interval, and value; the tooltip states the interval in numbers."""
    marks = guide
    if figure.low is not None and figure.high is not None:
        marks += _line(scale(figure.low), scale(figure.high), "50%", "50%", colour, 2)
    if figure.value is not None:
        marks += f'<circle cx="{scale(figure.value)}" cy="50%" r="3.6" fill="{colour}"/>'
    text = escape(f"{name}: {with_interval(figure, share)}")
    return (
        f'<tr title="{text}"><th>{escape(shorten(name, 24))}</th><td><svg aria-hidden="true">{marks}</svg></td>'
        f"<td>{share(figure.value)}</td></tr>"
    )


def _line(x1: str, x2: str, y1: str, y2: str, colour: str, width: int) -> str:
    return f'<line x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'
