"""Absolute links and metadata as OpenRAG clients read them. Every segment of a path is percent-encoded."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

from openrag_cli.access.principal import NOBODY
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Chunk, File, Task
from openrag_cli.engine import Engine
from openrag_cli.store.metadata import resolved, rfc3339

FILE_KEYS = frozenset({"filename", "metadata", "created_at", "updated_at", "indexed_at", "stored_as"})
"""What a chunk shows of its file."""


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
    """Return the one view of a file, flat; what is said of it again under `metadata`, what we know under `stored`.

    Where it came from is its `source`, and its size for a person its `file_size`, but where the user or the document
    says another; its folder is never told.
    """
    apart = _apart(file)
    return {"source": apart["stored"]["source"], "file_size": _size(file.size), **resolved(file), **apart}


def _size(n_bytes: int) -> str:
    """Return a size as OpenRAG's clients read it: `17.00 B`, `1.25 KB`."""
    size, units = float(n_bytes), ["B", "KB", "MB", "GB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.2f} {units[0]}"


def _apart(file: File) -> dict[str, Any]:
    body = render.file(file)
    stored = {
        "filename": file.filename,
        "media_type": file.media_type,
        "size": file.size,
        "sha256": file.sha256,
        "chunk_count": file.chunk_count,
        "created_at": rfc3339(file.created_at),
        "updated_at": rfc3339(file.updated_at),
        "modified_at": rfc3339(file.dated),
        "metadata": file.metadata,
        "source": body["source"],
    }
    return {name: body[name] for name in ("metadata", "document_metadata", "warnings", "made_by")} | {
        "stored": stored
    }


def chunk_metadata(chunk: Chunk, file: File) -> dict[str, Any]:
    """Return what is known of a chunk, over the view of its file as `file_metadata` shows it."""
    known = {key: value for key, value in render.chunk(chunk, file).items() if key not in {"text", "chunk_id"}}
    return {
        **resolved(file),
        **_apart(file),
        **{key: value for key, value in known.items() if key not in FILE_KEYS},
        "_id": chunk.id,
    }
