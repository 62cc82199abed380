"""Metrics in Prometheus' format, in a registry of our own."""

import asyncio
import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openrag_cli.engine import Engine

TICK_S = 0.1
STALL_S = 0.5


class Metrics:
    """What the server counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "openrag_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "openrag_http_request_seconds", "Seconds to an answer", ("method", "route"), registry=self._registry
        )
        self._refusals = Counter(
            "openrag_refused_requests",
            "Requests that might not pass, by reason",
            ("reason",),
            registry=self._registry,
        )
        for reason in ("not_authenticated", "wrong_host", "wrong_origin"):
            self._refusals.labels(reason)
        self._stalls = Counter(
            "openrag_event_loop_stalls",
            f"Times that one piece of work kept the event loop for {STALL_S:g} s of processor time",
            registry=self._registry,
        )
        self._tasks = Gauge("openrag_tasks", "Tasks by state", ("state",), registry=self._registry)
        self._files = Gauge("openrag_files", "Files by partition", ("partition",), registry=self._registry)
        self._chunks = Gauge("openrag_chunks", "Chunks by partition", ("partition",), registry=self._registry)

    def count(self, method: str, pattern: str, status: int, seconds: float) -> None:
        """Count one request under its route's pattern, never its path: ids would make a series each."""
        self._requests.labels(method, pattern, status).inc()
        self._seconds.labels(method, pattern).observe(seconds)

    def count_refusal(self, reason: str) -> None:
        """Count one request that was turned away: with a wrong token, under a foreign name or from a foreign page."""
        self._refusals.labels(reason).inc()

    async def watch_loop(self) -> None:
        """Count stalls of the event loop that this runs in, until it is cancelled.

        The loop's own processor time is measured, so a busy machine is no stall.
        """
        while True:
            before = time.thread_time()
            await asyncio.sleep(TICK_S)
            if time.thread_time() - before >= STALL_S:
                self._stalls.inc()

    def render(self, engine: Engine) -> tuple[bytes, str]:
        """Return the metrics as text, and its media type."""
        for state, n_tasks in engine.task_counts().items():
            self._tasks.labels(str(state)).set(n_tasks)
        self._files.clear()
        self._chunks.clear()
        for partition in engine.partitions():
            self._files.labels(partition.name).set(partition.file_count)
            self._chunks.labels(partition.name).set(partition.chunk_count)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class Observed:
    """Counts requests; a stream when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            """Take note of one answer."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            pattern = getattr(scope.get("route"), "path", "unknown")
            self._metrics.count(scope["method"], pattern, status, time.perf_counter() - began)
