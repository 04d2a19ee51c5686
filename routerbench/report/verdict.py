"""Verdict of a report: one sentence per router, and notes on the validity of the comparison."""

from collections.abc import Iterator

from routerbench.evaluation.results import Deployed, Difference, Evaluation, Figure, Scored
from routerbench.report.formatting import difference, in_words, p_value, percent, ranked, share

SIGNIFICANT = 0.05
PROMPT_ONLY = "prompt only"
_MIN_BENCHMARKS = 5  # resampling fewer says little about other benchmarks


def verdict(evaluation: Evaluation) -> str:
    """State what each router saves, and whether it is better than zero_router and benchmark_oracle.

    Returns:
        One line with one sentence per router, best first and policies that read more than the prompt last, then one or
        two lines on the figures and on other benchmarks. Without routers, a sentence that says so.
    """
    if not evaluation.routers:
        return "No router was evaluated: these are the references alone."
    lines: list[str] = []
    # A policy that reads more than the prompt is not comparable.
    for name, scored in sorted(ranked(evaluation), key=lambda item: item[1].information != PROMPT_ONLY):
        is_first = not lines  # names of best_single and the references occur in the first line only
        clauses = [_outcome(evaluation, scored, is_first), _standing(evaluation, scored, is_first)]
        lines.append(f"{_titled(name, scored)} {'; '.join(filter(None, clauses))}.")
    return "\n".join([*lines, *_trust(evaluation)])


def _titled(name: str, scored: Scored) -> str:
    """Return the name with the number of seeds, and with the information that a policy reads besides the prompt."""
    number, what = (len(scored.rollouts), "runs") if scored.rollouts else (len(scored.sweeps), "seeds")
    notes = [f"mean of {number} {what}"] if number > 1 else []
    if scored.information != PROMPT_ONLY:
        notes.append(f"uses {scored.information.removeprefix(f'{PROMPT_ONLY}, ').removeprefix('and ')}")
    return f"{name} ({'; '.join(notes)})" if notes else name


def _outcome(evaluation: Evaluation, scored: Scored, is_first: bool) -> str:
    """State quality and, if AIQ is defined, cost as shares of those of the best single model."""
    # A line break in a name would break the sentence.
    name = " ".join(evaluation.best_single.split())
    best = f"the best single model ({name})" if is_first else "the best single model"
    quality = float(evaluation.model_quality[evaluation.models.index(evaluation.best_single)])
    if evaluation.measure == "peak_quality":
        return f"reaches a quality of {in_words(scored.peak_quality, share)}, against {share(quality)} for {best}"
    point = _kept(scored)
    return _within_reach(scored, best, quality) if point is None else _deployed(evaluation, point, best)


def _kept(scored: Scored) -> Deployed | None:
    """Return the operating point for the target "keep"; None if absent or if best_single has quality 0."""
    point = scored.deployed.get("keep")
    return None if point is None or point.quality_share.value is None else point


def _deployed(evaluation: Evaluation, point: Deployed, best: str) -> str:
    text = f"keeps {in_words(point.quality_share, _exact_percent)} of the quality of {best}"
    kept, asked = point.quality_share.value or 0.0, evaluation.targets.keep or 0.0
    is_missed = kept < asked - 1e-9  # tolerates rounding
    less = "less than" if asked - kept > 0.0005 else "just under"  # both may read 95.0 %
    text += f", {less} the {_asked(evaluation)} asked for" if is_missed else ""
    if point.cost_share.value is None:
        return f"{text}, and there is nothing to save, as that model is free"
    return f"{text}{',' if is_missed else ''} at {_spent(point.cost_share)}"


def _within_reach(scored: Scored, best: str, quality: float) -> str:
    peak = scored.peak_quality
    if scored.qnc.value is not None:
        return f"could match the quality of {best} at {_spent(scored.qnc)}"
    if peak.value is not None and peak.value >= quality:
        return f"matches the quality of {best}, which is free, so there is nothing to save"
    return f"reaches a quality of at most {in_words(peak, share)}, below the {share(quality)} of {best}"


def _spent(cost: Figure) -> str:
    text = f"{in_words(cost, percent)} of its cost"
    return f"{text}, so it saves nothing" if cost.value is not None and round(cost.value, 2) >= 1 else text


def _standing(evaluation: Evaluation, scored: Scored, is_first: bool) -> str:
    """State whether the router differs from zero_router and from benchmark_oracle."""
    text, last, unit = "", "", "AIQ " if evaluation.measure == "aiq" else "quality "
    for other, words in _compared(evaluation).items():
        if other not in scored.differences:
            continue
        found = scored.differences[other]
        relation = _relation(found)
        if not last:
            text = f"it is {relation}"
        elif relation == last:
            text += f" and {relation.split()[-1]}"  # than, from or to
        else:
            text += f" {'but' if 'better than' in (relation, last) else 'and'} {relation}"
        text += f" {words} ({f'{other}: ' if is_first else ''}{unit}{_measured(found)})"
        last, unit = relation, ""
    return text


def _compared(evaluation: Evaluation) -> dict[str, str]:
    """Describe the references to compare with, by name."""
    # If AIQ is undefined, the best mixture is a single model.
    chance = "mixing models at random" if evaluation.measure == "aiq" else "always calling one model"
    if len(evaluation.benchmark_counts) < 2:  # knowing the benchmark is useless
        return {"zero_router": chance}
    return {"zero_router": chance, "benchmark_oracle": "knowing the benchmark"}


def _relation(found: Difference) -> str:
    if found.prompts is None:
        is_level, level = share(abs(found.value)) == ".000", "equal to"
    else:
        is_level, level = found.prompts.p_value >= SIGNIFICANT, "not distinguishable from"
    return level if is_level else "better than" if found.value > 0 else "worse than"


def _measured(found: Difference) -> str:
    if found.prompts is None:
        return difference(found.value)
    return f"{difference(found.value)}, {p_value(found.prompts.p_value)}"


def _trust(evaluation: Evaluation) -> list[str]:
    figures = []
    if evaluation.cost_interval is None:
        figures.append("This table has no cost: quality only.")
    elif evaluation.measure == "peak_quality":
        figures.append("All models cost the same, so there is nothing to save and no AIQ: quality only.")
    else:
        figures += _settings(evaluation)
    if evaluation.num_resamples:
        figures.append(
            f"Ranges are 95 % intervals from {evaluation.num_resamples:,} resamples of the test prompts; "
            f"a difference counts where p < {f'{SIGNIFICANT:g}'.lstrip('0')}."
        )
    else:
        figures.append("No intervals were computed: small differences may be chance.")
    elsewhere = _elsewhere(evaluation)
    return [" ".join(figures), elsewhere] if elsewhere else [" ".join(figures)]


def _settings(evaluation: Evaluation) -> Iterator[str]:
    """State whether lambda was chosen on validation or on test."""
    routers = evaluation.routers.values()
    if any(_kept(scored) for scored in routers):
        what = f"{_asked(evaluation)} of the best single model's quality"
        yield f"Routers were set on validation to keep {what}, and measured on test."
    if any(scored.qnc.value is not None and not _kept(scored) for scored in routers):
        yield 'Figures after "could" were picked on test, and are optimistic.'


def _elsewhere(evaluation: Evaluation) -> str:
    """State which differences may not hold on other benchmarks."""
    number = len(evaluation.benchmark_counts)
    if number == 1:
        return "All test prompts are from one benchmark: this says nothing about others."
    if number < _MIN_BENCHMARKS:
        return f"The test prompts are from {number} benchmarks: too few to say whether this holds on others."
    clauses = []
    for other, words in _compared(evaluation).items():
        leaders = [name for name, scored in ranked(evaluation) if _may_vanish(scored.differences.get(other))]
        if leaders:
            clauses.append(f"{_listed(leaders)} might not be better than {words}")
    return f"On other benchmarks {', and '.join(clauses)}." if clauses else ""


def _may_vanish(found: Difference | None) -> bool:
    """Return whether a router is better over resampled prompts, but not over resampled benchmarks."""
    if found is None or found.prompts is None or found.benchmarks is None:
        return False
    return _relation(found) == "better than" and found.benchmarks.p_value >= SIGNIFICANT


def _asked(evaluation: Evaluation) -> str:
    return f"{100 * (evaluation.targets.keep or 0.0):.4g} %"


def _exact_percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
