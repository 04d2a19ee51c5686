"""Command lines that we print or run: each word so that Hydra reads from it what was meant, and the shell too."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | Path | bool | Sequence[str | Path]

# What Hydra's grammar takes for a text as it stands; anything else is quoted, as is a text that would be a number.
_PLAIN = re.compile(r"(?:[A-Za-z_/]|\.{1,2}/)[A-Za-z0-9_./-]*")
_RESERVED = {"null", "true", "false", "nan", "inf"}


def command_line(script: str, options: Mapping[str, Value]) -> str:
    """A line for the shell.

    Args:
        script: ``train.py`` or ``evaluate.py``.
        options: name of an option of ``conf/`` -> its value.

    Example:
        >>> print(command_line("train.py", {"data": "table", "data.path": "my out.parquet"}))
        python train.py data=table 'data.path="my out.parquet"'
    """
    return shlex.join(["python", script, *(override(name, value) for name, value in options.items())])


def override(name: str, value: Value) -> str:
    """An option and its value in the grammar of Hydra's overrides.

    Example:
        >>> print(override("data.models", ["gpt-4", "a,b"]))
        data.models=[gpt-4,"a,b"]
    """
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, str | Path):
        return f"{name}={_quoted(str(value))}"
    return f"{name}=[{','.join(_quoted(str(item)) for item in value)}]"


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    # OmegaConf resolves ${...} of a value, but for \${...}; Hydra reads \" as ". Backslashes count only before these.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r'(\\*)("|\Z)', lambda found: found[1] * 2 + found[2].replace('"', r"\""), text)
    return f'"{text}"'
