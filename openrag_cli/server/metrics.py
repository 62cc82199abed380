"""Metrics in Prometheus' format, in a registry of our own."""

import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from openrag_cli.engine import Engine


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
        self._tasks = Gauge("openrag_tasks", "Tasks by state", ("state",), registry=self._registry)
        self._files = Gauge("openrag_files", "Files by partition", ("partition",), registry=self._registry)
        self._chunks = Gauge("openrag_chunks", "Chunks by partition", ("partition",), registry=self._registry)

    async def observe(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Count one request under its route's pattern, never its path: ids would make a series each."""
        began = time.perf_counter()
        response = await call_next(request)
        pattern = getattr(request.scope.get("route"), "path", "unknown")
        self._requests.labels(request.method, pattern, response.status_code).inc()
        self._seconds.labels(request.method, pattern).observe(time.perf_counter() - began)
        return response

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
