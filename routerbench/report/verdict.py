"""What an evaluation says, in plain words: the first lines of every report."""

import math
from collections.abc import Callable

from routerbench.evaluation.results import Difference, Evaluation, Figure, Interval, Scored
from routerbench.report.formatting import difference, p_value, percent, ranked, share

SIGNIFICANT = 0.05
PROMPT_ONLY = "prompt only"
_NAMES = {"benchmark_oracle": "knowing the benchmark alone"}
# With fewer, resampled benchmarks say next to nothing.
_MIN_BENCHMARKS = 5


def verdict(evaluation: Evaluation) -> str:
    """Say of each router, best first, whether it is worth having, and how sure that is.

    Args:
        evaluation: what was found.

    Returns:
        One line of a few sentences per router, and a closing line on how far to trust them.
    """
    if not evaluation.routers:
        return "No router was evaluated: these are the references alone."
    best_single = f"the best single model ({evaluation.best_single}, {share(_best_single(evaluation)[0])})"
    lines = []
    # Whoever is told more than the prompt is no rival, however good.
    for name, scored in sorted(ranked(evaluation), key=lambda item: item[1].information != PROMPT_ONLY):
        sentences = [*_savings(evaluation, scored, best_single), _standing(evaluation, scored), _elsewhere(scored)]
        lines.append(f"{_titled(name, scored)}: {' '.join(filter(None, [*sentences, _deployed(evaluation, scored)]))}")
        best_single = "the best single model"  # named once is enough
    return "\n".join([*lines, *_trust(evaluation)])


def _titled(name: str, scored: Scored) -> str:
    notes = [f"mean of {len(scored.sweeps)} seeds"] if len(scored.sweeps) > 1 else []
    notes += [f"sees {scored.information}"] if scored.information != PROMPT_ONLY else []
    return f"{name} ({'; '.join(notes)})" if notes else name


def _savings(evaluation: Evaluation, scored: Scored, best_single: str) -> list[str]:
    """What the router saves at the quality of the best single model, and gains at its cost."""
    if evaluation.measure != "aiq":
        return []
    quality, _ = _best_single(evaluation)
    peak, needed = scored.peak_quality.value, scored.qnc.value
    gain = f"{difference(scored.gain.value)}{_interval(scored.gain, difference)} in quality"
    if needed is None:
        if peak is not None and peak >= quality:
            return [f"reaches the quality of {best_single}, which costs nothing, so there is nothing to save."]
        most = f"never reaches the quality of {best_single}: {share(peak)} is the most it gets at any price;"
        return [f"{most} {gain} at the same cost."]
    if needed > 1:
        return [f"takes {percent(needed - 1)} more than {best_single} for its quality; {gain} at its cost."]
    saved = f"saves {percent(1 - needed)}{_saving_interval(scored.qnc)}"
    return [f"{saved} at the quality of {best_single}; {gain} at its cost."]


def _standing(evaluation: Evaluation, scored: Scored) -> str:
    """Which of the others the router can be told from."""
    figure = evaluation.score(scored)
    word = "AIQ" if evaluation.measure == "aiq" else "Quality"
    groups: dict[str, list[str]] = {"above": [], "not distinguishable from": [], "below": []}
    for other, found in scored.differences.items():
        groups[_relation(found)].append(f"{_NAMES.get(other, other)} ({_measured(found)})")
    parts = [f"{relation} {_listed(names)}" for relation, names in groups.items() if names]
    standing = f": {'; '.join(parts)}" if parts else ""
    return f"{word} {share(figure.value)}{_interval(figure, share)}{standing}."


def _relation(found: Difference) -> str:
    is_level = share(abs(found.value)) == ".000" if found.prompts is None else found.prompts.p_value >= SIGNIFICANT
    return "not distinguishable from" if is_level else "above" if found.value > 0 else "below"


def _measured(found: Difference) -> str:
    if found.prompts is None:
        return difference(found.value)
    return f"{difference(found.value)}, {p_value(found.prompts.p_value)}"


def _elsewhere(scored: Scored) -> str:
    """Whether what was distinguishable on these benchmarks would be on others."""
    if not len(scored.per_benchmark) > 1:
        return ""
    if len(scored.per_benchmark) < _MIN_BENCHMARKS:
        return f"{len(scored.per_benchmark)} benchmarks are too few to say how this would be on others."

    def is_lost(clusters: Interval | None, prompts: Interval | None) -> bool:
        return bool(clusters and prompts and prompts.p_value < SIGNIFICANT <= clusters.p_value)

    lost = [
        f"{_NAMES.get(other, other)} ({p_value(found.benchmarks.p_value)})"
        for other, found in scored.differences.items()
        if found.benchmarks and is_lost(found.benchmarks, found.prompts)
    ]
    return f"With other benchmarks it might not differ from {_listed(lost)}." if lost else ""


def _deployed(evaluation: Evaluation, scored: Scored) -> str:
    """What the router did with a lambda chosen on validation to keep so much quality."""
    point = scored.deployed.get("keep")
    if point is None or evaluation.targets.keep is None:
        return ""
    return (
        f"Deployed to keep {percent(evaluation.targets.keep)} of the best single model's quality, it kept "
        f"{_exact_percent(point.quality_share.value)}{_interval(point.quality_share, _exact_percent)} at "
        f"{percent(point.cost_share.value)}{_interval(point.cost_share, percent)} of its cost."
    )


def _trust(evaluation: Evaluation) -> list[str]:
    """How far differences may be trusted, and what the table cannot say."""
    lines = []
    if evaluation.cost_interval is None:
        lines.append("This table has no cost: quality only.")
    elif evaluation.measure != "aiq":
        lines.append("All models cost the same, so there is nothing to save and no AIQ: quality only.")
    if not evaluation.num_resamples:
        lines.append("These differences have no confidence interval: small ones may be noise.")
    else:
        lines.append(
            f"Ranges are 95 % bootstrap intervals ({evaluation.num_resamples:,} resamples of the test prompts); "
            f"differences are paired, and not distinguishable where p is {SIGNIFICANT} or more."
        )
    return lines


def _best_single(evaluation: Evaluation) -> tuple[float, float]:
    """Mean quality and mean cost in USD per prompt of the model that was best on train."""
    number = evaluation.models.index(evaluation.best_single)
    return float(evaluation.model_quality[number]), float(evaluation.model_cost[number])


def _saving_interval(qnc: Figure) -> str:
    """The interval of what is saved, which is one minus what is spent."""
    if qnc.low is None or qnc.high is None:
        return ""
    if math.isinf(qnc.high):
        return f" (at best {percent(1 - qnc.low)}; at worst it never gets there)"
    return f" ({percent(1 - qnc.high)} to {percent(1 - qnc.low)})"


def _exact_percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _interval(figure: Figure, write: Callable[[float | None], str]) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f" ({write(figure.low)} to {write(figure.high)})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
