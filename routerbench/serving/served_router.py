"""The router in service, and how a new one takes its place."""

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
    """One state of the artefact.

    Attributes:
        router: predicts and decides.
        digest: SHA-256 of ``router.json``, which names the digests of the weights and the encoder in turn.
    """

    router: TrainedRouter
    digest: str


class ServedRouter:
    """The router in service; whoever read ``current`` goes on with it while another takes its place.

    Args:
        folder: the artefact.
        device: as ``routerbench.load`` takes it.
        backend: "torch" or "onnx".
        default: what is spent where a request says nothing; a router that cannot reach it is not put into service.

    Raises:
        InputError: the artefact is broken, takes no texts, or cannot reach the default.
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
        """Put only routers into service whose models pass a check, which raises InputError; this one's have to, too."""
        check_models(self.current.router.models)
        self._check_models = check_models

    def reload(self) -> Loaded:
        """Load the folder again, check it, and put it into service; blocks, so call it in a thread.

        Raises:
            InputError: the artefact is broken; the router before stays in service.
        """
        with self._one_at_a_time:
            self.tried = self.files()
            self.current = self._load()
            return self.current

    def files(self) -> frozenset[tuple[str, int, int]]:
        """Name, time of writing in ns, and size of every file; those last loaded or refused are ``tried``."""
        found = set()
        for path in self.folder.rglob("*"):
            try:
                status = path.stat()
            except OSError:  # it was just taken away
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
        except Exception as error:  # whatever is wrong with a file, the old router has to stay in service
            raise InputError(f"{self.folder}: cannot be served ({error!r}); train or copy it again") from error
        if not is_whole:
            raise InputError(f"{self.folder}: was written while it was loaded; load it again")
        return Loaded(router, digest)

    def _digest(self) -> str:
        card = self.folder / artefact.CARD
        if not card.is_file():
            raise InputError(f"{self.folder}: no router there, {artefact.CARD} is missing")
        return sha256_of(card)
