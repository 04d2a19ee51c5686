"""Token prices, kept in a separate file because they change independently of tables and routers.

A price list is a JSON file ``{"gpt-4": {"input_usd_per_1m": 30, "output_usd_per_1m": 60}, ...}``.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError

KEYS = ("input_usd_per_1m", "output_usd_per_1m")


def with_prices(table: OutcomeTable, path: str | Path) -> OutcomeTable:
    """Add the models' prices to a table, and compute unknown costs from token counts and prices.

    Args:
        table: N outcomes with ``tokens``.
        path: the price list; it may contain further models.

    Raises:
        InputError: the table has no token counts, the file is not a price list, or a model has no price.
    """
    if table.tokens is None:
        raise InputError(
            f"{table.source}: no token counts for the prices of {path}; add columns 'NAME|input_tokens' and "
            "'NAME|output_tokens' for each model, 'input_tokens' and 'output_tokens' in a long table"
        )
    listed = _read(path)
    prices = np.array([[_price(listed, model, key, path) for key in KEYS] for model in table.models])
    cost = np.where(np.isnan(table.cost), (table.tokens * prices).sum(axis=2) / 1e6, table.cost)
    return replace(table, prices=prices, cost=cost)


def _read(path: str | Path) -> dict[str, Any]:
    try:
        listed = json.loads(Path(path).expanduser().read_text())
    except OSError as error:
        raise InputError(f"{path}: no price list there ({error.strerror}); check the path") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(listed, dict):
        raise InputError(f'{path}: not a price list; it is {{"MODEL": {{"{KEYS[0]}": 1.0, "{KEYS[1]}": 2.0}}}}')
    return listed


def _price(listed: dict[str, Any], model: str, key: str, path: str | Path) -> float:
    if model not in listed:
        raise InputError(f"{path}: no prices for {model!r}; the list has {', '.join(listed)}")
    value = listed[model].get(key) if isinstance(listed[model], dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"{path}: {key!r} of {model!r} is {value!r}; a price is in USD per million tokens, at least 0")
    return float(value)
