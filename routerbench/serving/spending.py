"""Spending options, given in a request, on the command line, or as the name of a model."""

from __future__ import annotations

from typing import NamedTuple

from routerbench.artefact.trained import TrainedRouter
from routerbench.errors import InputError

ROUTER = "router"  # model name for the server's default


class Spending(NamedTuple):
    """At most one of three spending options; see ``TrainedRouter.lambda_for``."""

    willingness_to_pay: float | None = None
    budget_usd_per_1k: float | None = None
    keep: float | None = None

    @property
    def is_given(self) -> bool:
        """Whether any option is given."""
        return any(wish is not None for wish in self)

    def lambda_of(self, router: TrainedRouter) -> float:
        """Return lambda in USD per unit of quality.

        Raises:
            InputError: the options are contradictory, out of range or not achievable by this router.
        """
        return router.lambda_for(*self)


def spending_of(name: str) -> Spending | None:
    """Parse spending from a model name. ``router`` alone specifies none; other models' names give None.

    Raises:
        InputError: the name starts like a router's but is malformed.

    Example:
        >>> spending_of("router-0.02").willingness_to_pay, spending_of("router-inf").willingness_to_pay
        (0.02, inf)
        >>> spending_of("router-budget-0.5").budget_usd_per_1k, spending_of("router-keep-0.95").keep
        (0.5, 0.95)
        >>> spending_of("gpt-4") is None
        True
    """
    if name == ROUTER:
        return Spending()
    if not name.startswith(f"{ROUTER}-"):
        return None
    said = name.removeprefix(f"{ROUTER}-")
    try:
        if said.startswith("budget-"):
            return Spending(budget_usd_per_1k=float(said.removeprefix("budget-")))
        if said.startswith("keep-"):
            return Spending(keep=float(said.removeprefix("keep-")))
        return Spending(willingness_to_pay=float(said))
    except ValueError:
        raise InputError(
            f"model {name!r}: write router-LAMBDA as router-0.02 or router-inf, router-budget-USD as "
            "router-budget-0.5 (per 1,000 prompts), or router-keep-SHARE as router-keep-0.95"
        ) from None
