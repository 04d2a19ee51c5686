"""Where the models of the router are called: a file of LiteLLM's parameters."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routerbench.errors import InputError

PRICES = ("input_cost_per_token", "output_cost_per_token")
_ENVIRONMENT = "os.environ/"  # LiteLLM's convention for secrets
_LAYOUT = "write a line MODEL: {model: openai/gpt-4, api_base: URL, api_key: os.environ/NAME} for each model"

Providers = Mapping[str, Mapping[str, Any]]
"""The router's name of a model -> the parameters of ``litellm.acompletion``: model, api_base, api_key, ..."""


def read_providers(path: Path) -> dict[str, dict[str, Any]]:
    """Read a YAML or JSON file of providers; ``os.environ/NAME`` is replaced by that variable.

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
        raise InputError(f"{path}: is neither YAML nor JSON ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: names no models; {_LAYOUT}")
    return {str(name): _parameters(parameters, str(name), path) for name, parameters in found.items()}


def _parameters(parameters: Any, name: str, path: Path) -> dict[str, Any]:
    if not isinstance(parameters, dict) or not isinstance(parameters.get("model"), str):
        raise InputError(f"{path}: model {name!r} has no parameter model; {_LAYOUT}")
    return {str(key): _value(str(key), value, f"{path}: model {name!r}, {key}") for key, value in parameters.items()}


def _value(key: str, value: Any, where: str) -> Any:
    if key in PRICES:
        try:
            price = float(value)  # YAML takes 1e-06 for a text
        except (TypeError, ValueError):
            price = -1.0
        if not 0 <= price < math.inf:
            raise InputError(f"{where}: {value!r} is no price; it is USD per token, a number of at least 0")
        return price
    if not (isinstance(value, str) and value.startswith(_ENVIRONMENT)):
        return value
    variable = value.removeprefix(_ENVIRONMENT)
    if variable not in os.environ:
        raise InputError(f"{where}: the environment has no variable {variable!r}; set it")
    return os.environ[variable]
