"""``python -m routerbench route DIR``: route a stream of prompts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from routerbench.commands.options import add_spending_options, given_lambda
from routerbench.errors import InputError

if TYPE_CHECKING:
    from routerbench.artefact.trained import TrainedRouter

DECISION = ("model", "quality", "cost")
CHUNK = 1 << 20  # bytes


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Read prompts, a JSON object with a 'prompt' per line, and write for each, in order, the chosen model with its "
        "expected quality and cost in USD, and the other fields of its line. What a pipe holds is answered at once."
    )
    parser.add_argument("router", metavar="DIR|owner/name", help="a router's folder, or its name on the hub")
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the prompts; standard input by default")
    parser.add_argument("--text", action="store_true", help="a line is a prompt as it stands")
    add_spending_options(parser.add_mutually_exclusive_group(required=True))
    parser.add_argument("--models", metavar="A,B", help="the models that may be called; all by default")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="where to, once all is done; standard output by default"
    )
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="onnx runs what export wrote")
    parser.add_argument("--batch-size", metavar="N", type=int, default=256, help="most prompts at a time")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {options.batch_size}")
    if options.file and not options.file.is_file():
        raise InputError(f"{options.file}: no such file")
    from routerbench.artefact import load
    from routerbench.files import atomic_path

    trained = load(options.router, device=options.device, backend=options.backend)
    lambda_ = given_lambda(options, trained)
    models = options.models and options.models.split(",")
    trained.decide(trained.predict([]), lambda_, models)  # refuse invalid models before reading a prompt
    with ExitStack() as opened:
        stream = opened.enter_context(options.file.open("rb")) if options.file else sys.stdin.buffer
        output: IO[str] = sys.stdout
        if options.output:
            output = opened.enter_context(opened.enter_context(atomic_path(options.output)).open("w", encoding="utf-8"))
        try:
            _route(trained, lambda_, models, stream, output, options)
        except BrokenPipeError:  # the reader has closed the pipe; avoid Python's complaint when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _route(
    trained: TrainedRouter,
    lambda_: float,
    models: list[str] | None,
    stream: IO[bytes],
    output: IO[str],
    options: argparse.Namespace,
) -> None:
    """Route line by line, in batches of the available lines."""
    name, number = options.file or "standard input", 0
    with _progress(options.file) as advance:
        for lines in batches(stream, options.batch_size):
            fields, prompts, mistake = [], list[str](), None
            for line in lines:
                number += 1
                try:
                    if (parsed := _parse(line, options.text)) is not None:
                        prompts.append(parsed.pop("prompt"))
                        fields.append(parsed)
                except ValueError as error:
                    mistake = InputError(f"{name}: line {number}: {error}")
                    break
            decisions = trained.decide(trained.predict(prompts), lambda_, models) if prompts else []
            for known, decision in zip(fields, decisions, strict=True):
                answer = known | decision._asdict() | {"cost": decision.known_cost}
                output.write(json.dumps(answer) + "\n")
            output.flush()
            if mistake:
                raise mistake
            advance(sum(map(len, lines)))


def batches(stream: IO[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield the lines of a stream as they arrive, at most ``size`` at a time.

    Waits only while there is no complete line. A slow writer thus gets each line answered, and a fast one gets large
    batches.
    """
    rest = b""
    while chunk := stream.read1(CHUNK):  # type: ignore[attr-defined]
        *lines, rest = (rest + chunk).split(b"\n")
        for start in range(0, len(lines), size):
            yield lines[start : start + size]
    if rest:
        yield [rest]


def _parse(line: bytes, is_text: bool) -> dict[str, Any] | None:
    """Parse a line into fields with a ``prompt``; return None for a blank line of JSON.

    Raises:
        ValueError: the line has no prompt.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 ({error.reason} at byte {error.start + 1}); convert it") from error
    if is_text:
        fields: Any = {"prompt": text.removesuffix("\r")}
    elif not text.strip():
        return None
    else:
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise ValueError(f"is not JSON ({error}); use --text for prompts as they stand") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("prompt"), str):
        raise ValueError("is no object with a text 'prompt'")
    if not fields["prompt"].strip():
        raise ValueError("its prompt is empty; leave it out")
    if taken := sorted(fields.keys() & set(DECISION)):
        raise ValueError(f"has a field {taken[0]!r}, which the decision needs; rename it")
    return fields


@contextmanager
def _progress(file: Path | None) -> Iterator[Callable[[int], object]]:
    """Show progress in bytes, if standard error is a terminal and standard output is not."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=file.stat().st_size if file else None, unit="B", unit_scale=True) as bar:
        yield bar.update
