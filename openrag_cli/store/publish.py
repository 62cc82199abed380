"""Making what a task made visible: the file's row, its document, and the end of what it replaces (I1, I3)."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from openrag_cli.domain import Document, MadeBy, Task, Upload
from openrag_cli.failpoints import failpoint
from openrag_cli.store.database import now_ms
from openrag_cli.store.documents import from_warnings, save_document
from openrag_cli.store.files.dates import milliseconds
from openrag_cli.store.files.rows import pack_made_by
from openrag_cli.store.files.sources import hand_on
from openrag_cli.store.metadata import dated
from openrag_cli.store.retire import obsolete_older, retire
from openrag_cli.store.searching.word_counts import WordCount, count_words


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of one task: its text, how many chunks the index now holds for it, what made them, and their words."""

    task: Task
    document: Document
    chunk_count: int
    made_by: MadeBy | None = None
    words: WordCount | None = None


def publish(connection: sqlite3.Connection, completion: Completion) -> None:
    """Within a transaction, make a new revision visible; the one that it replaces is retired."""
    upload = completion.task.upload
    row = connection.execute(
        "SELECT f.revision, f.metadata, p.id, f.source_id AS known_source, f.source_path AS known_path, "
        "t.source_id, t.source_path, f.sha256 AS known_sha256, "
        "f.changed_at AS known_changed_at, t.changed_at, t.created_at, t.metadata AS own "
        "FROM task t JOIN partition p ON p.name = t.partition "
        "LEFT JOIN file f ON f.partition_id = p.id AND f.file_id = t.file_id WHERE t.id = ?",
        (upload.revision,),
    ).fetchone()
    kept = json.loads(row["metadata"]) if upload.keeps_metadata and row["metadata"] else {}
    metadata = kept | json.loads(row["own"])  # not the upload's: it may have been edited since it was claimed
    if row["revision"]:
        retire(connection, row["revision"])
        failpoint("replacing")
        hand_on(connection, row["id"], row["revision"], upload)
    values = row_values(upload, completion.document, completion.chunk_count, completion.made_by) | {
        "metadata": json.dumps(metadata),
        "source_id": row["source_id"] or row["known_source"],
        "source_path": row["source_path"] if row["source_id"] else row["known_path"],
        "changed_at": _changed_at(row, upload),
    }
    write_row(connection, row["id"], upload.file_id, values)
    connection.execute("DELETE FROM tombstone WHERE revision = ?", (upload.revision,))
    save_document(connection, upload.revision, completion.document)
    obsolete_older(connection, row["id"], upload.file_id, upload.revision)
    if completion.words is not None:
        count_words(connection, upload.revision, completion.words)


def _changed_at(row: sqlite3.Row, upload: Upload) -> int:
    """Return when the file was changed: as its task tells, as before when its bytes are the same, or when it was sent."""
    if row["changed_at"] is None and row["known_sha256"] == upload.sha256:
        return int(row["known_changed_at"])
    return int(row["created_at"] if row["changed_at"] is None else row["changed_at"])


def row_values(upload: Upload, document: Document, n_chunks: int, made_by: MadeBy | None) -> dict[str, Any]:
    """Return the columns of a file's row that a version of it brings."""
    values = {name: getattr(upload, name) for name in ("revision", "filename", "media_type", "size", "sha256")}
    return values | {
        "metadata": json.dumps(upload.metadata),
        "chunk_count": n_chunks,
        "warnings": from_warnings(document.warnings),
        "made_by": pack_made_by(made_by),
        "refresh_tried": "",
        "document_metadata": json.dumps(document.metadata),
        "changed_at": milliseconds(upload.changed_at) if upload.changed_at else now_ms(),
    }


def write_row(connection: sqlite3.Connection, partition_id: int, file_id: str, values: dict[str, Any]) -> None:
    """Within a transaction, make a version of a file the visible one."""
    now = now_ms()
    row = {"changed_at": now} | values | {"updated_at": now}  # an import that 0.2 began does not tell
    row["modified_at"] = dated(row["metadata"], row["document_metadata"], row["changed_at"])
    updates = ", ".join(f"{name} = excluded.{name}" for name in row)
    row |= {"partition_id": partition_id, "file_id": file_id, "created_at": now}
    connection.execute(
        f"INSERT INTO file ({', '.join(row)}) VALUES ({', '.join('?' for _ in row)}) "
        f"ON CONFLICT (partition_id, file_id) DO UPDATE SET {updates}",
        tuple(row.values()),
    )
