"""The commands that need no configuration: `python -m routerbench audit TABLE`; `--help` lists them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from routerbench.errors import InputError

# Word -> what it does; its module imports what it needs when it runs, so that --help does not wait.
COMMANDS = {
    "audit": "what a table of outcomes can and cannot teach a router",
    "leaderboard": "the leaderboards of several tables as one",
    "tune": "the options of train.py that validate best, by Optuna",
    "export": "a trained router as ONNX graphs, for services without torch",
    "self-knowledge": "does a trained router know where it errs?",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; what the user got wrong ends it with one line and exit status 1.

    Args:
        arguments: the words after the program's name; None reads the command line.
    """
    parser = argparse.ArgumentParser(prog="routerbench", description="Tools around the training of routers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for word, purpose in COMMANDS.items():
        module = importlib.import_module(f"routerbench.commands.{word.replace('-', '_')}")
        module.add(commands.add_parser(word, help=purpose))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
