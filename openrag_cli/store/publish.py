"""Making what a task made visible: the file's row, its document, and the end of what it replaces (I1, I3)."""

import json
import sqlite3
from dataclasses import dataclass

from openrag_cli.domain import Document, MadeBy, Task
from openrag_cli.failpoints import failpoint
from openrag_cli.store.catalog import pack_made_by
from openrag_cli.store.database import now_ms
from openrag_cli.store.documents import from_warnings, save_document
from openrag_cli.store.retire import obsolete_older, retire
from openrag_cli.store.searching.word_counts import WordCount, count_words
from openrag_cli.store.sources import hand_on


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
        "SELECT f.revision, f.metadata, p.id, t.metadata AS own FROM task t JOIN partition p ON p.name = t.partition "
        "LEFT JOIN file f ON f.partition_id = p.id AND f.file_id = t.file_id WHERE t.id = ?",
        (upload.revision,),
    ).fetchone()
    kept = json.loads(row["metadata"]) if upload.keeps_metadata and row["metadata"] else {}
    metadata = kept | json.loads(row["own"])  # not the upload's: it may have been edited since it was claimed
    if row["revision"]:
        retire(connection, row["revision"])
        failpoint("replacing")
        hand_on(connection, row["id"], row["revision"], upload)
    columns = "revision, filename, media_type, size, sha256, metadata, chunk_count, warnings, updated_at, made_by"
    columns += ", refresh_tried, document_metadata"
    values = [getattr(upload, name) for name in ("revision", "filename", "media_type", "size", "sha256")]
    warnings, made_by = from_warnings(completion.document.warnings), pack_made_by(completion.made_by)
    values += [json.dumps(metadata), completion.chunk_count, warnings, now_ms(), made_by, ""]
    values += [json.dumps(completion.document.metadata)]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    marks = ", ".join("?" for _ in values)
    connection.execute(
        f"INSERT INTO file ({columns}, partition_id, file_id, created_at) VALUES ({marks}, ?, ?, ?) "
        f"ON CONFLICT (partition_id, file_id) DO UPDATE SET {updates}",
        (*values, row["id"], upload.file_id, now_ms()),
    )
    connection.execute("DELETE FROM tombstone WHERE revision = ?", (upload.revision,))
    save_document(connection, upload.revision, completion.document)
    obsolete_older(connection, row["id"], upload.file_id, upload.revision)
    if completion.words is not None:
        count_words(connection, upload.revision, completion.words)
