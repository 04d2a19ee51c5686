"""State shared by all endpoints: router, queue, metrics, log and providers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from pathlib import Path
from typing import Any

from routerbench.artefact.trained import TrainedRouter
from routerbench.errors import InputError
from routerbench.serving.batching import Batcher
from routerbench.serving.forwarding import Forwarder
from routerbench.serving.journal import Journal
from routerbench.serving.metrics import Metrics
from routerbench.serving.providers import Providers
from routerbench.serving.served_router import Loaded, ServedRouter
from routerbench.serving.spending import Spending

log = logging.getLogger(__name__)


class Service:
    """A router in service.

    Args:
        served: the router.
        providers: providers of its models; without any, chat is not available.
        log_path: path of the log, or None.
        max_waiting: maximum number of prompts that wait for a prediction.
        poll_seconds: interval of checks for a changed artefact; 0 for none.
    """

    def __init__(
        self,
        served: ServedRouter,
        providers: Providers | None = None,
        log_path: Path | None = None,
        max_waiting: int = 1024,
        poll_seconds: float = 0.0,
    ) -> None:
        self.served, self.poll_seconds = served, poll_seconds
        self.metrics = Metrics()
        self.batcher = Batcher(served, max_waiting=max_waiting, on_batch=self.metrics.batch.observe)
        self.forwarder = Forwarder(providers, self.metrics) if providers else None
        self.journal = Journal(log_path, self.metrics) if log_path else None
        if self.forwarder is not None:
            served.require(self.forwarder.check_models)
            self.forwarder.prepare()

    async def run(self) -> None:
        """Process requests until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.batcher.run())
            if self.poll_seconds:
                tasks.create_task(self._watch())

    def lambda_of(self, spending: Spending, router: TrainedRouter) -> float:
        """Return the lambda of a request, or of the server's default if the request specifies none.

        Raises:
            InputError: neither is specified, or the value is invalid.
        """
        return (spending if spending.is_given else self.served.default).lambda_of(router)

    async def reload(self) -> Loaded:
        """Put the artefact on disk into service.

        Raises:
            InputError: the artefact is broken; the previous router stays in service.
        """
        try:
            loaded = await asyncio.to_thread(self.served.reload)
        except InputError as error:
            self.metrics.reloads.labels("refused").inc()
            stays = f"the router {self.served.current.digest[:12]} stays in service"
            log.error("%s; %s", error, stays)
            raise InputError(f"{error}; {stays}") from error
        self.metrics.reloads.labels("loaded").inc()
        log.info("%s: router %s is in service", self.served.folder, loaded.digest[:12])
        return loaded

    async def _watch(self) -> None:
        before = self.served.tried
        while True:
            await asyncio.sleep(self.poll_seconds)
            files = await asyncio.to_thread(self.served.files)
            if files == before != self.served.tried:  # unchanged since the last check, so not being copied
                # A refusal is logged; the next attempt follows the next change.
                with contextlib.suppress(InputError):
                    await self.reload()
            before = files

    @staticmethod
    def new_id() -> str:
        """Make a unique identifier for a decision."""
        return uuid.uuid4().hex

    def count(self, model: str, cost: float | None) -> None:
        """Count one decision and its predicted cost in USD."""
        self.metrics.decisions.labels(model).inc()
        self.metrics.cost.labels(model).inc(cost or 0.0)

    async def log(self, id_: str, **line: Any) -> None:
        """Log one decision if there is a log."""
        if self.journal is not None:
            await self.journal.decided(id_, **line)
