"""Model names of other projects, from a JSON object that maps our names to theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from routerbench.errors import InputError


def their_names(models: Sequence[str], path: Path | None) -> list[str]:
    """Return the M names that another project uses for the models, in the order of ``models``.

    Args:
        models: our M names.
        path: a JSON file ``{"our name": "their name", ...}``. Models that it omits keep our name. None keeps all.

    Raises:
        InputError: the file is malformed, names a model that the router does not have, or repeats a name.
    """
    if path is None:
        return list(models)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: cannot be read ({error}); write {{"our name": "their name"}}') from error
    if not isinstance(names, dict) or not all(isinstance(name, str) and name for name in names.values()):
        raise InputError(f'{path}: is no object of names; write {{"our name": "their name"}}')
    for name in names:
        if name not in models:
            raise InputError(f"{path}: no model {name!r}; the router has {', '.join(models)}")
    found = [names.get(model, model) for model in models]
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"{path}: two models are called {name!r}; give each a name of its own")
    return found
