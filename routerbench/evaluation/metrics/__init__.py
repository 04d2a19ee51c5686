"""Metrics of routers as functions of arrays, each with its formula, source and pitfalls. Requires only NumPy.

Areas under the curve:
    ``aiq``, ``aiq_original_code``, ``area_as_routed``, ``auc_cascade_routing``, ``hypervolume``
Against the best single model:
    ``cost_at_quality``, ``qnc``, ``cost_saving``, ``quality_gain``, ``peak``
RouteLLM, for two models or many:
    ``pgr``, ``apgr``, ``cpt``, ``normalised_cost``
LLMRouterBench:
    ``gain_at`` (Gain@R, Gain@B), ``gap_at`` (Gap@O), ``perf_gain``, ``cost_save``, ``pareto_dist``
RouterArena and RouterEval:
    ``arena_score``; ``mean_chosen_quality`` (mu), ``v_b``, ``v_r``
Which models are called:
    ``selection_entropy`` (RouterEval's E_p), ``call_shares``, ``call_entropy``, ``routing_collapse`` (EquiRouter's
    index), ``recall_by_difficulty``
Calibration of the predicted quality:
    ``reliability``, ``ece``, ``brier``, ``nll``, ``calibration_by``
Abstention on the prompts with the lowest confidence:
    ``risk_coverage``, ``aurc``; HCMA's ``hcma_multiple_choice`` and ``hcma_two_sided``
"""

from routerbench.evaluation.metrics.abstention import (
    RiskCoverage,
    aurc,
    hcma_multiple_choice,
    hcma_two_sided,
    risk_coverage,
)
from routerbench.evaluation.metrics.area import (
    aiq,
    aiq_original_code,
    area_as_routed,
    auc_cascade_routing,
    hypervolume,
)
from routerbench.evaluation.metrics.calibration import (
    CalibrationErrors,
    Reliability,
    brier,
    calibration_by,
    ece,
    nll,
    reliability,
)
from routerbench.evaluation.metrics.choices import (
    Collapse,
    Recall,
    call_entropy,
    call_shares,
    recall_by_difficulty,
    routing_collapse,
    selection_entropy,
)
from routerbench.evaluation.metrics.llmrouterbench import cost_save, gain_at, gap_at, pareto_dist, perf_gain
from routerbench.evaluation.metrics.routellm import apgr, cpt, normalised_cost, pgr
from routerbench.evaluation.metrics.routerarena import arena_score
from routerbench.evaluation.metrics.routereval import mean_chosen_quality, v_b, v_r
from routerbench.evaluation.metrics.savings import Peak, cost_at_quality, cost_saving, peak, qnc, quality_gain

__all__ = [
    "CalibrationErrors",
    "Collapse",
    "Peak",
    "Recall",
    "Reliability",
    "RiskCoverage",
    "aiq",
    "aiq_original_code",
    "apgr",
    "area_as_routed",
    "arena_score",
    "auc_cascade_routing",
    "aurc",
    "brier",
    "calibration_by",
    "call_entropy",
    "call_shares",
    "cost_at_quality",
    "cost_save",
    "cost_saving",
    "cpt",
    "ece",
    "gain_at",
    "gap_at",
    "hcma_multiple_choice",
    "hcma_two_sided",
    "hypervolume",
    "mean_chosen_quality",
    "nll",
    "normalised_cost",
    "pareto_dist",
    "peak",
    "perf_gain",
    "pgr",
    "qnc",
    "quality_gain",
    "recall_by_difficulty",
    "reliability",
    "risk_coverage",
    "routing_collapse",
    "selection_entropy",
    "v_b",
    "v_r",
]
