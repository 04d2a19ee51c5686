"""Findings of an audit about models and costs."""

import numpy as np

from routerbench.audit.audit import Audit
from routerbench.audit.models import OUTLIER_Z
from routerbench.audit.sentences import Finding, count, listed
from routerbench.report.formatting import per_thousand, percent, share

_TWIN = 0.05
_FEW_OUTLIERS = 0.001
_UNEVEN = 0.1


def _prices(audit: Audit) -> Finding | None:
    if audit.models.measure == "aiq":
        return None
    if audit.models.cost is None:
        return Finding(
            "act",
            "The table has no cost",
            "Only quality can be compared.",
            "Add a column '<model>|total_cost' in USD per prompt for each model.",
        )
    return Finding(
        "act",
        "All models cost the same",
        "Only quality can be compared.",
        "Check the columns of cost.",
    )


def _needless(audit: Audit) -> Finding:
    models = audit.models
    ordered = sorted(models.needless, key=lambda m: float(models.oracle_share[m]))
    names = [f"{models.names[m]} ({percent(models.oracle_share[m])})" for m in ordered]
    if not names:
        return Finding("fine", "Every model has its use", "Each is undominated, or among the best now and then.")
    why = "Each is among the best on less than 1 % of the prompts"
    if models.measure == "aiq":
        why = "Each is dominated by another, and over all lambdas the oracle calls it on less than 1 % of the prompts"
    return Finding(
        "mind",
        f"{len(names)} of {count(len(models.names), 'model')} are hardly ever needed",
        f"{why}: {listed(names)}. Without all of them the oracle loses {share(models.needless_loss)} in quality.",
        "Leave them out, data.models=[...]: a router with fewer models learns more easily.",
    )


def _dominated(audit: Audit) -> Finding | None:
    models = audit.models
    if models.cost is None or models.measure != "aiq":
        return None
    pairs = [
        f"{models.names[m]} (by {models.names[by]})"
        for m in np.argsort(-models.cost)
        if (by := models.dominated_by[m]) is not None
    ]
    if not pairs:
        return Finding("fine", "No model is dominated", "None is both dearer and worse than another in the mean.")
    return Finding(
        "mind",
        f"{len(pairs)} of {count(len(models.names), 'model')} are dominated",
        f"Another one is better in the mean and no dearer, or as good and cheaper: {listed(pairs)}.",
        "zero_router never uses them; a router gains by one only where it tells the prompts that it does better.",
    )


def _twins(audit: Audit) -> Finding:
    models = audit.models
    pairs = {
        (min(m, int(other)), max(m, int(other))): float(models.differing[m]) for m, other in enumerate(models.closest)
    }
    ordered = sorted(pairs.items(), key=lambda pair: pair[1])
    twins = [f"{models.names[a]} and {models.names[b]} ({percent(far)})" for (a, b), far in ordered if far < _TWIN]
    if not twins:
        (first, second), far = ordered[0]
        closest = f"The closest, {models.names[first]} and {models.names[second]}, have different qualities on "
        return Finding("fine", "No two models are alike", f"{closest}{percent(far)} of the prompts.")
    return Finding(
        "mind",
        f"{count(len(twins), 'pair')} of models with nearly the same outcomes",
        f"They differ on less than 5 % of the prompts: {listed(twins)}.",
        f"Keep {'the cheaper' if models.measure == 'aiq' else 'only'} one of each pair, "
        "unless the columns are one model copied by mistake.",
    )


def _cost_outliers(audit: Audit) -> Finding | None:
    costs = audit.costs
    if costs is None:
        return None
    far = costs.farthest
    if far is None:
        return Finding(
            "fine",
            "No cost is far out of line",
            f"None is beyond {OUTLIER_Z:g} robust standard deviations "
            "of log cost from its model's median on the benchmark.",
        )
    found = costs.num_outliers / costs.num_cells
    return Finding(
        "act" if found > _FEW_OUTLIERS else "mind",
        f"{count(costs.num_outliers, 'cost')} far out of line",
        f"They are beyond {OUTLIER_Z:g} robust standard deviations of log cost from their model's median on the "
        f"benchmark, of {costs.num_cells:,} known costs. The farthest: prompt {far.id}, {far.model}, "
        f"{per_thousand(far.cost)} USD per 1,000 prompts where {per_thousand(far.median)} is usual.",
        "Look for runaway answers, retries billed together and mistaken units.",
    )


def _zero_costs(audit: Audit) -> Finding | None:
    costs = audit.costs
    if costs is None or not (costs.num_zero or costs.free_models):
        return None
    parts = []
    if costs.num_zero:
        parts.append(f"{count(costs.num_zero, 'cell')} cost nothing though their model costs something elsewhere.")
    if costs.free_models:
        parts.append(f"Always free: {listed(costs.free_models)}.")
    return Finding(
        "act" if costs.num_zero else "mind",
        f"{count(costs.num_zero, 'cost')} of 0" if costs.num_zero else "Some models are free",
        " ".join(parts),
        "A failed or cached call is not a free one: leave its cost empty if it is not known.",
    )


def _spend(audit: Audit) -> Finding | None:
    if audit.costs is None:
        return None
    text = f"The dearest 1 % of the prompts cost {percent(audit.costs.top_share)} of all money."
    if audit.costs.top_share < _UNEVEN:
        return Finding("fine", "Spending is spread over the prompts", text)
    return Finding(
        "mind",
        f"1 % of the prompts cost {percent(audit.costs.top_share)} of all money",
        text,
        f"Mean costs{', and with them AIQ,' if audit.models.measure == 'aiq' else ''} hang on these few prompts; "
        "look at them first.",
    )


MODEL_FINDINGS = (_prices, _needless, _dominated, _twins, _cost_outliers, _zero_costs, _spend)
