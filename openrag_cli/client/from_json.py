"""What travels between a client and the HTTP API, as domain objects: the reverse of render.py and server/links.py."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from openrag_cli import errors
from openrag_cli.contract.error_codes import remade
from openrag_cli.domain import (
    Chunk,
    DocumentWarning,
    File,
    FileSource,
    Hit,
    MadeBy,
    Partition,
    Span,
    Task,
    TaskError,
    TaskKind,
    TaskState,
    Upload,
)
from openrag_cli.maintenance.checks.findings import Finding
from openrag_cli.store.files.filtered_files import KeyFacts

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
BLOCK_BYTES = 1 << 20
LONG_AGO = datetime.fromtimestamp(0, tz=UTC)


def path_of(*segments: str) -> str:
    """Return a path of percent-encoded segments."""
    return "/" + "/".join(quote(s, safe="") if s.strip(".") else "%2E" * len(s) for s in segments)


def error_of(response: "httpx.Response", filtered: Callable[[str], str]) -> errors.OpenRAGError:
    """Return the error that an answer carries, of the class that the server's engine raised where its code names one."""
    try:
        body = response.json()
        message, code = filtered(str(body["detail"])), str(body.get("code"))
        hint = filtered(str(body["hint"])) if body.get("hint") else None
    except (ValueError, KeyError, TypeError):
        message, code, hint = f"the server answered {response.status_code}", "", None
    hint = "set OPENRAG_TOKEN to the server's token" if response.status_code == 401 else hint
    return remade(code, message, hint=hint, status=response.status_code)


class _Answer(dict[str, Any]):
    """An object of a server's answer: no openrag server leaves out a key that is asked for."""

    def __missing__(self, key: str) -> Any:
        raise errors.UpstreamError(
            f"the server's answer has no '{key}': it is no openrag server, or of another version",
            hint="check the URL given with --server",
        )


def body_of(response: "httpx.Response") -> Json:
    """Return the JSON object of an answer. Raises: UpstreamError: it is none, or (later) lacks a key."""
    try:
        body = response.json(object_hook=_Answer)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.UpstreamError(
            f"what answers at {response.url} is no openrag server", hint="check the URL given with --server"
        )
    return body


def sha256_of(stream: BinaryIO) -> str:
    """Return the sha256 of the rest of a stream, in hex."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def to_partition(entry: Json) -> Partition:
    """Return a partition."""
    created_at = datetime.fromtimestamp(entry["created_at"], tz=UTC)
    return Partition(entry["partition"], created_at, entry["files"], entry["chunks"])


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else LONG_AGO


def to_key(entry: Json) -> KeyFacts:
    """Return a key of metadata."""
    values = tuple((one["value"], one["files"]) for one in entry["values"])
    return KeyFacts(entry["key"], entry["files"], dict(entry["types"]), values)


def to_warnings(entry: Json) -> tuple[DocumentWarning, ...]:
    """Return the warnings of a file, a task or a listing."""
    found = entry.get("warnings") or ()  # servers before 0.2 tell none
    return tuple(DocumentWarning(one["code"], one["message"], one.get("place")) for one in found)


def to_file(entry: Json) -> File:
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
        created_at=_time(stored.get("created_at")),
        updated_at=_time(stored.get("updated_at")),
        warnings=to_warnings(entry),
        made_by=_made_by(entry.get("made_by")),
        document_metadata=entry.get("document_metadata") or {},
        source=_source(stored.get("source")),
        modified_at=_time(stored["modified_at"]) if stored.get("modified_at") else None,
    )


def _source(entry: Any) -> FileSource | None:
    """Return where a file came from; None where the server does not say."""
    if not isinstance(entry, dict) or set(entry) != {"kind", "label"}:
        return None
    return FileSource(entry["kind"], str(entry["label"]))


def _made_by(entry: Any) -> MadeBy | None:
    """Return what made a file; None where the server does not say, or a chunk's metadata has its own `made_by`."""
    if not isinstance(entry, dict) or set(entry) != {"reader", "chunker", "model"}:
        return None
    return MadeBy(str(entry["reader"]), str(entry["chunker"]), str(entry["model"]))


def to_chunk(entry: Json) -> Chunk:
    """Return a chunk from a passage: `content` and `metadata`."""
    known = entry["metadata"]
    places = {name: known[name] for name in ("start", "end", "line_start", "line_end", "page")}
    head = tuple(known.get("head", ()))  # servers before 0.2 tell none
    text = entry["content"].removeprefix("".join(f"{line}\n" for line in head))
    span = Span(text=text, heading=tuple(known["heading"]), head=head, **places)
    return Chunk(known["_id"], known["partition"], "", known["ordinal"], span)


def to_hit(entry: Json, *, is_grown: bool = False) -> Hit:
    """Return a hit from a passage; `is_grown`: it was asked for with its neighbours."""
    known = entry["metadata"]
    passage = known.get("passage") if is_grown else None
    if passage:
        at = known["start"] - passage["start"]
        text = passage["text"][at : at + known["end"] - known["start"]]
        chunk = to_chunk({"content": text, "metadata": {**known, "head": ()}})
        span = replace(chunk.span, head=tuple(known["head"]))
        chunk = replace(chunk, span=span)
        passage = Span(heading=span.heading, **{**passage, "head": tuple(passage["head"])})
    else:
        chunk = to_chunk(entry)
    others = tuple(known.get("others", ()))
    within = known.get("within") if is_grown else None
    return Hit(chunk, to_file(known), known["score"], known["scores"], others, passage, within)


def to_finding(entry: Json) -> Finding:
    """Return what a doctor's check found; what can be mended is mended on the server's machine."""
    mend = _mend_there if entry["can_mend"] else None
    return Finding(entry["name"], entry["status"], entry["text"], entry["fix"], mend)


def _mend_there() -> str:
    raise errors.InvalidInput("a store is mended on the server's machine", hint="ssh HOST openrag doctor --fix")


def to_task(entry: Json) -> Task:
    """Return a task from its status."""
    details, error = entry["details"], entry.get("error")
    upload = Upload(
        details["partition"],
        details["file_id"],
        entry["task_id"],
        details["filename"],
        "",
        0,
        "",
        details["metadata"],
    )
    return Task(
        id=entry["task_id"],
        kind=TaskKind(entry["kind"]),
        state=TaskState(entry["task_state"]),
        upload=upload,
        attempts=entry["attempts"],
        worker=None,
        error=TaskError(**error) if error else None,
        created_at=_time(entry["created_at"]),
        updated_at=_time(entry["updated_at"]),
        warnings=to_warnings(entry),
    )
