"""Concatenation of several encoders."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, Store
from routerbench.errors import InputError

if TYPE_CHECKING:
    from routerbench.data.outcomes import OutcomeTable


PARTS: Sequence[Mapping[str, Any]] = (
    {"encoder": "minilm"},
    {"encoder": "hashing", "dim": 2048, "weight": 1.5},
    {"encoder": "readable", "weight": 0.1},
)


class CombinedEncoder(Encoder):
    """Concatenates the embeddings of its parts, each multiplied by its weight.

    Args:
        parts: a dictionary for each part: the value of ``encoder=`` as "encoder", its "weight" (default 1), and the
            options of the encoder.
        device: device of the parts that run on one.

    Raises:
        InputError: there are no parts, or a name or an option is invalid.
    """

    def __init__(self, parts: Sequence[Mapping[str, Any]] = PARTS, device: str = "auto") -> None:
        self.parts = [dict(part) for part in parts]
        self.device = device
        if not self.parts:
            raise InputError("encoder.parts is empty; list encoders, [{encoder: minilm}, {encoder: readable}]")
        for part in self.parts:
            _encoder(part, device)  # refuses invalid options before any work starts

    @property
    def dim(self) -> int:
        """Embedding size D, the sum over the parts."""
        return sum(encoder.dim for encoder, _ in self._weighted)

    @property
    def identity(self) -> dict[str, Any]:
        """Identities and weights of the parts."""
        parts = [{**encoder.identity, "weight": weight} for encoder, weight in self._weighted]
        return {"encoder": "combined", "parts": parts}

    @cached_property
    def _weighted(self) -> list[tuple[Encoder, float]]:
        return [(_encoder(part, self.device), float(part.get("weight", 1.0))) for part in self.parts]

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts with every part.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.

        Example:
            >>> parts = [{"encoder": "hashing", "dim": 64}, {"encoder": "readable", "weight": 0.1}]
            >>> CombinedEncoder(parts).encode(["What is 7 + 5?"]).shape
            (1, 86)
        """
        return np.hstack([np.float32(weight) * encoder.encode(prompts) for encoder, weight in self._weighted])

    def embed(self, table: OutcomeTable, store: Store) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of a table's prompts; each part uses the store, or its own file."""
        return np.hstack([np.float32(weight) * encoder.embed(table, store) for encoder, weight in self._weighted])


def _encoder(part: Mapping[str, Any], device: str) -> Encoder:
    options = {key: value for key, value in part.items() if key not in ("encoder", "weight")}
    name = part.get("encoder")
    if name == "combined":
        raise InputError("encoder.parts: combined cannot be a part of itself")
    if name == "static" and options.get("name") is None:
        raise InputError("encoder.parts: static needs a folder or a model here; one made from MiniLM would not travel")
    try:
        module = importlib.import_module(f"routerbench.encoders.{name}")
    except ImportError as error:
        raise InputError(f"encoder.parts: no encoder {name!r}") from error
    kinds = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    encoders = [kind for kind in kinds if issubclass(kind, Encoder) and not inspect.isabstract(kind)]
    if not encoders:
        raise InputError(f"encoder.parts: no encoder {name!r}")
    (cls,) = encoders
    if "device" in inspect.signature(cls).parameters:
        options.setdefault("device", device)
    try:
        return cls(**options)
    except TypeError as error:
        raise InputError(f"encoder.parts: {name}: {error}") from error
