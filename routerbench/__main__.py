"""Commands without a config, such as `python -m routerbench audit TABLE`; `--help` lists them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from routerbench.errors import InputError

# Help text by command. Only the module of the chosen command is imported.
COMMANDS = {
    "route": "send prompts to models: JSON lines in, decisions out",
    "inspect": "what a trained router is: its model card",
    "audit": "what a table of outcomes can and cannot teach a router",
    "convert": "a table, or another project's files, as a table of ours",
    "leaderboard": "the leaderboards of several tables as one",
    "tune": "the options of train.py that validate best, by Optuna",
    "export": "a trained router as ONNX graphs, or for vLLM Semantic Router or RouterArena",
    "serve": "a trained router as an HTTP service, with OpenAI's API in front of the models",
    "self-knowledge": "does a trained router know where it errs?",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; on a user error, print one line and exit with status 1.

    Args:
        arguments: arguments of the program; None reads the command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="routerbench", description="Tools around the training of routers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for word, purpose in COMMANDS.items():
        command = commands.add_parser(word, help=purpose)
        if word in arguments[:1]:
            importlib.import_module(f"routerbench.commands.{word.replace('-', '_')}").add(command)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
