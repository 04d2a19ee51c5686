"""``python -m routerbench convert SOURCE OUTPUT.parquet``: convert a table or another project's files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from routerbench.command_line import Value, command_line
from routerbench.commands.options import add_table_options, given_columns, reading
from routerbench.errors import InputError

if TYPE_CHECKING:
    from routerbench.data.outcomes import OutcomeTable

AUTO = "auto"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Read a table, or the files of another project, and write them as one wide Parquet table."
    parser.add_argument("source", metavar="SOURCE", type=Path, help="file or folder")
    parser.add_argument("output", metavar="OUTPUT.parquet", type=Path, help="the file to write")
    parser.add_argument(
        "--from", dest="word", metavar="FORMAT", default=AUTO,
        help="table, battles, embedllm, llmrouterbench, routellm, routerdc or sprout; told by content by default",
    )  # fmt: skip
    add_table_options(parser)
    parser.add_argument("--prices", metavar="FILE.json", help="price list, to make costs of token counts")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench.data.importers import FORMATS, detect, read
    from routerbench.data.prices import with_prices
    from routerbench.data.writer import write_table

    source, output = options.source.expanduser(), options.output.expanduser()
    if options.word not in (AUTO, *FORMATS):
        raise InputError(f"--from {options.word}: unknown format; it is {AUTO} or one of {', '.join(FORMATS)}")
    if output.is_dir() or output.suffix != ".parquet":
        raise InputError(f"{output}: not a file to write to; its name must end in .parquet")
    if output.exists() and source.exists() and output.samefile(source):
        raise InputError(f"{output}: is the source itself; give another file to write to")
    word = detect(source) if options.word == AUTO else options.word
    with reading(f"{source}: ") as remarks:
        table = read(source, word, given_columns(options), options.models)
        table = table if options.prices is None else with_prices(table, options.prices)
        write_table(table, output)
    sys.stdout.write("\n".join([f"read {source} as {word}", *remarks, *_summary(table, output)]) + "\n")


def _summary(table: OutcomeTable, output: Path) -> list[str]:
    """Summarise the table, what is missing, and the next command."""
    import numpy as np

    from routerbench.data.split import duplicate_groups

    following: dict[str, Value] = {"data": "table", "data.path": output}
    cells = table.quality.size
    lines = [f"{len(table):,} prompts, {table.num_models} models, {len(set(table.benchmark))} benchmarks"]
    if table.split is not None:
        parts = (f"{name} {int((table.split == name).sum()):,}" for name in ("train", "val", "test"))
        lines.append(f"split of the source: {', '.join(parts)}")
    copies = len(table) - len(np.unique(duplicate_groups(table.prompts)))
    lines.append(f"copies of an earlier prompt: {copies:,}")
    missing = int(np.isnan(table.quality).sum())
    lines.append(f"cells without quality: {missing:,} of {cells:,}")
    if not table.has_cost:
        lines.append("no costs: only quality can be evaluated" + _advice(table))
    else:
        lines.append(f"cells without cost: {int(np.isnan(table.cost).sum()):,} of {cells:,}")
        unpriced = [model for model, cost in zip(table.models, table.cost.T, strict=True) if np.isnan(cost).all()]
        free = [
            model for model, cost in zip(table.models, table.cost.T, strict=True) if np.nanmax(cost, initial=0) == 0
        ]
        if unpriced:
            lines.append(f"models without any cost: {', '.join(unpriced)}; they are left out of training")
            following["data.drop_unpriced_models"] = True
        if free := [model for model in free if model not in unpriced]:
            lines.append(f"models whose cost is always 0: {', '.join(free)}")
    if not np.isfinite(table.quality).all(axis=1).any():
        one, other, count = _most_compared(table)
        lines.append(
            "no prompt has the outcomes of all models, so that no router of all can be validated; "
            f"of two models {one} and {other} share most prompts, {count:,}"
        )
        following["data.models"] = [one, other]
    return [*lines, f"next: {command_line('train.py', following)}"]


def _most_compared(table: OutcomeTable) -> tuple[str, str, int]:
    """Return the two models with the most prompts in common, and the number of these prompts."""
    import numpy as np

    observed = np.isfinite(table.quality).astype(np.float32)
    shared = np.triu(observed.T @ observed, k=1)
    one, other = np.unravel_index(np.argmax(shared), shared.shape)
    return table.models[one], table.models[other], int(shared[one, other])


def _advice(table: OutcomeTable) -> str:
    return "" if table.tokens is None else "; --prices makes them of the token counts"
