"""The router in service and its replacement without downtime."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from routerbench import artefact
from routerbench.artefact.trained import TrainedRouter
from routerbench.errors import InputError
from routerbench.files import sha256_of
from routerbench.serving.spending import Spending


@dataclass(frozen=True)
class Loaded:
    """A router as loaded from its artefact.

    Attributes:
        router: the router.
        digest: SHA-256 of ``router.json``, which contains the digests of weights and encoder.
    """

    router: TrainedRouter
    digest: str


class ServedRouter:
    """Holder of the router in service. Requests keep the ``current`` router they started with while it is replaced.

    Args:
        folder: folder of the artefact.
        device: see ``routerbench.load``.
        backend: "torch" or "onnx".
        default: spending for requests that specify none; a router that cannot meet it is refused.

    Raises:
        InputError: the artefact is broken, takes no texts, or cannot meet the default.
    """

    def __init__(
        self,
        folder: Path,
        device: str = "auto",
        backend: Literal["torch", "onnx"] = "torch",
        default: Spending | None = None,
    ) -> None:
        self.folder, self.device, self.backend, self.default = folder, device, backend, default or Spending()
        self._one_at_a_time = threading.Lock()
        self._check_models: Callable[[Sequence[str]], None] = lambda models: None
        self.tried = self.files()
        self.current = self._load()

    def require(self, check_models: Callable[[Sequence[str]], None]) -> None:
        """Require that the models of this and every later router pass a check, which raises InputError."""
        check_models(self.current.router.models)
        self._check_models = check_models

    def reload(self) -> Loaded:
        """Load the folder again, check it, and put it into service. Blocks, so call it in a thread.

        Raises:
            InputError: the artefact is broken; the previous router stays in service.
        """
        with self._one_at_a_time:
            self.tried = self.files()
            self.current = self._load()
            return self.current

    def files(self) -> frozenset[tuple[str, int, int]]:
        """List name, modification time in ns and size of every file; ``tried`` holds those last loaded or refused."""
        found = set()
        for path in self.folder.rglob("*"):
            try:
                status = path.stat()
            except OSError:  # deleted meanwhile
                continue
            found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)

    def _load(self) -> Loaded:
        try:
            digest = self._digest()
            router = artefact.load(self.folder, device=self.device, backend=self.backend)
            router.predict(["A first prompt, so that the next one does not wait for what is made once."])
            if self.default.is_given:
                self.default.lambda_of(router)
            self._check_models(router.models)
            is_whole = self._digest() == digest
        except InputError:
            raise
        except Exception as error:  # whatever is wrong with the files, the old router must stay in service
            raise InputError(f"{self.folder}: cannot be served ({error!r}); train or copy it again") from error
        if not is_whole:
            raise InputError(f"{self.folder}: was written while it was loaded; load it again")
        return Loaded(router, digest)

    def _digest(self) -> str:
        card = self.folder / artefact.CARD
        if not card.is_file():
            raise InputError(f"{self.folder}: no router there, {artefact.CARD} is missing")
        return sha256_of(card)
