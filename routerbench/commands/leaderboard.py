"""``python -m routerbench leaderboard BOARD…``: merge the leaderboards of several tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Print what experiment=leaderboard found on several tables as one Markdown table."
    parser.add_argument("boards", metavar="BOARD", type=Path, nargs="+", help="leaderboard.csv, or the folder it is in")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench.experiments.leaderboard_report import merged_table

    sys.stdout.write(f"{merged_table(options.boards)}\n")
