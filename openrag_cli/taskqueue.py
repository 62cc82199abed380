"""The queue: the only channel to workers, with leases and fencing (I5, I6, I7).

A worker owns a task through (worker, attempt) until its lease runs out; every later write names both.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from openrag_cli.catalog import cancel_live, retire, save_document
from openrag_cli.database import Database, at, now_ms
from openrag_cli.domain import FINAL_STATES, Document, LogLine, Task, TaskError, TaskKind, TaskState, Upload
from openrag_cli.errors import Conflict, DocumentNotFound, OpenRAGError, TaskNotFound

LEASE_S = 60
HEARTBEAT_S = 15
MAX_ATTEMPTS = 3

_FINAL = "('COMPLETED', 'FAILED', 'CANCELLED')"

_CLAIM = f"""
UPDATE task SET state = 'SERIALIZING', worker = :worker, attempts = attempts + 1, lease_until = :until,
                updated_at = :now
WHERE seq IN (
    SELECT t.seq FROM task t
    WHERE t.state NOT IN {_FINAL} AND (t.state = 'QUEUED' OR t.lease_until < :now)
      AND t.attempts < {MAX_ATTEMPTS} AND (:batch IS NULL OR t.batch = :batch)
      AND NOT EXISTS (SELECT 1 FROM task o WHERE o.partition_id = t.partition_id AND o.file_id = t.file_id
                      AND o.seq < t.seq AND o.state NOT IN {_FINAL})
    ORDER BY t.seq LIMIT :limit)
RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of one task: its text and how many chunks the index now holds for it."""

    task: Task
    document: Document
    chunk_count: int


def to_task(row: sqlite3.Row) -> Task:
    """Return the `Task` of a row of `task`."""
    error = json.loads(row["error"]) if row["error"] else None
    if error:
        error = TaskError(**(error | {"traceback": tuple(error.get("traceback", ()))}))
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
        ),
        attempts=row["attempts"],
        worker=row["worker"],
        error=error,
        created_at=at(row["created_at"]),
        updated_at=at(row["updated_at"]),
    )


class TaskQueue:
    """Tasks, from submission to their one final state."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # --- submitting

    def submit(self, uploads: Sequence[Upload], *, kind: TaskKind, batch: str) -> list[Task | OpenRAGError]:
        """Queue stored uploads in one transaction; the outcome of each is its task, or the error that refused it.

        A missing partition is created for an add. An add of a file that exists, or is being added, is a `Conflict`;
        a replacement of a file that neither exists nor is being added is a `DocumentNotFound`, and takes the place
        of a replacement that still waits.
        """
        with self._db.transaction() as connection:
            return [self._submit(connection, upload, kind, batch) for upload in uploads]

    def _submit(
        self, connection: sqlite3.Connection, upload: Upload, kind: TaskKind, batch: str
    ) -> Task | OpenRAGError:
        partition_id = _partition_id(connection, upload.partition, create=kind is TaskKind.ADD)
        key = {"partition_id": partition_id, "file_id": upload.file_id}
        is_live = _any(connection, f"task WHERE kind = 'add' AND state NOT IN {_FINAL}", key)
        exists = _any(connection, "file WHERE true", key)
        if kind is TaskKind.ADD and (exists or is_live):
            return Conflict(
                f"File '{upload.file_id}' already exists in partition {upload.partition}",
                hint="replace it with: openrag file replace, or --if-exists replace",
            )
        if kind is TaskKind.REPLACE:
            if not exists and not is_live:
                return DocumentNotFound(upload.file_id, upload.partition)
            _supersede(connection, key)
        return _insert(connection, upload, kind, key | {"batch": batch})

    # --- working

    def claim(self, worker: str, *, limit: int, batch: str | None = None) -> list[Task]:
        """Take up to `limit` tasks that are queued or whose lease ran out, oldest first, in one statement.

        Never takes a task while an older unfinished task of its file exists. A task whose attempts are used up
        becomes FAILED with the stage it died in. One that has died twice is given out alone, so that it cannot take
        others with it.
        """
        now = now_ms()
        with self._db.transaction() as connection:
            _fail_exhausted(connection, now)
            suspect = connection.execute(
                f"SELECT 1 FROM task WHERE state NOT IN {_FINAL} AND (state = 'QUEUED' OR lease_until < ?) "
                f"AND attempts >= {MAX_ATTEMPTS - 1} LIMIT 1",
                (now,),
            ).fetchone()
            arguments = {
                "worker": worker,
                "until": now + LEASE_S * 1000,
                "now": now,
                "batch": batch,
                "limit": 1 if suspect else limit,
            }
            tasks = sorted((to_task(row) for row in connection.execute(_CLAIM, arguments)), key=lambda task: task.id)
            for task in tasks:
                _log(connection, task.id, "INFO", f"attempt {task.attempts} by {worker}")
        return tasks

    def heartbeat(self, worker: str) -> None:
        """Extend the lease of everything that `worker` holds."""
        with self._db.transaction() as connection:
            connection.execute(
                f"UPDATE task SET lease_until = ? WHERE worker = ? AND state NOT IN {_FINAL}",
                (now_ms() + LEASE_S * 1000, worker),
            )

    def advance(self, tasks: Sequence[Task], state: TaskState) -> list[Task]:
        """Move owned tasks to a later stage; return those still owned, with fresh leases (fencing, I6)."""
        kept = []
        now = now_ms()
        with self._db.transaction() as connection:
            for task in tasks:
                done = connection.execute(
                    "UPDATE task SET state = ?, lease_until = ?, updated_at = ? WHERE id = ? AND worker = ? "
                    f"AND attempts = ? AND state NOT IN {_FINAL}",
                    (state, now + LEASE_S * 1000, now, task.id, task.worker, task.attempts),
                )
                if done.rowcount == 1:
                    kept.append(task)
        return kept

    def complete(self, completions: Sequence[Completion], *, note: str = "") -> list[Task]:
        """Make new revisions visible and finish their tasks, in one transaction (I3); return those still owned.

        The revision that each replaces is retired.
        """
        finished = []
        with self._db.transaction() as connection:
            for completion in completions:
                if _finish(connection, completion.task, TaskState.COMPLETED, None):
                    _publish(connection, completion)
                    for warning in completion.document.warnings:
                        _log(connection, completion.task.id, "WARNING", warning)
                    _log(connection, completion.task.id, "INFO", f"{completion.chunk_count} chunks indexed{note}")
                    finished.append(completion.task)
        return finished

    def fail(self, task: Task, error: TaskError) -> bool:
        """Finish an owned task as FAILED; False when it is no longer owned. The file's old version stays."""
        with self._db.transaction() as connection:
            if not _finish(connection, task, TaskState.FAILED, error):
                return False
            retire(connection, task.id)
            _log(connection, task.id, "ERROR", error.message)
        return True

    def release(self, worker: str) -> int:
        """Give back everything that `worker` holds, as if it had never been claimed; return how many."""
        with self._db.transaction() as connection:
            done = connection.execute(
                "UPDATE task SET state = 'QUEUED', worker = NULL, lease_until = NULL, attempts = attempts - 1, "
                f"updated_at = ? WHERE worker = ? AND state NOT IN {_FINAL}",
                (now_ms(), worker),
            )
        return done.rowcount

    # --- looking

    def task(self, task_id: str) -> Task:
        """Return one task.

        Raises:
            TaskNotFound: there is none of that id.
        """
        rows = self._db.rows("SELECT * FROM task WHERE id = ?", (task_id,))
        if not rows:
            raise TaskNotFound(task_id)
        return to_task(rows[0])

    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1, batch: str | None = None) -> list[Task]:
        """Return tasks, newest first; no states means all, a negative limit all of them."""
        wanted = [str(state) for state in states] or [str(state) for state in TaskState]
        rows = self._db.rows(
            "SELECT * FROM task WHERE state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR batch = ?) "
            "ORDER BY seq DESC LIMIT ?",
            (json.dumps(wanted), batch, batch, limit),
        )
        return [to_task(row) for row in rows]

    def counts(self, *, batch: str | None = None) -> dict[TaskState, int]:
        """Return how many tasks are in each state."""
        rows = self._db.rows(
            "SELECT state, count(*) AS n FROM task WHERE ? IS NULL OR batch = ? GROUP BY state", (batch, batch)
        )
        found = {row["state"]: int(row["n"]) for row in rows}
        return {state: found.get(state, 0) for state in TaskState}

    def log(self, task_id: str, *, last: int = -1) -> list[LogLine]:
        """Return the last lines of a task's log, oldest first; a negative number means all.

        Raises:
            TaskNotFound: there is none of that id.
        """
        self.task(task_id)
        rows = self._db.rows(
            "SELECT at, level, message FROM task_log WHERE task_id = ? ORDER BY seq DESC LIMIT ?", (task_id, last)
        )
        return [LogLine(at(row["at"]), row["level"], row["message"]) for row in reversed(rows)]

    # --- changing

    def cancel(self, task_id: str) -> Task:
        """Cancel a live task; a worker that holds it drops its work.

        Raises:
            TaskNotFound: there is none of that id. Conflict: it has finished.
        """
        with self._db.transaction() as connection:
            n_cancelled = cancel_live(connection, "id = :id", {"id": task_id}, "")
            if n_cancelled:
                error = json.dumps(asdict(TaskError(message="cancelled on request", code="cancelled")))
                connection.execute("UPDATE task SET error = ? WHERE id = ?", (error, task_id))
                _log(connection, task_id, "INFO", "cancelled on request")
        task = self.task(task_id)
        if not n_cancelled:
            raise Conflict(f"Task '{task_id}' has finished: {task.state}", hint=f"openrag task show {task_id}")
        return task

    def retry(self, task_id: str) -> Task:
        """Queue a failed or cancelled task again, with all its attempts.

        Raises:
            TaskNotFound: there is none of that id. Conflict: it is live or completed, or its file has since been
                added, or is being added, by another task.
        """
        with self._db.transaction() as connection:
            row = connection.execute("SELECT * FROM task WHERE id = ?", (task_id,)).fetchone()
            if row is None:
                raise TaskNotFound(task_id)
            if TaskState(row["state"]) not in {TaskState.FAILED, TaskState.CANCELLED}:
                raise Conflict(f"Task '{task_id}' is {row['state']}: only FAILED and CANCELLED tasks can be retried")
            partition_id = _partition_id(connection, row["partition"], create=True)
            key = {"partition_id": partition_id, "file_id": row["file_id"]}
            if _any(connection, f"task WHERE state NOT IN {_FINAL}", key) or (
                row["kind"] == TaskKind.ADD and _any(connection, "file WHERE true", key)
            ):
                raise Conflict(f"File '{row['file_id']}' has been added since, or is being added")
            connection.execute(
                "UPDATE task SET state = 'QUEUED', attempts = 0, error = NULL, worker = NULL, lease_until = NULL, "
                "partition_id = ?, updated_at = ? WHERE id = ?",
                (partition_id, now_ms(), task_id),
            )
            connection.execute("DELETE FROM tombstone WHERE revision = ?", (task_id,))
            _log(connection, task_id, "INFO", "queued again")
        return self.task(task_id)

    def prune(self, *, older_than_s: float, states: Iterable[TaskState] = FINAL_STATES) -> list[str]:
        """Delete finished tasks last changed more than `older_than_s` seconds ago; return their ids."""
        wanted = json.dumps([str(state) for state in states if state.is_final])
        with self._db.transaction() as connection:
            rows = connection.execute(
                "DELETE FROM task WHERE state IN (SELECT value FROM json_each(?)) AND updated_at <= ? RETURNING id",
                (wanted, now_ms() - round(older_than_s * 1000)),
            ).fetchall()
        return [row["id"] for row in rows]


def _partition_id(connection: sqlite3.Connection, name: str, *, create: bool) -> int:
    if create:
        connection.execute(
            "INSERT INTO partition (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, now_ms())
        )
    row = connection.execute("SELECT id FROM partition WHERE name = ?", (name,)).fetchone()
    return int(row["id"]) if row else -1


def _any(connection: sqlite3.Connection, source: str, key: dict[str, Any]) -> bool:
    sql = f"SELECT 1 FROM {source} AND partition_id = :partition_id AND file_id = :file_id LIMIT 1"
    return connection.execute(sql, key).fetchone() is not None


def _insert(connection: sqlite3.Connection, upload: Upload, kind: TaskKind, key: dict[str, Any]) -> Task:
    row = connection.execute(
        "INSERT INTO task (id, kind, state, partition_id, partition, file_id, filename, media_type, size, sha256, "
        "metadata, batch, created_at, updated_at) VALUES (:id, :kind, 'QUEUED', :partition_id, :partition, :file_id, "
        ":filename, :media_type, :size, :sha256, :metadata, :batch, :now, :now) RETURNING *",
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
            "now": now_ms(),
        },
    ).fetchone()
    return to_task(row)


def _supersede(connection: sqlite3.Connection, key: dict[str, Any]) -> None:
    error = json.dumps({"message": "cancelled: a newer replacement took its place", "code": "superseded"})
    connection.execute(
        "UPDATE task SET state = 'CANCELLED', error = :error, updated_at = :now WHERE kind = 'replace' "
        "AND state = 'QUEUED' AND partition_id = :partition_id AND file_id = :file_id",
        key | {"error": error, "now": now_ms()},
    )


def _fail_exhausted(connection: sqlite3.Connection, now: int) -> None:
    rows = connection.execute(
        f"SELECT id, state FROM task WHERE state NOT IN {_FINAL} AND lease_until < ? AND attempts >= {MAX_ATTEMPTS}",
        (now,),
    ).fetchall()
    for row in rows:
        error = TaskError(
            message=f"its worker died {MAX_ATTEMPTS} times, the last time in the stage {row['state']}",
            code="worker_died",
            hint=f"openrag task retry {row['id']}",
            stage=row["state"],
        )
        connection.execute(
            "UPDATE task SET state = 'FAILED', worker = NULL, lease_until = NULL, error = ?, updated_at = ? "
            "WHERE id = ?",
            (json.dumps(asdict(error)), now, row["id"]),
        )
        retire(connection, row["id"])
        _log(connection, row["id"], "ERROR", error.message)


def _finish(connection: sqlite3.Connection, task: Task, state: TaskState, error: TaskError | None) -> bool:
    done = connection.execute(
        "UPDATE task SET state = ?, worker = NULL, lease_until = NULL, error = ?, updated_at = ? "
        f"WHERE id = ? AND worker = ? AND attempts = ? AND state NOT IN {_FINAL}",
        (state, json.dumps(asdict(error)) if error else None, now_ms(), task.id, task.worker, task.attempts),
    )
    return done.rowcount == 1


def _publish(connection: sqlite3.Connection, completion: Completion) -> None:
    upload = completion.task.upload
    row = connection.execute(
        "SELECT f.revision, p.id FROM partition p LEFT JOIN file f ON f.partition_id = p.id AND f.file_id = ? "
        "WHERE p.name = ?",
        (upload.file_id, upload.partition),
    ).fetchone()
    if row["revision"]:
        retire(connection, row["revision"])
    columns = "revision, filename, media_type, size, sha256, metadata, chunk_count, updated_at"
    values = [getattr(upload, name) for name in ("revision", "filename", "media_type", "size", "sha256")]
    values += [json.dumps(upload.metadata), completion.chunk_count, now_ms()]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    connection.execute(
        f"INSERT INTO file ({columns}, partition_id, file_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        f"ON CONFLICT (partition_id, file_id) DO UPDATE SET {updates}",
        (*values, row["id"], upload.file_id, now_ms()),
    )
    save_document(connection, upload.revision, completion.document)


def _log(connection: sqlite3.Connection, task_id: str, level: str, message: str) -> None:
    connection.execute(
        "INSERT INTO task_log (task_id, at, level, message) VALUES (?, ?, ?, ?)", (task_id, now_ms(), level, message)
    )
