"""What an evaluation says, in plain words: the first lines of every report."""

from collections.abc import Callable

from routerbench.evaluation.results import Evaluation, Figure, Scored
from routerbench.report.formatting import difference, percent, ranked, share


def verdict(evaluation: Evaluation) -> str:
    """Say of each router, best first, whether it is worth having.

    Args:
        evaluation: what was found.

    Returns:
        One line of one or two sentences per router, and a closing line on how far to trust them.
    """
    if not evaluation.routers:
        return "No router was evaluated: these are the references alone."
    speak = _with_cost if _has_aiq(evaluation) else _without_cost
    best_single = f"the best single model ({evaluation.best_single}, {share(_best_single(evaluation)[0])})"
    lines = []
    for name, scored in ranked(evaluation):
        lines.append(f"{name}: {speak(evaluation, scored, best_single)}")
        best_single = "the best single model"  # named once is enough
    return "\n".join([*lines, *_trust(evaluation)])


def _with_cost(evaluation: Evaluation, scored: Scored, best_single: str) -> str:
    quality, cost = _best_single(evaluation)
    return (
        f"AIQ {share(scored.aiq.value)}{_standing(evaluation, scored)}. {_savings(scored, quality, cost, best_single)}"
    )


def _standing(evaluation: Evaluation, scored: Scored) -> str:
    """Where the AIQ stands between zero_router and benchmark_oracle."""
    aiq, delta = scored.aiq.value, scored.delta_aiq_zero
    if aiq is None or delta.value is None:
        return ""
    words = share(abs(delta.value))
    if words == ".000":
        against_zero = "level with zero_router, which needs no router at all"
    elif delta.value > 0:
        against_zero = f"above zero_router by {words}"
    else:
        against_zero = f"worse than zero_router, which needs no router at all, by {words}"
    oracle = evaluation.references.get("benchmark_oracle")
    if oracle is None or oracle.aiq.value is None:
        return f", {against_zero}{_interval(delta, difference)}"
    return f", {against_zero}{_interval(delta, difference)} and {_compare(aiq - oracle.aiq.value, 'benchmark_oracle')}"


def _savings(scored: Scored, quality: float, cost: float, best_single: str) -> str:
    """What the router saves at the quality of the best single model, and gains at its cost."""
    peak, saving = scored.peak_quality.value, scored.qnc.value
    if saving is None and peak is not None and peak >= quality:
        return f"It reaches the quality of {best_single}, which costs nothing, so there is nothing to save."
    if saving is None:
        return f"It never reaches the quality of {best_single}: {share(peak)} is the most it gets at any price."
    # The hull starts at the cheapest model, at or left of the best one but for rounding.
    reached = float(scored.hull.at(max(cost, float(scored.hull.cost[0]))))
    return (
        f"It matches {best_single} {'only ' if saving > 1 else ''}at {percent(saving)} of its cost"
        f"{_interval(scored.qnc, percent)}; at the cost of the best single model its hull reaches {share(reached)}."
    )


def _without_cost(evaluation: Evaluation, scored: Scored, best_single: str) -> str:
    quality, _ = _best_single(evaluation)
    peak = scored.peak_quality.value
    if peak is None:
        return "its quality is not known."
    parts = [_compare(peak - quality, best_single)]
    oracle = evaluation.references.get("benchmark_oracle")
    if oracle is not None and oracle.peak_quality.value is not None:
        parts.append(_compare(peak - oracle.peak_quality.value, "benchmark_oracle"))
    return f"quality {share(peak)}, {' and '.join(parts)}."


def _trust(evaluation: Evaluation) -> list[str]:
    """How far differences may be trusted, and what the table cannot say."""
    lines = []
    if evaluation.cost_interval is None:
        lines.append("This table has no cost: quality only.")
    elif not _has_aiq(evaluation):
        lines.append("All models cost the same, so there is nothing to save and no AIQ: quality only.")
    name = "delta_aiq_zero" if _has_aiq(evaluation) else "peak_quality"
    if any(getattr(scored, name).low is None for scored in evaluation.routers.values()):
        lines.append("These differences have no confidence interval yet: small ones may be noise.")
    return lines


def _has_aiq(evaluation: Evaluation) -> bool:
    """Whether costs are known and differ between models."""
    return evaluation.cost_interval is not None and evaluation.cost_interval[0] < evaluation.cost_interval[1]


def _best_single(evaluation: Evaluation) -> tuple[float, float]:
    """Mean quality and mean cost in USD per prompt of the model that was best on train."""
    number = evaluation.models.index(evaluation.best_single)
    return float(evaluation.model_quality[number]), float(evaluation.model_cost[number])


def _compare(gap: float, other: str) -> str:
    words = share(abs(gap))
    if words == ".000":
        return f"level with {other}"
    return f"{'above' if gap > 0 else 'below'} {other} by {words}"


def _interval(figure: Figure, write: Callable[[float | None], str]) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f" (95 % interval {write(figure.low)} to {write(figure.high)})"
