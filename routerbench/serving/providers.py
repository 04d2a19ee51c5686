"""Where the models of the router are called: a file of LiteLLM's parameters."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from routerbench.errors import InputError

PRICES = ("input_cost_per_token", "output_cost_per_token")
_ENVIRONMENT = "os.environ/"  # LiteLLM's convention for secrets
_SECRET = re.compile("key|token|secret|password|credential|header", re.IGNORECASE)  # parameters of such names
_SHORTEST = 4  # characters of a secret; a key that is shorter, "x" for a server that wants none, is in every text
_LAYOUT = "write a line MODEL: {model: openai/gpt-4, api_base: URL, api_key: os.environ/NAME} for each model"

Providers = Mapping[str, Mapping[str, Any]]
"""The router's name of a model -> the parameters of ``litellm.acompletion``: model, api_base, api_key, ..."""


class FromEnvironment(str):
    """A value that was kept out of the file, so it is printed nowhere."""

    __slots__ = ()


def read_providers(path: Path) -> dict[str, dict[str, Any]]:
    """Read a YAML or JSON file of providers; ``os.environ/NAME``, at any depth, is replaced by that variable.

    Args:
        path: the file: the router's name of a model -> LiteLLM's parameters.

    Raises:
        InputError: the file is missing or not of that form, or an environment variable is not set.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML, too
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is neither YAML nor JSON{_reason(error)}") from None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: names no models; {_LAYOUT}")
    return {str(name): _parameters(parameters, str(name), path) for name, parameters in found.items()}


def secrets_of(parameters: Mapping[str, Any]) -> set[str]:
    """What nobody may read in a message: keys, headers, and all that came from the environment.

    Args:
        parameters: of one model, as :func:`read_providers` returns them.
    """
    values = list(_secrets(parameters, is_secret=False))
    # Of "Bearer KEY" a message may have the key alone.
    return {word for value in values for word in (value, *value.split()[-1:]) if len(word) >= _SHORTEST}


def _secrets(value: Any, is_secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets(item, is_secret or bool(_SECRET.search(str(name))))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, is_secret)
    elif isinstance(value, FromEnvironment) or (is_secret and isinstance(value, str)):
        yield str(value)


def _reason(error: Any) -> str:
    """Why the file is no YAML, and where, but nothing of its text, which may be a key."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    # A key that begins with * or ! is quoted as a name; what YAML itself has in quotes is one sign, or in <>.
    return where + (": " + re.sub(r"(?<!\S)(['\"])[^<\s]{2,}?\1", "'...'", problem) if problem else "")


def _parameters(parameters: Any, name: str, path: Path) -> dict[str, Any]:
    if not isinstance(parameters, dict) or not isinstance(parameters.get("model"), str):
        raise InputError(f"{path}: model {name!r} has no parameter model; {_LAYOUT}")
    where = f"{path}: model {name!r}"
    found = {str(key): _resolved(value, f"{where}, {key}") for key, value in parameters.items()}
    prices = {key: _price(found[key], f"{where}, {key}: {parameters[key]!r}") for key in PRICES if key in found}
    if len(prices) == 1:
        raise InputError(f"{where} has {next(iter(prices))} alone; give both {' and '.join(PRICES)}, or neither")
    return found | prices


def _price(value: Any, where: str) -> float:
    try:
        price = float(value)  # YAML takes 1e-06 for a text
    except (TypeError, ValueError):
        price = -1.0
    if not 0 <= price < math.inf:
        raise InputError(f"{where} is no price; it is USD per token, a number of at least 0")
    return price


def _resolved(value: Any, where: str) -> Any:
    """The value, with variables of the environment in their places."""
    if isinstance(value, dict):
        return {str(key): _resolved(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, where) for item in value]
    if not (isinstance(value, str) and value.startswith(_ENVIRONMENT)):
        return value
    variable = value.removeprefix(_ENVIRONMENT)
    if variable not in os.environ:
        raise InputError(f"{where}: the environment has no variable {variable!r}; set it")
    return FromEnvironment(os.environ[variable])
