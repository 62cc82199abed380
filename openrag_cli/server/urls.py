"""Absolute links and metadata as OpenRAG clients read them. Every segment of a path is percent-encoded."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

from openrag_cli.contract import to_json as render
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


def task_facts(task: Task) -> dict[str, Any]:
    """Return the rest of what is known of a task, as the command line shows it."""
    body = render.task(task)
    return {key: body[key] for key in ("kind", "attempts", "error", "created_at", "updated_at", "warnings")}


def file_metadata(file: File) -> dict[str, Any]:
    """Return what is known of a file, beside its own metadata flat (ours win) and again whole under `metadata`."""
    return {**file.metadata, **render.file(file)}


def chunk_metadata(chunk: Chunk, file: File) -> dict[str, Any]:
    """Return what is known of a chunk, beside its file's metadata flat (ours win) and again whole under `metadata`."""
    known = {key: value for key, value in render.chunk(chunk, file).items() if key not in {"text", "chunk_id"}}
    return {**file.metadata, "_id": chunk.id, **known}
