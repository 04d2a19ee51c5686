"""Tables of an evaluation: their rows, shared with the HTML report, and table.md."""

import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from routerbench.evaluation.results import Difference, Evaluation, Figure, Interval, Scored
from routerbench.files import atomic_path
from routerbench.report.formatting import (
    LANDMARKS,
    difference,
    merit,
    p_value,
    per_thousand,
    percent,
    quality_only,
    ranked,
    share,
    with_interval,
)
from routerbench.report.terms import DEPLOYED, DIFFERENCES, SETTINGS, benchmark_note, definitions
from routerbench.report.verdict import verdict

_SHOWN_SETTINGS = 6


@dataclass(frozen=True)
class Table:
    """Rows of text, without markup.

    Attributes:
        header: heading of each column.
        align: alignment of each column, "l" or "r".
        groups: groups of rows, shown separated.
    """

    header: tuple[str, ...]
    align: str
    groups: tuple[tuple[tuple[str, ...], ...], ...]


def write_table(evaluation: Evaluation, path: Path) -> None:
    """Write the verdict, all tables and the definitions of their terms as Markdown."""
    lines = verdict(evaluation).split("\n")
    blocks = [
        f"# {escape(title(evaluation))}",
        "\n".join(f"- {escape(line)}" for line in lines),
        results_table(evaluation),
        escape(scope(evaluation)),
        *_section("## Differences", DIFFERENCES, difference_rows(evaluation)),
        *_section("## Deployed", DEPLOYED, deployed_rows(evaluation)),
        *_section("## Settings", SETTINGS, setting_rows(evaluation)),
        *_section("## Other figures", "", other_rows(evaluation)),
        "## Benchmarks",
        benchmark_note(evaluation),
        markdown(benchmark_rows(evaluation)),
        "## Single models",
        markdown(model_rows(evaluation)),
        "## Definitions",
        "\n".join(f"- {term}: {meaning}" for term, meaning in definitions(evaluation).items()),
    ]
    with atomic_path(path) as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="backslashreplace")


def results_table(evaluation: Evaluation) -> str:
    """Format ``result_rows`` as a Markdown table."""
    return markdown(result_rows(evaluation))


def result_rows(evaluation: Evaluation) -> Table:
    """Make the main table: routers, best first, then references in ascending order of the measure."""
    references = sorted(evaluation.references.items(), key=lambda item: merit(evaluation, item[1]))
    groups = tuple(
        tuple((name, *_cells(evaluation, scored), scored.information) for name, scored in group)
        for group in (ranked(evaluation), references)
    )
    if evaluation.measure != "aiq":
        return Table(("router", "peak quality", "sees"), "lrl", groups)
    return Table(("router", "AIQ", "as routed", "peak quality", "QNC", "gain", "sees"), "lrrrrrl", groups)


def difference_rows(evaluation: Evaluation) -> Table | None:
    """Make the table of differences, over resampled prompts and over resampled benchmarks; None without any."""
    others = list(dict.fromkeys(other for _, scored in ranked(evaluation) for other in scored.differences))
    if not others:
        return None

    def cells(scored: Scored, unit: str) -> tuple[str, ...]:
        found = [scored.differences.get(other) for other in others]
        return tuple("" if one is None else _difference(one, getattr(one, unit)) for one in found)

    groups = [
        tuple((name, "prompts", *cells(scored, "prompts")) for name, scored in ranked(evaluation)),
    ]
    if any(one.benchmarks for _, scored in ranked(evaluation) for one in scored.differences.values()):
        groups.append(tuple((name, "benchmarks", *cells(scored, "benchmarks")) for name, scored in ranked(evaluation)))
    return Table(("router", "resampled", *others), "ll" + "r" * len(others), tuple(groups))


def deployed_rows(evaluation: Evaluation) -> Table | None:
    """Make the table of operating points, chosen on validation and realised on test; None without any."""
    targets = {"budget": _budget(evaluation), "keep": _keep(evaluation)}
    rows = [
        (
            name,
            targets[target],
            _lambdas(point.willingness_to_pay),
            with_interval(point.cost, per_thousand),
            with_interval(point.quality, share),
            with_interval(point.cost_share, percent),
            with_interval(point.quality_share, percent),
            with_interval(point.gain, difference),
        )
        for name, scored in [*ranked(evaluation), *evaluation.references.items()]
        for target, point in scored.deployed.items()
    ]
    if not rows:
        return None
    header = ("router", "asked for", "lambda", "USD/1k", "quality", "of best single's cost", "of its quality")
    return Table((*header, "to zero_router"), "llrrrrrr", (tuple(rows),))


def setting_rows(evaluation: Evaluation) -> Table | None:
    """Make the table of cost, quality and calls of each sequential policy at up to six settings; None without any."""
    rows = []
    for name, scored in ranked(evaluation):
        number = len(scored.realised)
        for place in np.unique(np.linspace(0, number - 1, min(number, _SHOWN_SETTINGS)).round().astype(int)):
            one = scored.realised[place]
            cost, quality = with_interval(one.cost, per_thousand), with_interval(one.quality, share)
            rows.append((name, scored.rollouts[0].setting, f"{one.setting:.3g}", cost, quality, f"{one.calls:.2f}"))
    if not rows:
        return None
    return Table(("policy", "varied", "setting", "USD/1k", "quality", "calls"), "llrrrr", (tuple(rows),))


def other_rows(evaluation: Evaluation) -> Table | None:
    """Make the table of figures for comparison with other papers; None if AIQ is undefined."""
    if evaluation.measure != "aiq":
        return None
    rows = tuple(
        (
            name,
            with_interval(scored.aiq_macro, share),
            with_interval(scored.aiq_original_code, share),
            with_interval(scored.peak_cost, per_thousand),
            " ".join(map(share, scored.seed_aiq)) if len(scored.seed_aiq) > 1 else "",
        )
        for name, scored in [*ranked(evaluation), *evaluation.references.items()]
    )
    return Table(("router", "AIQ macro", "AIQ original code", "peak at USD/1k", "AIQ of each seed"), "lrrrr", (rows,))


def benchmark_rows(evaluation: Evaluation) -> Table:
    """Make the table of the measure by benchmark, the largest benchmark first."""
    landmarks = [(name, evaluation.references[name]) for name in LANDMARKS if name in evaluation.references]
    columns = [*ranked(evaluation), *landmarks]
    rows = []
    for benchmark, count in by_count(evaluation):
        figures = [scored.per_benchmark.get(benchmark, {}).get(evaluation.measure) for _, scored in columns]
        cells = ("-" if found is None else with_interval(found, share) for found in figures)
        rows.append((benchmark, f"{count:,}", *cells))
    return Table(
        ("benchmark", "prompts", *(name for name, _ in columns)), "l" + "r" * (1 + len(columns)), (tuple(rows),)
    )


def model_rows(evaluation: Evaluation) -> Table:
    """Make the table of mean quality and, if AIQ is defined, cost of each single model, the best first."""
    models = zip(evaluation.models, evaluation.model_quality, evaluation.model_cost, strict=True)
    ordered = sorted(models, key=lambda model: -model[1])
    if evaluation.measure != "aiq":
        return Table(("model", "quality"), "lr", (tuple((name, share(quality)) for name, quality, _ in ordered),))
    rows = tuple((name, share(quality), per_thousand(cost)) for name, quality, cost in ordered)
    return Table(("model", "quality", "USD/1k"), "lrr", (rows,))


def by_count(evaluation: Evaluation) -> list[tuple[str, int]]:
    """Return the benchmarks with their number of scored prompts, the largest first."""
    return sorted(evaluation.benchmark_counts.items(), key=lambda item: (-item[1], item[0]))


def title(evaluation: Evaluation) -> str:
    """Return the heading of a report, with the name of the table but not its folders."""
    return f"Routers on {PurePath(evaluation.source).name or evaluation.source}"


def scope(evaluation: Evaluation) -> str:
    """State the numbers of prompts scored and left out, the best single model, and the cost interval."""
    scored = sum(evaluation.benchmark_counts.values())
    text = f"{scored:,} prompts scored, {evaluation.num_left_out:,} left out because a cell is missing; "
    text += f"best single model on train: {evaluation.best_single}"
    if evaluation.cost_interval is None or evaluation.measure != "aiq":
        return f"{text}; {quality_only(evaluation)}: quality only."
    low, high = (per_thousand(cost) for cost in evaluation.cost_interval)
    return (
        f"{text}; cost interval {low} to {high} USD per 1,000 prompts, from the cheapest single model to the dearest."
    )


def markdown(table: Table) -> str:
    r"""Format a table as Markdown with aligned columns and an empty row between groups.

    Example:
        >>> print(markdown(Table(("model", "quality"), "lr", ((("a|b", ".5"),),))))
        | model | quality |
        | :---- | ------: |
        | a\|b  |      .5 |
    """
    groups = [[tuple(map(escape, row)) for row in group] for group in table.groups if group]
    header, empty = tuple(map(escape, table.header)), ("",) * len(table.header)
    rows = [row for number, group in enumerate(groups) for row in ([empty] if number else []) + group]
    widths = [max(3, *map(_width, column)) for column in zip(header, *rows, strict=True)]
    dashes = ["-" * (width - 1) for width in widths]
    rule = [f":{dash}" if side == "l" else f"{dash}:" for dash, side in zip(dashes, table.align, strict=True)]
    return "\n".join(
        "| " + " | ".join(_pad(*cell) for cell in zip(row, widths, table.align, strict=True)) + " |"
        for row in [header, rule, *rows]
    )


def escape(text: str) -> str:
    """Escape text for Markdown, and put it on one line."""
    return re.sub(r"([\\|<*`#&\[\]])", r"\\\1", " ".join(text.split()))


def _cells(evaluation: Evaluation, scored: Scored) -> tuple[str, ...]:
    peak = with_interval(scored.peak_quality, share)
    if evaluation.measure != "aiq":
        return (peak,)
    return (
        with_interval(scored.aiq, share),
        with_interval(scored.area, share),
        peak,
        _qnc(evaluation, scored),
        with_interval(scored.gain, difference),
    )


def _qnc(evaluation: Evaluation, scored: Scored) -> str:
    if scored.qnc.value is not None:
        return with_interval(scored.qnc, percent)
    goal, peak = evaluation.model_quality[evaluation.models.index(evaluation.best_single)], scored.peak_quality.value
    # QNC is undefined if the best single model is free, even if its quality is reached.
    return "-" if peak is not None and peak >= goal else "never"


def _difference(found: Difference, interval: Interval | None) -> str:
    if interval is None:
        return difference(found.value)
    return f"{with_interval(Figure(found.value, *interval[:2]), difference)} {p_value(interval.p_value)}"


def _budget(evaluation: Evaluation) -> str:
    return f"at most {per_thousand(evaluation.targets.budget)} USD/1k"


def _keep(evaluation: Evaluation) -> str:
    return f"{percent(evaluation.targets.keep)} of best single's quality"


def _lambdas(lambdas: tuple[float, ...]) -> str:
    return " ".join("infinite" if math.isinf(lambda_) else f"{lambda_:.3g}" for lambda_ in lambdas)


def _section(heading: str, note: str, table: Table | None) -> list[str]:
    return [] if table is None else [part for part in (heading, note, markdown(table)) if part]


def _width(text: str) -> int:
    """Compute the width of a text in a terminal; East Asian wide characters take two columns."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _width(text))
    return text + space if side == "l" else space + text
