"""``python -m routerbench audit TABLE``: audit a table of outcomes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerbench.commands.options import add_seed_option, add_table_options, check_seed, given_columns, reading

if TYPE_CHECKING:
    from routerbench.encoders.base import Encoder

NO_SPLIT = "none"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Read a table of outcomes, print what it can and cannot teach a router, write audit.html."
    parser.add_argument("table", metavar="TABLE", help="Parquet, CSV, JSON lines or pickle, wide or long")
    parser.add_argument(
        "--split",
        metavar="COLUMN",
        help=f"column of the published split; '{NO_SPLIT}' passes over the one called split",
    )
    add_table_options(parser)
    parser.add_argument(
        "--embeddings", metavar="FILE.npy", help="embeddings, a row per row of the table; hashed n-grams by default"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to; outputs/audit/TABLE by default")
    add_seed_option(parser, "of the split, where the table has none, and of samples")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    # Imported here to keep --help fast.
    from routerbench.audit.audit import audit
    from routerbench.audit.page import audit_text, write_audit
    from routerbench.data.table import read
    from routerbench.encoders.store import EmbeddingStore

    check_seed(options.seed)
    with reading(f"{options.table}: ") as remarks:
        table = read(options.table, models=options.models, columns=_columns(options), drop_unpriced_models=True)
    encoder, name = _encoder(options.embeddings, len(table))
    store = EmbeddingStore(os.environ.get("ROUTERBENCH_CACHE", "~/.cache/routerbench"))
    found = audit(table, lambda part: encoder.embed(part, store), name, options.seed)
    folder = options.output or Path("outputs") / "audit" / Path(options.table).stem
    write_audit(found, folder / "audit.html", remarks)
    sys.stdout.write(f"{audit_text(found, remarks)}\n\npage: {folder / 'audit.html'}\n")


def _columns(options: argparse.Namespace) -> dict[str, Any]:
    """Map our column names to those of the file, or to None for a column to ignore."""
    columns: dict[str, Any] = dict(given_columns(options))
    if options.split is not None:
        columns["split"] = None if options.split == NO_SPLIT else options.split
    return columns


def _encoder(path: str | None, num_rows: int) -> tuple[Encoder, str]:
    """Return the encoder of the file, or the default one, which needs no weights, and its name."""
    from routerbench.encoders.hashing import HashingEncoder
    from routerbench.encoders.precomputed import PrecomputedEncoder

    if path is None:
        return HashingEncoder(), "hashed n-grams"
    encoder = PrecomputedEncoder(path)
    encoder.check_rows(num_rows)
    return encoder, Path(path).name
