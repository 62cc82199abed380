"""The application: routers, guards and error shapes around one engine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from openrag_cli import __version__
from openrag_cli.engine import Engine
from openrag_cli.errors import ConverterUnavailable, OpenRAGError
from openrag_cli.server import error_handlers as errors
from openrag_cli.server.guards.access import Access
from openrag_cli.server.guards.bodies import most_bytes
from openrag_cli.server.guards.middleware import BodyLimit, Guard
from openrag_cli.server.prometheus import Metrics, Observed
from openrag_cli.server.routes import (
    answers,
    docs,
    grep,
    indexer,
    openai,
    operations,
    partitions,
    responses,
    search,
    sync,
    system,
    views,
)
from openrag_cli.server.schemas import Error
from openrag_cli.server.supervisor import Supervisor

ROUTES = (
    system, docs, indexer, partitions, views, search, grep, answers, operations, sync, openai, responses,
)  # fmt: skip

EXPOSED = (
    "Retry-After", "X-Request-ID", "WWW-Authenticate", "Allow",
    "Content-Disposition", "Content-Length", "Content-Range", "ETag",
)  # fmt: skip
"""The headers that pages of allowed origins may read."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the application is served."""

    access: Access = field(default_factory=Access)
    root_path: str = ""
    public_url: str | None = None
    cors_origins: tuple[str, ...] = ()
    stall_s: float = 30.0
    tags_answers: bool = True
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to end: streams then say so and end."""


class _Readiness:
    """Knows what is still missing: the model is loaded beside the first requests."""

    def __init__(self, engine: Engine, supervisor: Supervisor | None) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._model_error: str | None = "the model is being loaded"

    def warm(self) -> None:
        """Load the model and open the index, so that the first search does not wait."""
        try:
            self._engine.warm()
        except OpenRAGError as exc:
            self._model_error = exc.message
        else:
            self._model_error = None

    def __call__(self) -> list[str]:
        """Return what is missing, in sentences."""
        missing = [f"model: {self._model_error}"] if self._model_error else []
        try:
            paused = self._engine.parts.ledger.paused()
            if paused is not None and paused[1].code == ConverterUnavailable.code:
                missing.append(f"worker: {paused[1].message}; {paused[0]:,} tasks wait")
        except OpenRAGError as exc:
            missing.append(f"store: {exc.message}")
        if self._supervisor is not None:
            status = self._supervisor.status()
            if status["wanted"] and not status["running"]:
                missing.append("worker: none is running")
        return missing


def create_app(engine: Engine, options: Options | None = None, supervisor: Supervisor | None = None) -> ASGIApp:
    """Return the whole application; nothing is opened or started before its lifespan begins."""
    options = options or Options()
    readiness, metrics = _Readiness(engine, supervisor), Metrics()
    app = FastAPI(
        title="openrag",
        version=__version__,
        redirect_slashes=False,
        default_response_class=errors.PlainJSON,
        lifespan=_lifespan(engine, readiness, metrics, supervisor),
        docs_url=None,  # FastAPI's loads its scripts from the network: see routes/docs.py
        redoc_url=None,
        # Its exporters send errors, texts and all, where OTEL_* says.
        telemetry={"auto_configure": False, "logs": False},
        responses=_common_errors(has_token=options.access.token is not None),
    )
    app.openapi = lambda: _with_binary_uploads(app, FastAPI.openapi(app))  # type: ignore[method-assign]
    app.state.stopping = options.stopping
    app.state.engine = engine
    app.state.public_url = options.public_url
    app.state.metrics = metrics
    app.state.readiness = readiness
    app.state.workers = supervisor.status if supervisor else dict
    app.state.run_queue = supervisor.run_queue if supervisor else lambda: None
    app.add_middleware(Observed, metrics=metrics)
    for module in ROUTES:
        app.include_router(module.router)
    errors.install(app)
    limited = BodyLimit(
        app, limit_of=lambda scope: most_bytes(scope, engine.settings.max_file_bytes), stall_s=options.stall_s
    )
    guarded = Guard(
        limited,
        access=options.access,
        root_path=options.root_path,
        tags_answers=options.tags_answers,
        on_refusal=metrics.count_refusal,
    )
    if not options.cors_origins:
        return guarded
    return CORSMiddleware(  # outermost: a page may read why it was refused
        guarded,
        allow_origins=list(options.cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=EXPOSED,
    )


def _with_binary_uploads(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with `format: binary` on uploads: by that alone generators of clients know a file."""
    for schema in document.get("components", {}).get("schemas", {}).values():
        for entry in schema.get("properties", {}).values():
            if isinstance(entry, dict) and entry.get("contentMediaType") == "application/octet-stream":
                entry["format"] = "binary"
    app.openapi_schema = document
    return document


def _common_errors(*, has_token: bool) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of what any route may answer."""
    described = {408: "The body came too slowly", 413: "The body is too large", 422: "A parameter is wrong"}
    if has_token:
        described[401] = "The token is missing or wrong"
    return {status: {"model": Error, "description": text} for status, text in described.items()}


def _lifespan(
    engine: Engine, readiness: _Readiness, metrics: Metrics, supervisor: Supervisor | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """Begin and end with the server."""
        engine.partitions()  # makes the store, or fails with a clear error before a request does
        if supervisor is not None:
            supervisor.start()
        warming = threading.Thread(target=readiness.warm, name="warm")
        warming.start()
        watch = asyncio.create_task(metrics.watch_loop())
        yield
        watch.cancel()
        await asyncio.to_thread(warming.join)  # the process must not end while the runtime loads the model: it aborts
        if supervisor is not None:
            supervisor.stop()
        await engine.end_chat()
        engine.close()

    return lifespan
