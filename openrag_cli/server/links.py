"""Absolute links and metadata as OpenRAG clients read them. Every segment of a path is percent-encoded."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

from openrag_cli import render
from openrag_cli.domain import Chunk, File, Task
from openrag_cli.engine import Engine


def engine_of(request: Request) -> Engine:
    """Return the engine behind the application."""
    engine: Engine = request.app.state.engine
    return engine


def link(request: Request, *segments: str) -> str:
    """Return an absolute link from the request's host and root path."""
    return f"{str(request.base_url).rstrip('/')}/{'/'.join(_encoded(segment) for segment in segments)}"


def _encoded(segment: str) -> str:
    # A client resolves dot segments away, even when they are all that a name is.
    return quote(segment, safe="") if segment.strip(".") else "%2E" * len(segment)


def task_link(request: Request, task_id: str) -> str:
    """Return the link to a task's state."""
    return link(request, "indexer", "task", task_id)


def extract_link(request: Request, chunk_id: str) -> str:
    """Return the link to a chunk."""
    return link(request, "extract", chunk_id)


def task_details(task: Task) -> dict[str, Any]:
    """Return what a task is about."""
    upload = task.upload
    return {
        "partition": upload.partition,
        "file_id": upload.file_id,
        "filename": upload.filename,
        "metadata": upload.metadata,
    }


def file_metadata(file: File) -> dict[str, Any]:
    """Return a file's own metadata, and what we know of it; ours win over a user's of the same name."""
    return {**file.metadata, **{key: value for key, value in render.file(file).items() if key != "metadata"}}


def chunk_metadata(chunk: Chunk, file: File) -> dict[str, Any]:
    """Return the metadata of a chunk."""
    known = {
        key: value for key, value in render.chunk(chunk, file).items() if key not in {"text", "metadata", "chunk_id"}
    }
    return {**file.metadata, "_id": chunk.id, **known}
