"""Tables that people read: Markdown for a terminal or a repository, and the rows that the HTML report shows too."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePath

from routerbench.evaluation.results import Evaluation, Scored
from routerbench.files import atomic_path
from routerbench.report.formatting import (
    LANDMARKS,
    difference,
    merit,
    per_thousand,
    percent,
    ranked,
    share,
    with_interval,
)
from routerbench.report.verdict import verdict

DEFINITIONS = {
    "AIQ": "mean height of a router's cost-quality hull on the cost interval (RouterBench paper, arXiv 2403.12031).",
    "ΔAIQ zero": "AIQ minus that of zero_router, which mixes single models at random and reads no prompt.",
    "AIQ macro": "unweighted mean of the AIQ of each benchmark.",
    "peak quality": "highest mean quality of the hull, in [0, 1]; the cost beside it is where the hull gets there.",
    "QNC": "quality-neutral cost: what the quality of the best single model costs, as a share of that model's cost.",
    "USD/1k": "US dollars per 1,000 prompts, as measured.",
    "sees": "what a row was allowed to see when it chose a model.",
}
_COST_TERMS = ("AIQ", "ΔAIQ zero", "AIQ macro", "QNC", "USD/1k")


@dataclass(frozen=True)
class Table:
    """Rows of text, before any markup.

    Attributes:
        header: one title per column.
        align: one letter per column, "l" or "r".
        groups: rows that belong together; groups are set apart.
    """

    header: tuple[str, ...]
    align: str
    groups: tuple[tuple[tuple[str, ...], ...], ...]


def write_table(evaluation: Evaluation, path: Path) -> None:
    """Write table.md: the verdict, all tables, and what their columns mean.

    Args:
        evaluation: what was found.
        path: the file to write.
    """
    lines = verdict(evaluation).split("\n")
    blocks = [
        f"# {escape(title(evaluation))}",
        "\n".join(f"- {escape(line)}" for line in lines),
        results_table(evaluation),
        escape(scope(evaluation)),
        "## Benchmarks",
        f"{'AIQ' if evaluation.cost_interval else 'Peak quality'} on the prompts of each benchmark alone.",
        markdown(benchmark_rows(evaluation)),
        "## Single models",
        markdown(model_rows(evaluation)),
        "## Definitions",
        "\n".join(f"- {term}: {meaning}" for term, meaning in definitions(evaluation).items()),
    ]
    with atomic_path(path) as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="backslashreplace")


def results_table(evaluation: Evaluation) -> str:
    """The main table as Markdown that also reads well in a terminal: routers by AIQ, then the references.

    Args:
        evaluation: what was found.

    Returns:
        Markdown; a table with no cost gets a line that says so, and no column that needs one.
    """
    table = markdown(result_rows(evaluation))
    return table if evaluation.cost_interval else f"{table}\n\nThis table has no cost: quality only."


def result_rows(evaluation: Evaluation) -> Table:
    """Routers, best first, then the references, from the lowest to the highest."""
    references = sorted(evaluation.references.items(), key=lambda item: merit(item[1]))
    groups = tuple(
        tuple((name, *_cells(evaluation, scored), scored.information) for name, scored in group)
        for group in (ranked(evaluation), references)
    )
    if evaluation.cost_interval is None:
        return Table(("router", "peak quality", "sees"), "lrl", groups)
    figures = ("AIQ", "ΔAIQ zero", "AIQ macro", "peak quality", "at USD/1k", "QNC")
    return Table(("router", *figures, "sees"), "lrrrrrrl", groups)


def benchmark_rows(evaluation: Evaluation) -> Table:
    """AIQ per benchmark, the largest first; peak quality where there is no cost."""
    figure = "peak_quality" if evaluation.cost_interval is None else "aiq"
    landmarks = [(name, evaluation.references[name]) for name in LANDMARKS if name in evaluation.references]
    columns = [*ranked(evaluation), *landmarks]
    rows = []
    for benchmark, count in by_count(evaluation):
        figures = [scored.per_benchmark.get(benchmark, {}).get(figure) for _, scored in columns]
        cells = ("-" if found is None else share(found.value) for found in figures)
        rows.append((benchmark, f"{count:,}", *cells))
    return Table(
        ("benchmark", "prompts", *(name for name, _ in columns)), "l" + "r" * (1 + len(columns)), (tuple(rows),)
    )


def model_rows(evaluation: Evaluation) -> Table:
    """Mean quality and cost of each single model, the best first."""
    models = zip(evaluation.models, evaluation.model_quality, evaluation.model_cost, strict=True)
    ordered = sorted(models, key=lambda model: -model[1])
    if evaluation.cost_interval is None:
        return Table(("model", "quality"), "lr", (tuple((name, share(quality)) for name, quality, _ in ordered),))
    rows = tuple((name, share(quality), per_thousand(cost)) for name, quality, cost in ordered)
    return Table(("model", "quality", "USD/1k"), "lrr", (rows,))


def by_count(evaluation: Evaluation) -> list[tuple[str, int]]:
    """Benchmarks and their number of scored prompts, the largest first."""
    return sorted(evaluation.benchmark_counts.items(), key=lambda item: (-item[1], item[0]))


def title(evaluation: Evaluation) -> str:
    """The heading of a report: the table's name, without the folders of whoever made it."""
    return f"Routers on {PurePath(evaluation.source).name or evaluation.source}"


def scope(evaluation: Evaluation) -> str:
    """What the numbers are about: prompts scored and left out, the best single model, the cost interval."""
    scored = sum(evaluation.benchmark_counts.values())
    text = f"{scored:,} prompts scored, {evaluation.num_left_out:,} left out because a cell is missing; "
    text += f"best single model on train: {evaluation.best_single}"
    if evaluation.cost_interval is None:
        return f"{text}."
    low, high = (per_thousand(cost) for cost in evaluation.cost_interval)
    return (
        f"{text}; cost interval {low} to {high} USD per 1,000 prompts, from the cheapest single model to the dearest."
    )


def definitions(evaluation: Evaluation) -> dict[str, str]:
    """The terms that the tables of this evaluation use, each in one line."""
    unused = () if evaluation.cost_interval else _COST_TERMS
    meanings = {term: meaning for term, meaning in DEFINITIONS.items() if term not in unused}
    if not evaluation.cost_interval:
        meanings["peak quality"] = "mean quality when every prompt goes to the model that is thought best, in [0, 1]."
    return meanings


def markdown(table: Table) -> str:
    r"""Markdown of equal column widths, an empty row between groups.

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
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|<*`#&\[\]])", r"\\\1", " ".join(text.split()))


def _cells(evaluation: Evaluation, scored: Scored) -> tuple[str, ...]:
    peak = with_interval(scored.peak_quality, share)
    if evaluation.cost_interval is None:
        return (peak,)
    return (
        with_interval(scored.aiq, share),
        with_interval(scored.delta_aiq_zero, difference),
        with_interval(scored.aiq_macro, share),
        peak,
        per_thousand(scored.peak_cost.value),
        _qnc(evaluation, scored),
    )


def _qnc(evaluation: Evaluation, scored: Scored) -> str:
    if scored.qnc.value is not None:
        return with_interval(scored.qnc, percent)
    goal, peak = evaluation.model_quality[evaluation.models.index(evaluation.best_single)], scored.peak_quality.value
    # Of a free model no share of the cost exists, though its quality may well be reached.
    return "-" if peak is not None and peak >= goal else "never"


def _width(text: str) -> int:
    """Columns that a text takes in a terminal: Chinese and the like take two per character."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _width(text))
    return text + space if side == "l" else space + text
