"""``--seed`` of the commands that draw."""

from __future__ import annotations

import argparse

from routerbench.errors import InputError


def add_seed_option(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Describe it."""
    parser.add_argument("--seed", type=int, default=0, help=purpose)


def check_seed(seed: int) -> None:
    """Refuse what not every generator of random numbers takes.

    Raises:
        InputError: the seed is negative or too large.
    """
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed must be from 0 to {2**31 - 1}, got {seed}")
