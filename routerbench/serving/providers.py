"""The providers of the router's models: a file of LiteLLM's parameters."""

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
_SECRET = re.compile("key|token|secret|password|credential|header", re.IGNORECASE)  # names of secret parameters
_SHORTEST = 4  # minimum length of a secret; a dummy key such as "x" occurs in every text
_LAYOUT = "write a line MODEL: {model: openai/gpt-4, api_base: URL, api_key: os.environ/NAME} for each model"

Providers = Mapping[str, Mapping[str, Any]]
"""Maps the router's name of a model to the parameters of ``litellm.acompletion``: model, api_base, api_key, ..."""


class FromEnvironment(str):
    """A value from an environment variable, which is never printed."""

    __slots__ = ()


def read_providers(path: Path) -> dict[str, dict[str, Any]]:
    """Read a YAML or JSON file of providers. ``os.environ/NAME``, at any depth, is replaced by that variable.

    Args:
        path: file that maps the router's name of a model to LiteLLM's parameters.

    Raises:
        InputError: the file is missing or malformed, or an environment variable is not set.
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
    """Collect values that no message may contain: keys, headers, and everything from the environment.

    Args:
        parameters: parameters of one model from :func:`read_providers`.
    """
    values = list(_secrets(parameters, is_secret=False))
    # A message may contain only the key of "Bearer KEY".
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
    """Say why and where the file is not valid YAML, without quoting it, since the text may be a key."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    # YAML quotes a key that begins with * or ! as a name; in its own messages it quotes one character, or text in <>.
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
        price = float(value)  # YAML reads 1e-06 as text
    except (TypeError, ValueError):
        price = -1.0
    if not 0 <= price < math.inf:
        raise InputError(f"{where} is no price; it is USD per token, a number of at least 0")
    return price


def _resolved(value: Any, where: str) -> Any:
    """Replace references to environment variables."""
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
