"""Absolute links and metadata as OpenRAG clients read them. Every segment of a path is percent-encoded."""

from urllib.parse import quote

from fastapi import Request

from openrag_cli.access.principal import NOBODY
from openrag_cli.engine import Engine


def engine_of(request: Request) -> Engine:
    """Return the engine behind the application, as who sent the request may use it: see guards/."""
    engine: Engine = request.app.state.engine
    return engine.asked_by(request.scope.get("principal", NOBODY))


def link(request: Request, *segments: str) -> str:
    """Return an absolute link: below OPENRAG_PUBLIC_URL, or below the host of the request, which the guard has allowed."""
    base = request.app.state.public_url or str(request.base_url)
    return f"{base.rstrip('/')}/{'/'.join(_encoded(segment) for segment in segments)}"


def _encoded(segment: str) -> str:
    # A client resolves dot segments away, even when they are all that a name is.
    return quote(segment, safe="") if segment.strip(".") else "%2E" * len(segment)


def task_link(request: Request, task_id: str) -> str:
    """Return the link to a task's state."""
    return link(request, "indexer", "task", task_id)


def extract_link(request: Request, chunk_id: str) -> str:
    """Return the link to a chunk."""
    return link(request, "extract", chunk_id)
