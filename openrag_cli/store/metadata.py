"""The metadata of a file, in three layers with one resolved view.

What only we may say (`RESERVED`) is refused from everybody else. Below it stands what the user says, below that what
the document says of itself (front matter, mail, PDF), and at the bottom what we know of every file (`facts`), which is
always readable as `indexed_at` and `stored_as` too.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Any

from openrag_cli import limits
from openrag_cli.domain import DocumentWarning, File, Metadata
from openrag_cli.errors import InvalidMetadata, OpenRAGError
from openrag_cli.store.files.dates import stated_at

RESERVED = ("file_id", "partition", "revision", "chunk_id", "_id", "link", "score", "indexed_at", "stored_as")
"""Keys that are ours alone: a hit could not be told from another one if a file said them."""

DERIVED = ("modified_at",)
"""Keys that we make from what is said: the date of a file is one, whichever of many keys states it."""

_EXAMPLE = 'for example {"year": 2024}'


def rfc3339(moment: datetime) -> str:
    """Return a UTC time to the millisecond, such as 2026-01-31T09:30:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_metadata(metadata: Any) -> Metadata:
    """Return `metadata` if it is a JSON object within the limits that says nothing which is ours.

    Raises:
        InvalidMetadata: it is not; the message says why.
    """
    if not isinstance(metadata, dict) or not all(isinstance(key, str) for key in metadata):
        raise InvalidMetadata("metadata must be a JSON object", hint=_EXAMPLE)
    ours = [key for key in RESERVED if key in metadata]
    if ours:
        raise InvalidMetadata(
            f"metadata may not say {', '.join(ours)}: these keys are openrag's own: {', '.join(RESERVED)}",
            hint="give the key another name",
        )
    _check_size(metadata)
    return metadata


def _check_size(metadata: Metadata) -> None:
    limits.check("metadata_keys", len(metadata))
    limits.check("metadata_depth", limits.depth(metadata))
    try:
        encoded = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode("utf-8", "strict")
    except (TypeError, ValueError) as exc:
        raise InvalidMetadata(f"metadata is not valid JSON: {exc}", hint=_EXAMPLE) from exc
    limits.check("metadata_bytes", len(encoded))


def read_metadata(text: str) -> Metadata:
    """Return the metadata that a JSON text writes; an empty one is none.

    Raises:
        InvalidMetadata: see `check_metadata`.
    """
    if not text.strip():
        return {}
    limits.check("metadata_bytes", len(text.encode("utf-8", "replace")))
    try:
        metadata = limits.read_json(text, "metadata")
    except OpenRAGError as exc:
        raise InvalidMetadata(exc.message, hint=exc.hint) from exc
    return check_metadata(metadata)


def changed(metadata: Metadata, changes: Metadata, remove: Sequence[str] = ()) -> Metadata:
    """Return a user's metadata with `changes` merged in and the keys of `remove` dropped.

    Raises:
        InvalidMetadata: it would be over a limit.
    """
    merged = {key: value for key, value in (metadata | changes).items() if key not in remove}
    _check_size(merged)
    return merged


def document_metadata(found: Metadata) -> tuple[Metadata, tuple[DocumentWarning, ...]]:
    """Return what a document says of itself as far as it can be kept, and a warning for each key that cannot.

    Dates and times become text as ISO 8601 writes them. Nothing here fails: whatever a reader found may be given.
    """
    kept: Metadata = {}
    dropped: dict[str, list[str]] = {}
    n_over = len(found) - limits.most("metadata_keys")
    if n_over > 0:
        dropped[f"at most {limits.most('metadata_keys'):,} keys are kept"] = [f"the last {n_over:,} keys"]
    for key, value in islice(found.items(), limits.most("metadata_keys")):
        name = str(key)
        plain = _plain(value)
        why = _problem(name, plain)
        if why:
            dropped.setdefault(why, []).append(name[:80])
            continue
        try:
            _check_size(kept | {name: plain})
        except InvalidMetadata as exc:
            dropped.setdefault(exc.message, []).append(name[:80])
        else:
            kept[name] = plain
    return kept, tuple(
        DocumentWarning("metadata_dropped", f"what the document says of itself is left out: {_listed(names)}: {why}")
        for why, names in dropped.items()
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")


def _problem(key: str, value: Any) -> str | None:
    if key in RESERVED:
        return "the key is openrag's own"
    if not key.strip():
        return "the key is empty"
    if key == "filename" and not isinstance(value, str):
        return "a file name is a text"
    n_levels = limits.depth(value) + 1
    if n_levels > limits.most("metadata_depth"):
        return f"it has {n_levels:,} levels; at most {limits.most('metadata_depth')} are kept"
    return None


def _plain(value: Any, room: int = 64) -> Any:
    """Return a value as JSON has it: what JSON does not know becomes text, and what lies too deep stays too deep."""
    if room == 0:
        return []
    if isinstance(value, dict):
        return {str(key): _plain(inner, room - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, room - 1) for inner in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def tame(metadata: Metadata) -> Metadata:
    """Return metadata that 0.1.0 took, within today's rules: keys that are ours begin with `user.` instead, and a value
    that lies deeper than we keep becomes its JSON text."""
    most = limits.most("metadata_depth") - 1
    return {
        f"user.{key}" if key in RESERVED else key: json.dumps(value) if limits.depth(value) > most else value
        for key, value in metadata.items()
    }


def tamed(text: str) -> str:
    """Return the JSON of `tame`, for the migration of a store; what is within the rules stays as it is written."""
    try:
        metadata = json.loads(text)
    except RecursionError:
        return json.dumps({"unreadable": text})
    kept = tame(metadata)
    return text if kept == metadata else json.dumps(kept)


def said(file: File) -> Metadata:
    """Return what is said of a file: the user's word over the document's own; what would be ours is left out."""
    ours = (*RESERVED, *DERIVED)
    return {key: value for key, value in (file.document_metadata | file.metadata).items() if key not in ours}


def dated(metadata: str, document_metadata: str, changed_at: int) -> str:
    """Return the date of a file, RFC 3339, from the columns of its row: what is said of it, or else `changed_at`."""
    said_at = stated_at(json.loads(document_metadata) | json.loads(metadata))
    return rfc3339(said_at or datetime.fromtimestamp(changed_at / 1000, tz=UTC))


def facts(file: File) -> Metadata:
    """Return what we know of a file; anybody may say otherwise, except for the keys of `RESERVED`."""
    return {
        "partition": file.partition,
        "file_id": file.file_id,
        "filename": file.filename,
        "stored_as": file.filename,
        "media_type": file.media_type,
        "size": file.size,
        "sha256": file.sha256,
        "revision": file.revision,
        "chunk_count": file.chunk_count,
        "created_at": rfc3339(file.created_at),
        "indexed_at": rfc3339(file.created_at),
        "updated_at": rfc3339(file.updated_at),
        "modified_at": rfc3339(file.dated),
    }


def resolved(file: File) -> Metadata:
    """Return the one view of a file that filters, hits and listings share: what is said, over what we know.

    A file name that is no text takes nobody's place.
    """
    own = facts(file)
    view = own | said(file)
    return view if isinstance(view["filename"], str) else view | {"filename": own["filename"]}
