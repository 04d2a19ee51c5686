"""Interactive reliability diagram: measured against predicted quality, with the diagonal of perfect calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from routerbench.evaluation.results import Evaluation
from routerbench.report.formatting import share
from routerbench.report.interactive.style import LAYOUT, label, literal, router_lines

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LARGEST = 22  # diameter of the marker of the largest bin, in pixels


def reliability_diagram(evaluation: Evaluation) -> go.Figure:
    """Plot the bins of every router that has a calibration; the area of a marker is proportional to its cells.

    At least one router must have a calibration.
    """
    import plotly.graph_objects as go

    ends = [0, 1]
    diagonal = {"color": "#808080", "dash": "dash", "width": 1.3}
    figure = go.Figure(
        go.Scatter(x=ends, y=ends, mode="lines", line=diagonal, name="as predicted", hoverinfo="skip", legendrank=2000)
    )
    for name, scored, line in reversed(router_lines(evaluation)):
        if scored.calibration is None:
            continue
        bins = scored.calibration.reliability
        figure.add_trace(
            go.Scatter(
                x=bins.predicted, y=bins.measured, mode="lines+markers", line=line | {"width": 1.6},
                marker={"size": bins.num_cells, "sizemode": "area", "sizeref": 2 * bins.num_cells.max() / _LARGEST**2,
                        "sizemin": 2, "opacity": 0.75, "line": {"width": 0}},
                name=f"{share(scored.calibration.ece)}  {label(name)}", customdata=[f"{n:,}" for n in bins.num_cells],
                hovertemplate=f"<b>{literal(name)}</b><br>predicted %{{x:.3f}}<br>measured %{{y:.3f}}<br>"
                "%{customdata} cells<extra></extra>",
            )
        )  # fmt: skip
    figure.update_layout(
        LAYOUT, height=460, hovermode="closest", legend={"title": {"text": "ECE"}, "traceorder": "reversed"}
    )
    ticks = {"tickvals": np.linspace(0, 1, 6), "range": [-0.03, 1.03], "zeroline": False, "showline": True}
    figure.update_xaxes(title_text="predicted quality", constrain="domain", constraintoward="left", **ticks)
    figure.update_yaxes(title_text="measured quality", scaleanchor="x", constrain="domain", **ticks)
    return figure
