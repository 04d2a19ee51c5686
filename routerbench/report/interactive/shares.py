"""Interactive plot of the share of the prompts sent to each model, against lambda."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.results import Evaluation
from routerbench.evaluation.sweep import Sweep
from routerbench.report.formatting import ranked, short_names, shorten
from routerbench.report.interactive.style import LAYOUT

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MAX_MODELS = 11
# Light and dark colours alternate, so that neighbours in a stack also differ in greyscale.
_STACK = ("#0072B2", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#D55E00", "#A6CEE3", "#6A51A3", "#B2DF8A",
          "#666666")  # fmt: skip
_OTHERS = "#D9D9D9"


def call_shares(evaluation: Evaluation) -> go.Figure:
    """Plot the stacked shares of the models, mean over seeds, with a menu of the routers.

    AIQ must be defined, and at least one router must have a curve.
    """
    import plotly.graph_objects as go

    routers = [(name, scored.sweeps) for name, scored in ranked(evaluation) if scored.sweeps]
    grids = [_grid(sweeps) for _, sweeps in routers]
    shares = [
        np.mean([sweep.call_share(grid) for sweep in sweeps], axis=0)
        for (_, sweeps), grid in zip(routers, grids, strict=True)
    ]
    shown = _often_called(shares)
    figure = go.Figure()
    owners: list[int] = []
    for number, (grid, share_of) in enumerate(zip(grids, shares, strict=True)):
        for layer, colour, part in _stack(evaluation.models, share_of, shown):
            figure.add_trace(
                go.Scatter(
                    x=grid, y=part, name=layer, visible=number == 0, stackgroup=f"router {number}", mode="lines",
                    line={"width": 0}, fillcolor=colour, hovertemplate="%{y:.1%}",
                )
            )  # fmt: skip
            owners.append(number)
    buttons = [
        {"label": escape(shorten(name, 40)), "method": "restyle", "args": [{"visible": [o == number for o in owners]}]}
        for number, (name, _) in enumerate(routers)
    ]
    menu = [{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 8},
             "bgcolor": "white"}]  # fmt: skip
    figure.update_layout(LAYOUT, height=460, hovermode="x unified", updatemenus=menu, legend={"traceorder": "reversed"})
    figure.update_layout(margin={"l": 60, "r": 20, "t": 56, "b": 60})
    figure.update_xaxes(title_text="lambda in USD per unit of quality", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title_text="share of the prompts", tickformat=".0%", range=[0, 1])
    return figure


def _grid(sweeps: tuple[Sweep, ...]) -> NDArray[np.float64]:
    """Return a grid of lambdas that covers nearly all switches between models."""
    events = np.concatenate([sweep.event_lambda for sweep in sweeps])
    switches = events[events > 0]
    if not len(switches):
        return np.array([1e-3, 1.0])
    low, high = np.quantile(switches, [0.002, 0.998])
    return np.geomspace(low / 2, max(high, low) * 2, 200)


def _often_called(shares: list[NDArray[np.float64]]) -> NDArray[np.int64]:
    """Return the models with a separate layer, the same for all routers, in the order of the table."""
    called = np.max([share_of.mean(axis=0) for share_of in shares], axis=0)
    return np.sort(np.argsort(-called, kind="stable")[:_MAX_MODELS])


def _stack(
    models: tuple[str, ...], shares: NDArray[np.float64], shown: NDArray[np.int64]
) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Return label, colour and share of each layer; all other models share one layer."""
    names = short_names(models, 30)
    layers = [
        (escape(names[model]), colour, shares[:, model])
        for model, colour in zip(shown, _STACK[: len(shown)], strict=True)
    ]
    if len(shown) < len(models):
        rest = np.delete(shares, shown, axis=1).sum(axis=1)
        layers.append((f"{len(models) - len(shown)} other models", _OTHERS, rest))
    return layers
