"""Interactive plot of quality against cost: hulls with intervals, curves, operating points and single models."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Band, Deployed, Evaluation, Figure, Scored
from routerbench.evaluation.rollout import Rollout
from routerbench.evaluation.sweep import Sweep
from routerbench.report.formatting import LANDMARKS, share, shorten
from routerbench.report.interactive.style import LANDMARK_LINES, LAYOUT, label, literal, router_lines

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MAX_POINTS = 2000  # of the curves of a router, over all seeds
_SYMBOLS = {"budget": "diamond", "keep": "square"}
_WHERE = "%{x:.3g} USD per 1,000 prompts<br>quality %{y:.3f}<extra></extra>"


def frontier(evaluation: Evaluation) -> go.Figure:
    """Plot routers, landmarks and single models, with log cost unless a model is free; AIQ must be defined."""
    import plotly.graph_objects as go

    assert evaluation.cost_interval is not None
    low, high = (1000 * cost for cost in evaluation.cost_interval)
    room = max((high / low) ** 0.08, 1.05) if low > 0 else 1.08
    right = high * room
    routers = router_lines(evaluation)
    figure = go.Figure([band for name, scored, line in routers for band in _bands(name, scored.band, line["color"])])
    for name in LANDMARKS:
        if scored := evaluation.references.get(name):
            figure.add_trace(_hull(name, scored, LANDMARK_LINES[name], right, rank=2000))
    for number, (name, scored, line) in reversed(list(enumerate(routers))):
        figure.add_trace(_hull(name, scored, line | {"width": 3}, right, rank=number))
        figure.add_traces(list(_curves(name, scored.sweeps, line["color"])))
        figure.add_traces(list(_settings(name, scored.rollouts, line["color"])))
    figure.add_trace(_models(evaluation))
    figure.add_traces([point for name, scored, line in routers for point in _points(name, scored, line["color"])])
    figure.add_vrect(x0=low, x1=high, fillcolor="#f3f5f7", line_width=0, layer="below")
    figure.update_layout(LAYOUT, height=560, hovermode="closest", legend={"title": {"text": "AIQ"}})
    figure.update_xaxes(title_text="mean cost in USD per 1,000 prompts", tickformat="~g", showline=True)
    if low > 0:
        # More than a dozen ticks would not fit on a phone.
        ends, step = (low / room**1.5, right), "D2" if high / low < 400 else 1
        figure.update_xaxes(type="log", range=np.log10(ends).tolist(), dtick=step)
    figure.update_yaxes(title_text="mean quality", showline=True)
    return figure


def _hull(name: str, scored: Scored, line: dict[str, Any], right: float, rank: int) -> go.Scatter:
    import plotly.graph_objects as go

    vertices = scored.hull.cost * 1000
    first = float(vertices[0])
    grid = np.geomspace(first, right, 200) if first > 0 else np.linspace(first, right, 200)
    cost = np.unique(np.append(vertices, grid[grid >= first]))
    return go.Scatter(
        x=cost, y=scored.hull.at(np.maximum(cost / 1000, scored.hull.cost[0])), line=line, mode="lines",
        name=f"{share(scored.aiq.value)}  {label(name)}", legendgroup=name, legendrank=rank,
        hovertemplate=f"<b>{literal(name)}</b>, hull<br>{_WHERE}",
    )  # fmt: skip


def _bands(name: str, band: Band | None, colour: str) -> Iterator[go.Scatter]:
    """Yield the interval of the hull as a closed polygon, if there is one."""
    import plotly.graph_objects as go

    if band is None:
        return
    cost = np.append(band.cost, band.cost[::-1]) * 1000
    yield go.Scatter(
        x=cost, y=np.append(band.low, band.high[::-1]), fill="toself", fillcolor=colour, opacity=0.11,
        mode="lines", line={"width": 0}, name=label(name), legendgroup=name, showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _curves(name: str, sweeps: tuple[Sweep, ...], colour: str) -> Iterator[go.Scatter]:
    """Yield the curve of each seed, thinned evenly, with the range of lambda of each point."""
    import plotly.graph_objects as go

    for seed, sweep in enumerate(sweeps, start=1):
        number = len(sweep.lambdas)
        kept = np.unique(np.linspace(0, number - 1, min(number, _MAX_POINTS // len(sweeps))).round().astype(int))
        title = literal(name) + (f", seed {seed} of {len(sweeps)}" if len(sweeps) > 1 else "")
        yield go.Scatter(
            x=sweep.cost[kept] * 1000, y=sweep.quality[kept], mode="lines", line={"color": colour, "width": 1},
            opacity=0.5, name=label(name), legendgroup=name, showlegend=False, customdata=_ranges(sweep, kept),
            hovertemplate=f"<b>{title}</b><br>lambda %{{customdata}}<br>{_WHERE}",
        )  # fmt: skip


def _settings(name: str, rollouts: tuple[Rollout, ...], colour: str) -> Iterator[go.Scatter]:
    """Yield a line per rollout through mean cost and quality at each setting, with the mean number of calls."""
    import plotly.graph_objects as go

    for draw, each in enumerate(rollouts, start=1):
        title = literal(name) + (f", draw {draw} of {len(rollouts)}" if len(rollouts) > 1 else "")
        calls = each.calls.mean(axis=0)
        yield go.Scatter(
            x=each.cost.mean(axis=0) * 1000, y=each.quality.mean(axis=0), mode="lines+markers", opacity=0.5,
            line={"color": colour, "width": 1}, marker={"size": 4}, name=label(name), legendgroup=name,
            showlegend=False, customdata=np.stack([each.settings, calls], axis=1),
            hovertemplate=f"<b>{title}</b><br>{escape(each.setting)}: %{{customdata[0]:.4g}}, "
            f"%{{customdata[1]:.2f}} calls<br>{_WHERE}",
        )  # fmt: skip


def _ranges(sweep: Sweep, kept: NDArray[np.int64]) -> list[str]:
    """Format the range of lambda of each point."""
    ends = np.append(sweep.lambdas[1:], np.inf)[kept]
    return [
        f"{since:.4g} to {'infinity' if np.isinf(until) else format(until, '.4g')}"
        for since, until in zip(sweep.lambdas[kept], ends, strict=True)
    ]


def _points(name: str, scored: Scored, colour: str) -> Iterator[go.Scatter]:
    """Yield the operating points, with their intervals in cost and quality."""
    import plotly.graph_objects as go

    for target, deployed in scored.deployed.items():
        yield go.Scatter(
            x=[_value(deployed.cost) * 1000], y=[_value(deployed.quality)], mode="markers", name=label(name),
            legendgroup=name, showlegend=False, error_x=_error(deployed.cost, 1000, colour),
            error_y=_error(deployed.quality, 1, colour), cliponaxis=False,
            marker={"color": colour, "symbol": _SYMBOLS[target], "size": 10, "line": {"color": "white", "width": 1.2}},
            hovertemplate=f"<b>{literal(name)}</b>, deployed: {target}<br>{_lambdas(deployed)}<br>{_WHERE}",
        )  # fmt: skip


def _lambdas(deployed: Deployed) -> str:
    values = (f"{value:.4g}".replace("inf", "infinity") for value in deployed.willingness_to_pay)
    return f"lambda {', '.join(values)}, chosen on validation"


def _value(figure: Figure) -> float:
    return np.nan if figure.value is None else figure.value


def _error(figure: Figure, factor: float, colour: str) -> dict[str, Any] | None:
    if figure.value is None or figure.low is None or figure.high is None:
        return None
    up, down = (max(factor * reach, 0.0) for reach in (figure.high - figure.value, figure.value - figure.low))
    return {"array": [up], "arrayminus": [down], "color": colour, "thickness": 1.3, "width": 0}


def _models(evaluation: Evaluation) -> go.Scatter:
    import plotly.graph_objects as go

    best = evaluation.models.index(evaluation.best_single)
    sizes = [12 if number == best else 7 for number in range(len(evaluation.models))]
    return go.Scatter(
        x=evaluation.model_cost * 1000, y=evaluation.model_quality, mode="markers",
        name="single models", legendrank=3000,
        marker={"color": "white", "size": sizes, "line": {"color": "#333", "width": 1.3}},
        customdata=[escape(shorten(name, 80)) for name in evaluation.models],
        hovertemplate=f"<b>%{{customdata}}</b><br>{_WHERE}",
    )  # fmt: skip
