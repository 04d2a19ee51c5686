"""The commands that need no configuration: `python -m routerbench audit TABLE`; `--help` lists them."""

from __future__ import annotations

import argparse
import copy
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerbench.errors import InputError

if TYPE_CHECKING:
    from routerbench.encoders.base import Encoder

NO_SPLIT = "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; what the user got wrong ends it with one line and exit status 1.

    Args:
        arguments: the words after the program's name; None reads the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m routerbench", description="Tools around the training of routers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_audit(commands.add_parser("audit", help="what a table of outcomes can and cannot teach a router"))
    _add_leaderboard(commands.add_parser("leaderboard", help="the leaderboards of several tables as one"))
    _add_export(commands.add_parser("export", help="a trained router as ONNX graphs, for services without torch"))
    _add_self_knowledge(commands.add_parser("self-knowledge", help="does a trained router know where it errs?"))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.description = "Read a table of outcomes, print what it can and cannot teach a router, write audit.html."
    parser.add_argument("table", metavar="TABLE", help="Parquet, CSV, JSON lines or pickle, wide or long")
    parser.add_argument(
        "--split",
        metavar="COLUMN",
        help=f"column of the published split; '{NO_SPLIT}' passes over the one called split",
    )
    parser.add_argument(
        "--column", metavar="WORD=NAME", action="append", default=[],
        help="the name that a column has in the file, as prompt=question; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--embeddings", metavar="FILE.npy", help="embeddings, a row per row of the table; hashed n-grams by default"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to; outputs/audit/TABLE by default")
    parser.add_argument("--seed", type=int, default=0, help="of the split, where the table has none, and of samples")
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> None:
    # Imported here, so that --help does not wait for them.
    from routerbench.data.table import read
    from routerbench.encoders.store import EmbeddingStore
    from routerbench.evaluation.audit import audit
    from routerbench.report.audit import audit_text, write_audit

    with _remarks(f"{options.table}: ") as remarks:
        table = read(options.table, columns=_columns(options), drop_unpriced_models=True)
    encoder, name = _encoder(options.embeddings, len(table))
    store = EmbeddingStore(os.environ.get("ROUTERBENCH_CACHE", "~/.cache/routerbench"))
    found = audit(table, lambda part: encoder.embed(part, store), name, options.seed)
    folder = options.output or Path("outputs") / "audit" / Path(options.table).stem
    write_audit(found, folder / "audit.html", remarks)
    sys.stdout.write(f"{audit_text(found, remarks)}\n\npage: {folder / 'audit.html'}\n")


def _add_leaderboard(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print what experiment=leaderboard found on several tables as one Markdown table."
    parser.add_argument("boards", metavar="BOARD", type=Path, nargs="+", help="leaderboard.csv, or the folder it is in")
    parser.set_defaults(run=_leaderboard)


def _leaderboard(options: argparse.Namespace) -> None:
    from routerbench.report.leaderboard import merged_table

    sys.stdout.write(f"{merged_table(options.boards)}\n")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a trained router into its own folder as ONNX graphs, encoder.onnx with tokenizer.json and router.onnx, "
        "and compare them with torch; routerbench.load(DIR, backend='onnx') then routes without torch."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from routerbench.export import export

    written = export(options.folder)
    for file in written.files:
        sys.stdout.write(f"{file}: {file.stat().st_size / 1e6:.1f} MB\n")
    if not written.files:
        sys.stdout.write(f"{options.folder}: encoder and router run without torch as they are; no graph is needed\n")
    else:
        sys.stdout.write(f"largest difference to torch: {written.difference:.1g}\n")


def _add_self_knowledge(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Can another predictor tell where a trained router errs, and what does it buy to tell the router? On the "
        "validation and test prompts of the table it was trained on; writes self_knowledge.md and self_knowledge.png."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to; beside DIR by default")
    parser.add_argument("--resamples", type=int, default=1000, help="behind each interval; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="of folds and resamples")
    parser.set_defaults(run=_self_knowledge)


def _self_knowledge(options: argparse.Namespace) -> None:
    from routerbench import artefact
    from routerbench.adjustment import AdjustedRouter
    from routerbench.config import instantiate_data
    from routerbench.data.outcomes import Examples
    from routerbench.encoders.store import EmbeddingStore
    from routerbench.evaluation.self_knowledge import self_knowledge
    from routerbench.report.self_knowledge import self_knowledge_text, write_self_knowledge

    for name in ("resamples", "seed"):
        if getattr(options, name) < 0:
            raise InputError(f"--{name} must be at least 0, got {getattr(options, name)}")
    trained = artefact.load(options.folder)
    data = trained.card["data"]
    table = instantiate_data(data.get("config", {}))
    if (table.digest(), table.split_digest()) != (data["digest"], data["split_digest"]):
        raise InputError(f"{table.source}: changed since {options.folder} was trained on it; train it again")
    trained.check_encoder()
    router, notes = trained.router, []
    if isinstance(router, AdjustedRouter):
        router = copy.copy(router)
        router.guard = 0.0  # what it predicts, not what it is held back by
        if router.calibration != "none":
            notes.append(
                f"calibration={router.calibration} was learned on the same validation prompts, where the router "
                "therefore seems to know more than it does; the figures on test are not touched by that."
            )
    store = EmbeddingStore(os.environ.get("ROUTERBENCH_CACHE", "~/.cache/routerbench"))
    embeddings = trained.encoder.embed(table, store)
    train, val, test = (
        Examples(table.part(name), embeddings[table.split == name]) for name in ("train", "val", "test")
    )
    predictions = {"val": router.predict(val.embeddings), "test": router.predict(test.embeddings)}
    found = self_knowledge(
        trained.card["name"], train, val, test, predictions, num_resamples=options.resamples, seed=options.seed
    )
    folder = options.output or options.folder.parent
    write_self_knowledge(found, folder, notes)
    sys.stdout.write(f"{self_knowledge_text(found)}\n\nreport: {folder / 'self_knowledge.md'}\n")


def _columns(options: argparse.Namespace) -> dict[str, Any]:
    """Our word for a column -> its name in the file, or None to pass over it."""
    columns: dict[str, Any] = {}
    for option in options.column:
        word, equals, name = option.partition("=")
        if not (word and equals and name):
            raise InputError(f"--column {option!r} is not of the form WORD=NAME; write --column prompt=question")
        columns[word] = name
    if options.split is not None:
        columns["split"] = None if options.split == NO_SPLIT else options.split
    return columns


def _encoder(path: str | None, num_rows: int) -> tuple[Encoder, str]:
    """The encoder of the file, or the one that needs no weights, and what to call it."""
    from routerbench.encoders.hashing import HashingEncoder
    from routerbench.encoders.precomputed import PrecomputedEncoder

    if path is None:
        return HashingEncoder(), "hashed n-grams"
    encoder = PrecomputedEncoder(path)
    encoder.check_rows(num_rows)
    return encoder, Path(path).name


@contextmanager
def _remarks(prefix: str) -> Iterator[list[str]]:
    """Collect what the readers of ``routerbench.data`` log, without the prefix that names the file."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage().removeprefix(prefix))  # type: ignore[method-assign]
    log = logging.getLogger("routerbench.data")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield found
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


if __name__ == "__main__":
    main()
