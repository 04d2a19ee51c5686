"""Report of a leaderboard: leaderboard.md, .csv and .png, best router first. Merges several leaderboards."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from routerbench.errors import InputError
from routerbench.evaluation.results import Difference, Scored
from routerbench.experiments.leaderboard_picture import table_name, write_picture
from routerbench.experiments.standings import LEVEL, Comparison, Entry, Standings
from routerbench.files import atomic_path
from routerbench.report import write_report
from routerbench.report.formatting import MEASURES, difference, merit, p_value, ranked, share, with_interval
from routerbench.report.tables import Table, escape, markdown, scope
from routerbench.report.terms import definitions

AGAINST = ("zero_router", "benchmark_oracle", "linear")
_MARKS = {"better": " ↑", "not distinguishable": "", "worse": " ↓"}
_FIGURES = ("aiq", "area", "peak_quality", "peak_cost", "qnc", "gain")
_TERMS = ("AIQ", "peak quality", "zero_router", "benchmark_oracle", "sees")
_NEEDED = {"table", "kind", "router", "aiq", "peak_quality", "to_linear", "to_linear_p_holm"}
_TIMES = "Training includes a router's choice among its own candidates; prediction is of the whole test split at once."


def write_leaderboard(standings: Standings, folder: Path) -> None:
    """Write leaderboard.md, .csv and .png, and the standard report of all routers; creates the folder if missing."""
    terms = [f"{term}: {text}" for term, text in definitions(standings.evaluation).items() if term in _TERMS]
    blocks = [
        f"# Leaderboard: routers on {escape(table_name(standings.evaluation))}",
        "\n".join(f"- {escape(line)}" for line in findings(standings).split("\n")),
        leaderboard_table(standings),
        "## Notes",
        "\n".join(f"- {escape(note)}" for note in [*_notes(standings), *terms]),
    ]
    with atomic_path(folder / "leaderboard.md") as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="backslashreplace")
    with atomic_path(folder / "leaderboard.csv") as part, part.open("w", encoding="utf-8", newline="") as stream:
        rows = list(_rows(standings))
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_picture(standings, folder / "leaderboard.png")
    write_report(standings.evaluation, folder)


def findings(standings: Standings) -> str:
    """Name the best router, and group all by their comparison with linear and two references, Holm-corrected."""
    evaluation = standings.evaluation
    name, scored = ranked(evaluation)[0]
    lines = [f"{name} leads: {MEASURES[evaluation.measure]} {with_interval(evaluation.score(scored), share)}."]
    for other in reversed(AGAINST):
        comparisons = standings.against(other)
        if comparisons:
            count = f"Holm-corrected for {len(comparisons)} comparisons" if len(comparisons) > 1 else "one comparison"
            lines.append(f"Against {other} ({count}, level {LEVEL}): {_groups(comparisons)}.")
    if not evaluation.num_resamples:
        lines.append("No intervals were computed: small differences may be noise.")
    return "\n".join(lines)


def leaderboard_table(standings: Standings) -> str:
    """Format all routers, best first, then the references, as a Markdown table."""
    evaluation = standings.evaluation
    references = sorted(evaluation.references.items(), key=lambda item: merit(evaluation, item[1]))
    groups = tuple(
        tuple((name, *_cells(standings, name, scored)) for name, scored in group)
        for group in (ranked(evaluation), references)
    )
    compared = (MEASURES[evaluation.measure], *(f"to {other}" for other in AGAINST))
    peak = ("peak quality",) if evaluation.measure == "aiq" else ()
    header = ("router", *compared, *peak, "train, s", "predict, µs/prompt", "seeds", "sees")
    return markdown(Table(header, "l" + "r" * (len(header) - 2) + "l", groups))


def merged_table(paths: Sequence[Path]) -> str:
    """Merge leaderboards into one Markdown table of the scores of each router on each table.

    Routers on the most leaderboards come first, and among them those with the best mean score.

    Args:
        paths: leaderboard.csv files, or their folders.

    Raises:
        InputError: a file cannot be read or is not a leaderboard.
    """
    boards = [_read(path / "leaderboard.csv" if path.is_dir() else path) for path in paths]
    kinds = {name: row["kind"] for board in boards for name, row in board.items()}

    def mean(name: str) -> float:
        known = [_score(board[name]) for board in boards if name in board]
        return sum(known) / len(known)

    everyone = sorted(kinds, key=lambda name: (-sum(name in board for board in boards), -mean(name)))
    groups = tuple(
        tuple((name, *(_merged_cell(board, name) for board in boards)) for name in everyone if kinds[name] == kind)
        for kind in ("router", "reference")
    )
    header = ("router", *(next(iter(board.values()))["table"] for board in boards))
    table = markdown(Table(header, "l" + "r" * len(boards), groups))
    notes = [
        f"↑ better than linear on that table, ↓ worse (Holm-corrected, level {LEVEL}); unmarked: not distinguishable."
    ]
    by_quality = [row["table"] for board in boards if not (row := next(iter(board.values())))["aiq"]]
    if by_quality:
        notes.append(f"By peak quality, as costs are unknown or do not differ: {escape(', '.join(by_quality))}.")
    return "\n\n".join([table, *notes])


def _groups(comparisons: dict[str, Comparison]) -> str:
    """List the routers by relation, in descending order of the difference."""
    parts = []
    for relation in ("better", "not distinguishable", "worse"):
        found = {name: one.value for name, one in comparisons.items() if one.relation == relation}
        names = [f"{name} ({difference(found[name])})" for name in sorted(found, key=lambda each: -found[each])]
        parts.append(f"{relation}: {', '.join(names) or 'none'}")
    return "; ".join(parts)


def _cells(standings: Standings, name: str, scored: Scored) -> tuple[str, ...]:
    differences = (_paired(scored.differences.get(other)) for other in AGAINST)
    entry = standings.entries.get(name)
    effort = ("", "", "")
    if entry is not None:
        effort = (f"{entry.fit_seconds:.1f}", _microseconds(entry.predict_microseconds), str(len(entry.seeds)))
    evaluation = standings.evaluation
    peak = (with_interval(scored.peak_quality, share),) if evaluation.measure == "aiq" else ()
    return (with_interval(evaluation.score(scored), share), *differences, *peak, *effort, scored.information)


def _microseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _paired(found: Difference | None) -> str:
    if found is None:
        return ""
    text = with_interval(found.figure, difference)
    return text if found.prompts is None else f"{text} {p_value(found.prompts.p_value)}"


def _notes(standings: Standings) -> list[str]:
    evaluation, entries = standings.evaluation, standings.entries
    notes = [f"{name} is left out: {reason}" for name, reason in standings.absent.items()]
    notes.append(scope(evaluation))
    if evaluation.num_resamples:
        notes.append(
            f"In brackets: 95 % bootstrap intervals ({evaluation.num_resamples:,} resamples of the test prompts and of "
            "the seeds). Differences are paired. The p-values in the table are of single comparisons; what the first "
            "lines say is corrected for their number."
        )
    smallest = 2 / (evaluation.num_resamples + 1) * len(entries)
    if evaluation.num_resamples and smallest >= LEVEL:
        notes.append(
            f"So few resamples cannot tell any of {len(entries)} routers from another one after the correction, "
            f"however they differ; experiment.resamples must be above {2 * len(entries) / LEVEL:,.0f}."
        )
    seeds = max((entry.seeds for entry in entries.values()), key=len)
    notes.append(f"Seeds {', '.join(map(str, seeds))}; a router that draws nothing was trained once.")
    notes.append(f"Times are medians over seeds on the machine at hand. {_TIMES}")
    tuned = [f"{name} {entry.num_tried} ({entry.options})" for name, entry in entries.items() if entry.num_tried > 1]
    notes.append(f"Configurations tried on validation, and the chosen one: {'; '.join(tuned) or 'one per router'}.")
    return notes


def _rows(standings: Standings) -> Iterator[dict[str, Any]]:
    """Yield a row of plain numbers for each router, best first, and for each reference."""
    evaluation = standings.evaluation
    against = {other: standings.against(other) for other in AGAINST}
    for kind, group in (("router", ranked(evaluation)), ("reference", list(evaluation.references.items()))):
        for name, scored in group:
            row: dict[str, Any] = {"table": table_name(evaluation), "kind": kind, "router": name}
            for label in _FIGURES:
                figure = getattr(scored, label)
                row |= {label: figure.value, f"{label}_low": figure.low, f"{label}_high": figure.high}
            for other, comparisons in against.items():
                row |= _difference_numbers(other, scored.differences.get(other), comparisons.get(name))
            yield row | {"sees": scored.information} | _effort_numbers(standings.entries.get(name))


def _difference_numbers(other: str, found: Difference | None, comparison: Comparison | None) -> dict[str, Any]:
    low, high, p = (found and found.prompts) or (None, None, None)
    return {
        f"to_{other}": found and found.value,
        f"to_{other}_low": low,
        f"to_{other}_high": high,
        f"to_{other}_p": p,
        f"to_{other}_p_holm": comparison and comparison.p_value,
    }


def _effort_numbers(entry: Entry | None) -> dict[str, Any]:
    return {
        "seeds": entry and " ".join(map(str, entry.seeds)),
        "fit_seconds": entry and entry.fit_seconds,
        "predict_microseconds": entry and entry.predict_microseconds,
        "configurations": entry and entry.num_tried,
        "options": entry and entry.options,
    }


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a leaderboard.csv, by name of the router."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a leaderboard.csv ({error})") from error
    if not rows or not rows[0].keys() >= _NEEDED:
        raise InputError(f"{path}: is no leaderboard.csv of experiment=leaderboard")
    return {row["router"]: row for row in rows}


def _score(row: dict[str, str]) -> float:
    return float(row["aiq"] or row["peak_quality"])


def _merged_cell(board: dict[str, dict[str, str]], name: str) -> str:
    if name not in board:
        return "-"
    row = board[name]
    comparison = row["to_linear_p_holm"] and Comparison(float(row["to_linear"]), float(row["to_linear_p_holm"]))
    return share(_score(row)) + (_MARKS[comparison.relation] if comparison else "")
