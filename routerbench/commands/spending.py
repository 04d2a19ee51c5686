"""What the commands that decide share: the options that say how much to spend, one of which is given."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routerbench.artefact.trained import TrainedRouter


def add_spending_options(parser: argparse._ActionsContainer) -> None:
    """Describe ``--willingness-to-pay``, ``--budget`` and ``--keep``."""
    parser.add_argument(
        "--willingness-to-pay", metavar="X", type=float, help="lambda, USD per unit of quality; 0: cheapest, inf: best"
    )
    parser.add_argument("--budget", metavar="USD_PER_1K", type=float, help="USD that 1,000 prompts may cost on average")
    parser.add_argument("--keep", metavar="SHARE", type=float, help="of the best single model's quality, as 0.95")


def given_lambda(options: argparse.Namespace, trained: TrainedRouter) -> float:
    """The lambda that they come to.

    Raises:
        InputError: as of ``TrainedRouter.lambda_for``.
    """
    return trained.lambda_for(options.willingness_to_pay, options.budget, options.keep)
