"""A file, and what is told of it wherever it stands: warnings, what made it, where it came from."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from openrag_cli.contract.nouns.shape import (
    ANY,
    ANY_OBJECT,
    COUNT,
    TEXT,
    TIME,
    Field,
    Json,
    Shape,
    list_of,
    maybe,
    object_of,
    sometimes,
)
from openrag_cli.domain import DocumentWarning, File, FileSource, MadeBy
from openrag_cli.store.metadata import resolved, rfc3339, said

LONG_AGO = datetime.fromtimestamp(0, tz=UTC)
WARNING = object_of(code=TEXT, message=TEXT, place=maybe(TEXT))
MADE_BY = object_of(reader=TEXT, chunker=TEXT, model=TEXT)
SOURCE = object_of(kind={"enum": ["folder", "file", "url", "upload"]}, label=TEXT)


class Shown(NamedTuple):
    """A file with the one view of what is said of it: `filename` and `created_at` may be the user's or the document's."""

    file: File
    view: Json


def shown(file: File) -> Shown:
    """Return a file as it is shown."""
    return Shown(file, resolved(file))


def _source(value: FileSource | None) -> Json | None:
    return {"kind": value.kind, "label": value.label} if value else None


VIEWED: Shape[Shown] = Shape(
    Field("filename", TEXT, lambda value: value.view["filename"]),
    Field(
        "created_at", ANY, lambda value: value.view["created_at"]
    ),  # what a user or a document says may be anything
    Field("updated_at", ANY, lambda value: value.view["updated_at"]),
    Field("modified_at", TIME, lambda value: value.view["modified_at"]),
    Field("indexed_at", TIME, lambda value: value.view["indexed_at"]),
    Field("stored_as", TEXT, lambda value: value.view["stored_as"]),
)
"""What a chunk shows of its file too; ours stay readable as `stored_as` and `indexed_at`."""
SHAPE: Shape[Shown] = Shape(
    Field("partition", TEXT, lambda value: value.file.partition),
    Field("file_id", TEXT, lambda value: value.file.file_id),
    *VIEWED.only("filename").fields,
    Field("media_type", TEXT, lambda value: value.file.media_type),
    Field("size", COUNT, lambda value: value.file.size),
    Field("sha256", TEXT, lambda value: value.file.sha256),
    Field("chunk_count", COUNT, lambda value: value.file.chunk_count),
    Field("revision", TEXT, lambda value: value.file.revision),
    Field("metadata", ANY_OBJECT, lambda value: said(value.file)),
    Field("document_metadata", ANY_OBJECT, lambda value: value.file.document_metadata),
    *VIEWED.only("created_at").fields,
    Field("updated_at", ANY, lambda value: rfc3339(value.file.updated_at)),
    *VIEWED.only("modified_at", "indexed_at", "stored_as").fields,
    Field("warnings", list_of(WARNING), lambda value: [asdict(warning) for warning in value.file.warnings]),
    Field("made_by", maybe(MADE_BY), lambda value: asdict(value.file.made_by) if value.file.made_by else None),
    Field("source", maybe(SOURCE), lambda value: _source(value.file.source)),
)
STORED = (
    SHAPE.only("media_type", "size", "sha256", "chunk_count")
    .also(Field("filename", TEXT, lambda value: value.file.filename))
    .also(Field("created_at", TIME, lambda value: rfc3339(value.file.created_at)))
    .also(Field("updated_at", TIME, lambda value: rfc3339(value.file.updated_at)))
    .also(Field("modified_at", TIME, lambda value: rfc3339(value.file.dated)))
    .also(Field("metadata", ANY_OBJECT, lambda value: value.file.metadata))
    .also(Field("source", maybe(SOURCE), lambda value: _source(value.file.source)))
)
"""What we know of a file, whatever is said of it."""
APART = SHAPE.only("metadata", "document_metadata", "warnings", "made_by").also(
    Field("stored", STORED.schema, STORED.as_json)
)
"""What stands beside the flat view over HTTP."""
HTTP = sometimes(
    SHAPE.only("partition", "file_id", "filename", "revision", "indexed_at", "stored_as").also(*APART.fields).schema,
    source=ANY,
)


def over_http(file: File) -> Json:
    """Return the one view of a file, flat; what is said of it again under `metadata`, what we know under `stored`.

    Where it came from is its `source`, and its size for a person its `file_size`, but where the user or the document
    says another; its folder is never told.
    """
    value = shown(file)
    own = {"source": _source(file.source), "file_size": _size(file.size)}
    return {**own, **value.view, **APART.as_json(value)}


def _size(n_bytes: int) -> str:
    """Return a size as OpenRAG's clients read it: `17.00 B`, `1.25 KB`."""
    size, units = float(n_bytes), ["B", "KB", "MB", "GB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.2f} {units[0]}"


def time(text: str | None) -> datetime:
    """Return a time; long ago where none is told."""
    return datetime.fromisoformat(text) if text else LONG_AGO


def read_warnings(entry: Json) -> tuple[DocumentWarning, ...]:
    """Return the warnings of a file, a task or a listing."""
    found = entry.get("warnings") or ()  # servers before 0.2 tell none
    return tuple(DocumentWarning(one["code"], one["message"], one.get("place")) for one in found)


def read(entry: Json) -> File:
    """Return a file from its own or a chunk's metadata; what we know of it stands apart, but for servers before 0.2."""
    stored = entry.get("stored", entry)
    return File(
        partition=entry["partition"],
        file_id=entry["file_id"],
        revision=entry.get("revision", ""),
        filename=stored["filename"],
        media_type=stored.get("media_type", ""),
        size=stored.get("size", 0),
        sha256=stored.get("sha256", ""),
        metadata=stored["metadata"],
        chunk_count=stored.get("chunk_count", 0),
        created_at=time(stored.get("created_at")),
        updated_at=time(stored.get("updated_at")),
        warnings=read_warnings(entry),
        made_by=_read_made_by(entry.get("made_by")),
        document_metadata=entry.get("document_metadata") or {},
        source=_read_source(stored.get("source")),
        modified_at=time(stored["modified_at"]) if stored.get("modified_at") else None,
    )


def _read_source(entry: Any) -> FileSource | None:
    """Return where a file came from; None where the server does not say."""
    if not isinstance(entry, dict) or set(entry) != {"kind", "label"}:
        return None
    return FileSource(entry["kind"], str(entry["label"]))


def _read_made_by(entry: Any) -> MadeBy | None:
    """Return what made a file; None where the server does not say, or a chunk's metadata has its own `made_by`."""
    if not isinstance(entry, dict) or set(entry) != {"reader", "chunker", "model"}:
        return None
    return MadeBy(str(entry["reader"]), str(entry["chunker"]), str(entry["model"]))
