"""Rows of `task`: from rows to tasks and back, within the transactions of those who submit and who work."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from openrag_cli.domain import Metadata, Task, TaskError, TaskKind, TaskState, Upload
from openrag_cli.errors import Conflict
from openrag_cli.store.database import at, now_ms
from openrag_cli.store.documents import to_warnings
from openrag_cli.store.files.dates import milliseconds
from openrag_cli.store.files.sources import source_id, source_path
from openrag_cli.store.retire import refuse_taken

FINAL = "('COMPLETED', 'FAILED', 'CANCELLED')"


def to_task(row: sqlite3.Row) -> Task:
    """Return the `Task` of a row of `task`."""
    return Task(
        id=row["id"],
        kind=TaskKind(row["kind"]),
        state=TaskState(row["state"]),
        upload=Upload(
            partition=row["partition"],
            file_id=row["file_id"],
            revision=row["id"],
            filename=row["filename"],
            media_type=row["media_type"],
            size=row["size"],
            sha256=row["sha256"],
            metadata=json.loads(row["metadata"]),
            keeps_metadata=bool(row["keeps_metadata"]),
            changed_at=at(row["changed_at"]) if row["changed_at"] is not None else None,
        ),
        attempts=row["attempts"],
        worker=row["worker"],
        error=to_error(row["error"]),
        created_at=at(row["created_at"]),
        updated_at=at(row["updated_at"]),
        warnings=to_warnings(row["warnings"]),
    )


def to_error(text: str | None) -> TaskError | None:
    """Return the error that a row of `task` holds as JSON."""
    if not text:
        return None
    error = json.loads(text)
    return TaskError(**(error | {"traceback": tuple(error.get("traceback", ()))}))


def find_partition_id(connection: sqlite3.Connection, name: str, *, create: bool) -> int:
    """Within a transaction, return the number of a partition, made when `create`; -1 when there is none."""
    if create:
        refuse_taken(connection, name)
        connection.execute(
            "INSERT INTO partition (name, created_at) VALUES (canonical(?), ?) ON CONFLICT DO NOTHING",
            (name, now_ms()),
        )
    row = connection.execute("SELECT id FROM partition WHERE name = canonical(?)", (name,)).fetchone()
    return int(row["id"]) if row else -1


def find_any(connection: sqlite3.Connection, source: str, key: dict[str, Any]) -> bool:
    """Within a transaction, tell whether `source`, a table with a condition, holds the file that `key` names."""
    sql = f"SELECT 1 FROM {source} AND partition_id = :partition_id AND file_id = :file_id LIMIT 1"
    return connection.execute(sql, key).fetchone() is not None


def insert_task(connection: sqlite3.Connection, upload: Upload, kind: TaskKind, key: dict[str, Any]) -> Task:
    """Within a transaction, queue an upload for the file that `key` names, as part of a batch."""
    row = connection.execute(
        "INSERT INTO task (id, kind, state, partition_id, partition, file_id, filename, media_type, size, sha256, "
        "metadata, keeps_metadata, batch, source_id, source_path, changed_at, created_at, updated_at) "
        "VALUES (:id, :kind, 'QUEUED', :partition_id, canonical(:partition), "
        ":file_id, :filename, :media_type, :size, :sha256, :metadata, :keeps_metadata, :batch, "
        ":source_id, :source_path, :changed_at, :now, :now) RETURNING *",
        {
            **key,
            "id": upload.revision,
            "kind": kind,
            "partition": upload.partition,
            "filename": upload.filename,
            "media_type": upload.media_type,
            "size": upload.size,
            "sha256": upload.sha256,
            "metadata": json.dumps(upload.metadata),
            "keeps_metadata": upload.keeps_metadata,
            "source_id": source_id(connection, upload.source),
            "source_path": source_path(upload.source),
            "changed_at": milliseconds(upload.changed_at) if upload.changed_at else None,
            "now": now_ms(),
        },
    ).fetchone()
    return to_task(row)


def supersede(connection: sqlite3.Connection, key: dict[str, Any]) -> None:
    """Within a transaction, cancel the replacement of a file that still waits: a newer one comes."""
    error = json.dumps({"message": "cancelled: a newer replacement took its place", "code": "superseded"})
    connection.execute(
        "UPDATE task SET state = 'CANCELLED', error = :error, updated_at = :now WHERE kind = 'replace' "
        "AND state = 'QUEUED' AND partition_id = :partition_id AND file_id = :file_id",
        key | {"error": error, "now": now_ms()},
    )


def changed_since(
    connection: sqlite3.Connection, upload: Upload, guard: Mapping[str, str | None] | None, batch: str
) -> Conflict | None:
    """Return why an upload would take the place of what its caller has not seen; None when it would not."""
    if guard is None:
        return None
    key = {"partition_id": find_partition_id(connection, upload.partition, create=False), "file_id": upload.file_id}
    row = connection.execute(
        "SELECT revision FROM file WHERE partition_id = :partition_id AND file_id = :file_id", key
    ).fetchone()
    others = f"task WHERE batch <> :batch AND state NOT IN {FINAL}"
    if (row["revision"] if row else None) == guard.get(upload.file_id) and not find_any(
        connection, others, key | {"batch": batch}
    ):
        return None
    return Conflict(f"File '{upload.file_id}' was changed meanwhile by another command", hint="run it again later")


def write_log(connection: sqlite3.Connection, task_id: str, level: str, message: str) -> None:
    """Within a transaction, add a line to a task's log."""
    connection.execute(
        "INSERT INTO task_log (task_id, at, level, message) VALUES (?, ?, ?, ?)", (task_id, now_ms(), level, message)
    )


def edit_waiting(
    connection: sqlite3.Connection, key: dict[str, Any], changes: Metadata, remove: Sequence[str]
) -> None:
    """Within a transaction, make an edit of a file's metadata on its tasks that are live or may be queued again."""
    of_file = "SELECT id, metadata FROM task WHERE partition_id = :partition_id AND file_id = :file_id AND "
    live = connection.execute(of_file + "state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')", key).fetchall()
    stopped = connection.execute(of_file + "state IN ('FAILED', 'CANCELLED') AND obsolete IS NULL", key).fetchall()
    for row in (*live, *stopped):
        merged = json.loads(row["metadata"]) | changes
        kept = {name: value for name, value in merged.items() if name not in remove}
        connection.execute("UPDATE task SET metadata = ? WHERE id = ?", (json.dumps(kept), row["id"]))
