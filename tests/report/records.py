"""Evaluations with all optional parts of a report, and with none, derived from a measured one."""

from dataclasses import replace

import numpy as np

from routerbench.evaluation.metrics import Reliability
from routerbench.evaluation.results import Band, CalibrationFigures, Deployed, Figure, Targets

ODD_NAMES = ("</script><script>alert(1)</script>", "%{x} <b>bold</b>", "$a_1$ & 100%")


def rich(evaluation, names=("mlp", "knn")):
    """Routers of two seeds with bands, deployed points and calibrations, best first in the order of the names."""
    measured = list(evaluation.routers.values())
    routers = {
        name: _rich(evaluation, measured[number % 2], aiq=0.75 - number / 100) for number, name in enumerate(names)
    }
    return replace(evaluation, routers=routers, targets=Targets(0.002, 0.95), num_resamples=1000)


def bare(evaluation):
    """The same evaluation without intervals, deployed points and calibrations."""

    def strip(scored):
        figures = {name: Figure(value.value) for name, value in vars(scored).items() if isinstance(value, Figure)}
        parts = {
            benchmark: {name: Figure(figure.value) for name, figure in part.items()}
            for benchmark, part in scored.per_benchmark.items()
        }
        return replace(scored, **figures, band=None, deployed={}, calibration=None, per_benchmark=parts)

    everyone = {
        group: {name: strip(scored) for name, scored in getattr(evaluation, group).items()}
        for group in ("routers", "references")
    }
    return replace(evaluation, **everyone, num_resamples=0)


def _rich(evaluation, scored, aiq):
    cost = np.geomspace(*evaluation.cost_interval, 20)[1:-1]
    quality = scored.hull.at(cost)
    return replace(
        scored,
        aiq=Figure(aiq, aiq - 0.02, aiq + 0.03),
        sweeps=scored.sweeps[:1] + evaluation.routers["knn"].sweeps[:1],
        band=Band(cost, quality - 0.03, quality + 0.03),
        deployed={"budget": deployed(0.0015, 0.7), "keep": deployed(0.004, 0.75)},
        calibration=CalibrationFigures(
            Reliability(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.5, 0.7]), np.array([40, 500, 60])), 0.031, 0.2
        ),
    )


def deployed(cost, quality):
    """A deployed point of two seeds, with an interval of its cost and of its quality."""
    figure = Figure(0.5)
    return Deployed(
        willingness_to_pay=(0.02, np.inf),
        dearer_share=(0.0, 0.5),
        validation_cost=cost,
        validation_quality=quality,
        cost=Figure(cost, 0.9 * cost, 1.2 * cost),
        quality=Figure(quality, quality - 0.02, quality + 0.01),
        cost_share=figure,
        quality_share=figure,
        gain=figure,
    )
