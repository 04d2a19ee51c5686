"""Report of a study: experiment.md and experiment.png, with the standard report of its evaluation."""

from __future__ import annotations

from pathlib import Path

from routerbench.evaluation.results import Difference
from routerbench.experiments.picture import write_picture
from routerbench.experiments.study import Study
from routerbench.files import atomic_path
from routerbench.report import write_report
from routerbench.report.formatting import LANDMARKS, MEASURES, difference, gain, share, with_interval
from routerbench.report.tables import Table, by_count, escape, markdown, scope
from routerbench.report.terms import benchmark_note

_ROUNDING = 1e-9  # rounding error of a difference between equal runs
_INTERVALS = (
    "In brackets: 95 % intervals over resampled prompts. Those of a difference between two conditions are paired: the "
    "same prompts are resampled for both."
)
REFERENCES = ("zero_router", "best_single", *LANDMARKS[1:])


def write_study(study: Study, folder: Path) -> None:
    """Write experiment.md, experiment.png and the standard report of all runs; the folder is created if missing."""
    blocks = [f"# {escape(study.title)}", "\n".join(f"- {escape(line)}" for line in findings(study).split("\n"))]
    blocks.append(study_table(study))
    if is_by_benchmark(study):
        blocks += ["## Benchmarks", benchmark_note(study.evaluation), benchmark_table(study)]
    notes = [*study.notes, scope(study.evaluation), _INTERVALS]
    blocks += ["## Notes", "\n".join(f"- {escape(note)}" for note in notes)]
    with atomic_path(folder / "experiment.md") as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="backslashreplace")
    write_picture(study, folder / "experiment.png")
    write_report(study.evaluation, folder)


def findings(study: Study) -> str:
    """Write one line per router: its score in the baseline condition, and the conditions that differ significantly.

    A difference is significant if its 95 % interval excludes 0, without correction for multiple comparisons.
    """
    lines, measure = [], MEASURES[study.evaluation.measure]
    for router in study.routers:
        scored = study.scored(router, study.baseline)
        assert scored is not None
        found = {
            condition.label: study.changes[study.names[router, condition.label]][None]
            for condition in study.conditions
            if condition.label != study.baseline and (router, condition.label) in study.names
        }
        lower, higher = _significant(found, -1), _significant(found, 1)
        words = [f"significantly {way}: {cases}" for way, cases in (("lower", lower), ("higher", higher)) if cases]
        start = f"{router}, {study.baseline}: {measure} {share(study.evaluation.score(scored).value)}"
        lines.append(f"{start}; {'; '.join(words) or 'no other condition differs significantly'}.")
    return "\n".join(lines)


def study_table(study: Study) -> str:
    """Format all runs as a Markdown table: a group per router, then the references."""
    groups = [
        tuple((router, condition.label, *_cells(study, router, condition.label)) for condition in study.conditions)
        for router in study.routers
    ]
    evaluation, measure = study.evaluation, MEASURES[study.evaluation.measure]
    references = ((name, evaluation.references[name]) for name in REFERENCES)
    groups.append(
        tuple(
            (name, "", share(evaluation.score(one).value), "", difference(gain(evaluation, one)))
            for name, one in references
        )
    )
    header = ("router", "condition", measure, f"against {study.baseline}", f"Δ{measure} zero")
    return markdown(Table(header, "llrrr", tuple(groups)))


def benchmark_table(study: Study) -> str:
    """Format the scores in the baseline condition and their changes in the other one as Markdown, by benchmark.

    The study must have two conditions, both without a position.
    """
    (other,) = (condition.label for condition in study.conditions if condition.label != study.baseline)
    figure, rows = study.evaluation.measure, []
    for benchmark, count in by_count(study.evaluation):
        zero = study.evaluation.references["zero_router"].per_benchmark[benchmark][figure]
        row = [benchmark, f"{count:,}", share(zero.value)]
        for router in study.routers:
            known = study.evaluation.routers[study.names[router, study.baseline]].per_benchmark[benchmark][figure]
            row += [share(known.value), _change(study.changes[study.names[router, other]][benchmark])]
        rows.append(tuple(row))
    columns = [title for router in study.routers for title in (f"{router}, {study.baseline}", f"{other}")]
    header = ("benchmark", "prompts", "zero_router", *columns)
    return markdown(Table(header, "l" + "r" * (len(header) - 1), (tuple(rows),)))


def is_by_benchmark(study: Study) -> bool:
    """Return whether the study compares two conditions on each benchmark instead of many along an axis."""
    return all(condition.position is None for condition in study.conditions)


def _cells(study: Study, router: str, condition: str) -> tuple[str, str, str]:
    """Format score, change and gain over zero_router of one run; dashes if the condition does not apply."""
    scored = study.scored(router, condition)
    if scored is None:
        return "-", "-", "-"
    change = "" if condition == study.baseline else _change(study.changes[study.names[router, condition]][None])
    return with_interval(study.evaluation.score(scored), share), change, difference(gain(study.evaluation, scored))


def _change(found: Difference) -> str:
    return with_interval(found.figure, difference)


def _significant(found: dict[str, Difference], sign: int) -> str:
    """List the conditions whose interval lies on the side of 0 given by ``sign``, with the difference."""
    cases = [
        f"{label} ({difference(change.value)})"
        for label, change in found.items()
        if change.prompts and min(sign * change.prompts.low, sign * change.prompts.high) > _ROUNDING
    ]
    return ", ".join(cases)
