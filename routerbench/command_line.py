"""Command lines to print or run, quoted for both Hydra and the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | Path | bool | Sequence[str | Path]

# Texts that need no quotes in Hydra's grammar; others are quoted, including texts that look like numbers.
_PLAIN = re.compile(r"(?:[A-Za-z_/]|\.{1,2}/)[A-Za-z0-9_./-]*")
_RESERVED = {"null", "true", "false", "nan", "inf"}


def command_line(script: str, options: Mapping[str, Value]) -> str:
    """Build a shell command line.

    Args:
        script: ``train.py`` or ``evaluate.py``.
        options: maps names of options in ``conf/`` to their values.

    Example:
        >>> print(command_line("train.py", {"data": "table", "data.path": "my out.parquet"}))
        python train.py data=table 'data.path="my out.parquet"'
    """
    return shlex.join(["python", script, *(override(name, value) for name, value in options.items())])


def override(name: str, value: Value) -> str:
    """Format an option and its value in Hydra's override grammar.

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
    # OmegaConf resolves ${...} but not \${...}; Hydra reads \" as ". Backslashes are special only before these.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r'(\\*)("|\Z)', lambda found: found[1] * 2 + found[2].replace('"', r"\""), text)
    return f'"{text}"'
