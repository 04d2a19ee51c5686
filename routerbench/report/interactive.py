"""The pictures of the HTML report, which answer to the mouse."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Evaluation, Scored
from routerbench.evaluation.sweep import Sweep
from routerbench.report.figures import LANDMARK_STYLES, PALETTE
from routerbench.report.formatting import LANDMARKS, difference, ranked, share, short_names, shorten
from routerbench.report.tables import by_count

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MAX_POINTS = 2000
_MAX_MODELS = 11
_LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, Segoe UI, Roboto, Helvetica, sans-serif", "size": 13, "color": "#333"},
    "margin": {"l": 60, "r": 20, "t": 20, "b": 60},
    "hoverlabel": {"align": "left"},
}
_DASHES = ("solid", "dash", "dashdot", "dot")
_LANDMARK_DASHES = {"zero_router": "dash", "benchmark_oracle": "dot", "oracle": "solid"}
# Light and dark take turns, so that neighbours in a stack differ without colour too.
_STACK = ("#0072B2", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#D55E00", "#A6CEE3", "#6A51A3", "#B2DF8A",
          "#666666")  # fmt: skip
_OTHERS = "#D9D9D9"


def frontier(evaluation: Evaluation) -> go.Figure:
    """Hull and measured curve of every router, the landmarks and the single models; cost on a log axis."""
    import plotly.graph_objects as go

    assert evaluation.cost_interval is not None
    low, high = (1000 * cost for cost in evaluation.cost_interval)
    room = max((high / low) ** 0.08, 1.05) if low > 0 else 1.08
    right = (high or 1) * room
    figure = go.Figure()
    for name in LANDMARKS:
        if scored := evaluation.references.get(name):
            line = {"color": LANDMARK_STYLES[name]["color"], "dash": _LANDMARK_DASHES[name], "width": 1.5}
            figure.add_trace(_hull(name, scored, line, right, rank=2000))
    for number, (name, scored) in enumerate(ranked(evaluation)):
        line = {"color": PALETTE[number % len(PALETTE)], "dash": _DASHES[number // len(PALETTE) % len(_DASHES)]}
        figure.add_trace(_hull(name, scored, line | {"width": 3}, right, rank=number))
        if scored.sweep is not None:
            figure.add_trace(_curve(name, scored.sweep, PALETTE[number % len(PALETTE)]))
    figure.add_trace(_models(evaluation))
    figure.add_vrect(x0=low, x1=high, fillcolor="#f3f5f7", line_width=0, layer="below")
    figure.update_layout(_LAYOUT, height=560, hovermode="closest", legend={"title": {"text": "AIQ"}})
    scale = {"type": "log", "range": np.log10([low / room**1.5, right]).tolist(), "dtick": "D2"} if low > 0 else {}
    figure.update_xaxes(title="mean cost in USD per 1,000 prompts", tickformat="~g", showline=True, **scale)
    figure.update_yaxes(title="mean quality", showline=True)
    return figure


def call_shares(evaluation: Evaluation) -> go.Figure:
    """Share of the prompts that each model answers, stacked along lambda; a menu changes the router."""
    import plotly.graph_objects as go

    routers = [(name, scored.sweep) for name, scored in ranked(evaluation) if scored.sweep is not None]
    grids = [_grid(sweep) for _, sweep in routers]
    shares = [sweep.call_share(grid) for (_, sweep), grid in zip(routers, grids, strict=True)]
    shown = _often_called(shares)
    figure = go.Figure()
    owners: list[int] = []
    for number, (grid, share_of) in enumerate(zip(grids, shares, strict=True)):
        for label, colour, part in _stack(evaluation.models, share_of, shown):
            figure.add_trace(
                go.Scatter(
                    x=grid, y=part, name=label, visible=number == 0, stackgroup=f"router {number}", mode="lines",
                    line={"width": 0}, fillcolor=colour, hovertemplate="%{y:.1%}",
                )
            )  # fmt: skip
            owners.append(number)
    buttons = [
        {"label": escape(shorten(name, 40)), "method": "restyle", "args": [{"visible": [o == number for o in owners]}]}
        for number, (name, _) in enumerate(routers)
    ]
    menu = [{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.13, "yanchor": "top", "bgcolor": "white"}]
    figure.update_layout(
        _LAYOUT, height=460, hovermode="x unified", updatemenus=menu, legend={"traceorder": "reversed"}
    )
    figure.update_layout(margin={"l": 60, "r": 20, "t": 56, "b": 60})
    figure.update_xaxes(title="lambda in USD per unit of quality", type="log", tickformat="~g", dtick=1)
    figure.update_yaxes(title="share of the prompts", tickformat=".0%", range=[0, 1])
    return figure


def benchmark_map(evaluation: Evaluation) -> go.Figure:
    """AIQ of every benchmark and router; the colour is its difference to zero_router."""
    import plotly.graph_objects as go

    landmarks = [(name, evaluation.references[name]) for name in LANDMARKS[:2] if name in evaluation.references]
    columns, rows = [*ranked(evaluation), *landmarks], by_count(evaluation)[::-1]
    values = np.array([[_aiq(scored, benchmark) for _, scored in columns] for benchmark, _ in rows])
    zero = evaluation.references.get("zero_router")
    base = np.array([[_aiq(zero, benchmark) if zero else np.nan] for benchmark, _ in rows])
    gain = values - base
    reach = float(np.nanmax(np.abs(gain), initial=0.005))
    hover = [[f"{share(v)} ({difference(g)} to zero_router)" for v, g in zip(*pair, strict=True)]
             for pair in zip(values, gain, strict=True)]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=gain, x=list(range(len(columns))), y=list(range(len(rows))), zmin=-reach, zmax=reach, colorscale="RdBu",
            text=[[share(value) for value in row] for row in values], texttemplate="%{text}", hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>", xgap=2, ygap=2,
            colorbar={"title": {"text": "to zero_router"}, "thickness": 12, "tickformat": "+.2f"},
        )
    )  # fmt: skip
    figure.update_layout(_LAYOUT, height=130 + 30 * len(rows), margin={"l": 10, "r": 10, "t": 60, "b": 10})
    # Names as tick texts of numbered cells: two long names may be shortened to the same text.
    names = [escape(shorten(name, 24)) for name, _ in columns]
    figure.update_xaxes(side="top", tickvals=list(range(len(columns))), ticktext=names, showgrid=False)
    labels = [f"{escape(shorten(name, 36))} ({count:,})" for name, count in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=labels, automargin=True, showgrid=False)
    return figure


def _hull(name: str, scored: Scored, line: dict[str, Any], right: float, rank: int) -> go.Scatter:
    import plotly.graph_objects as go

    vertices = scored.hull.cost * 1000
    first = float(vertices[0])
    grid = np.geomspace(first, right, 200) if first > 0 else np.linspace(first, right, 200)
    cost = np.unique(np.append(vertices, grid[grid >= first]))
    return go.Scatter(
        x=cost, y=scored.hull.at(np.maximum(cost / 1000, scored.hull.cost[0])), line=line, mode="lines",
        name=f"{share(scored.aiq.value)}  {escape(shorten(name, 30))}", legendgroup=name, legendrank=rank,
        hovertemplate=f"<b>{_literal(name)}</b>, hull<br>%{{x:.3g}} USD per 1,000 prompts<br>"
        "quality %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _curve(name: str, sweep: Sweep, colour: str) -> go.Scatter:
    """The realised points, thinned evenly, each with the lambdas it holds for."""
    import plotly.graph_objects as go

    number = len(sweep.lambdas)
    kept = np.unique(np.linspace(0, number - 1, min(number, _MAX_POINTS)).round().astype(int))
    ends = [f"{until:.4g}" for until in np.append(sweep.lambdas[1:], np.inf)[kept]]
    ranges = [f"{since:.4g} to {until}" for since, until in zip(sweep.lambdas[kept], ends, strict=True)]
    return go.Scatter(
        x=sweep.cost[kept] * 1000, y=sweep.quality[kept], mode="lines", line={"color": colour, "width": 1},
        opacity=0.55, name=escape(shorten(name, 30)), legendgroup=name, showlegend=False,
        customdata=[text.replace("inf", "infinity") for text in ranges],
        hovertemplate=f"<b>{_literal(name)}</b><br>lambda %{{customdata}}<br>%{{x:.3g}} USD per 1,000 prompts<br>"
        "quality %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _models(evaluation: Evaluation) -> go.Scatter:
    import plotly.graph_objects as go

    best = evaluation.models.index(evaluation.best_single)
    sizes = [12 if number == best else 7 for number in range(len(evaluation.models))]
    return go.Scatter(
        x=evaluation.model_cost * 1000, y=evaluation.model_quality, mode="markers",
        name="single models", legendrank=3000,
        marker={"color": "white", "size": sizes, "line": {"color": "#333", "width": 1.3}},
        customdata=[escape(shorten(name, 80)) for name in evaluation.models],
        hovertemplate="<b>%{customdata}</b><br>%{x:.3g} USD per 1,000 prompts<br>quality %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _grid(sweep: Sweep) -> NDArray[np.float64]:
    """Lambdas from where nearly the first prompt switches to where nearly the last one has."""
    switches = sweep.event_lambda[sweep.event_lambda > 0]
    if not len(switches):
        return np.array([1e-3, 1.0])
    low, high = np.quantile(switches, [0.002, 0.998])
    return np.geomspace(low / 2, max(high, low) * 2, 200)


def _often_called(shares: list[NDArray[np.float64]]) -> NDArray[np.int64]:
    """The models that get a layer of their own, the same for all routers, in the order of the table."""
    called = np.max([share_of.mean(axis=0) for share_of in shares], axis=0)
    return np.sort(np.argsort(-called, kind="stable")[:_MAX_MODELS])


def _stack(
    models: tuple[str, ...], shares: NDArray[np.float64], shown: NDArray[np.int64]
) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Label, colour and share of each layer; the models that are not shown become one layer."""
    names = short_names(models, 30)
    layers = [
        (escape(names[model]), colour, shares[:, model])
        for model, colour in zip(shown, _STACK[: len(shown)], strict=True)
    ]
    if len(shown) < len(models):
        rest = np.delete(shares, shown, axis=1).sum(axis=1)
        layers.append((f"{len(models) - len(shown)} other models", _OTHERS, rest))
    return layers


def _aiq(scored: Scored, benchmark: str) -> float:
    figure = scored.per_benchmark.get(benchmark, {}).get("aiq")
    return np.nan if figure is None or figure.value is None else figure.value


def _literal(name: str) -> str:
    """A name inside a hover template, where "%{" would begin a variable."""
    return escape(shorten(name, 80)).replace("%", "&#37;")
