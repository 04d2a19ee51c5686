"""Prometheus metrics of the service."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of one service, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "routerbench"}
        self.requests = Counter("requests", "Requests answered.", ["path", "status"], **own)
        self.seconds = Histogram("request_seconds", "Until the last byte.", ["path"], buckets=_SECONDS, **own)
        self.batch = Histogram("batch_prompts", "Prompts predicted at once.", buckets=[2**i for i in range(11)], **own)
        self.decisions = Counter("decisions", "Prompts sent to a model.", ["model"], **own)
        self.cost = Counter("predicted_cost_usd", "Predicted cost of the decisions.", ["model"], **own)
        self.measured = Counter("measured_cost_usd", "Cost of the answers, where prices are known.", ["model"], **own)
        self.upstream_errors = Counter("upstream_errors", "Failed calls of a provider.", ["model", "status"], **own)
        self.fallbacks = Counter("fallbacks", "Requests passed on to the next best model.", ["model"], **own)
        self.reloads = Counter("reloads", "Artefacts loaded or refused.", ["result"], **own)
        self.log_errors = Counter("log_errors", "Lines that could not be written to the log.", **own)

    def text(self) -> bytes:
        """Format the metrics for Prometheus."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """ASGI middleware that counts and times requests.

    Args:
        app: the application.
        metrics: where to count.
        paths: paths with a label of their own; a client must not be able to create others.
    """

    def __init__(self, app: Any, metrics: Metrics, paths: frozenset[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self.paths else "other"
        status, start = "disconnected", time.perf_counter()

        async def observe(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, observe)
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - start)
