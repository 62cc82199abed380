"""The queue: the only channel to workers, with leases and fencing (I5, I6, I7).

A worker owns a task through (worker, attempt) until its lease runs out; every later write names both.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from openrag_cli import limits
from openrag_cli.domain import Document, Task, TaskError, TaskKind, TaskState, Upload
from openrag_cli.errors import Conflict, DocumentNotFound, OpenRAGError
from openrag_cli.store.catalog import retire
from openrag_cli.store.database import Database, at, now_ms
from openrag_cli.store.publish import Completion, publish
from openrag_cli.store.warning_rows import from_warnings, to_warnings

LEASE_S = 60
HEARTBEAT_S = 15
MAX_ATTEMPTS = 3

FINAL = "('COMPLETED', 'FAILED', 'CANCELLED')"

_CLAIMABLE = f"""
    SELECT t.seq FROM task t
    WHERE t.state NOT IN {FINAL} AND (t.state = 'QUEUED' OR t.lease_until < :now)
      AND NOT EXISTS (SELECT 1 FROM task o WHERE o.partition_id = t.partition_id AND o.file_id = t.file_id
                      AND o.seq < t.seq AND o.state NOT IN {FINAL})
"""
# A batch includes the older tasks that its own wait for: nobody else may be there to run them.
_CLAIM = f"""
UPDATE task SET state = 'SERIALIZING', worker = :worker, attempts = attempts + 1, lease_until = :until,
                updated_at = :now
WHERE seq IN (
    {_CLAIMABLE} AND t.attempts BETWEEN :least AND :most
      AND (:batch IS NULL OR EXISTS (SELECT 1 FROM task n WHERE n.partition_id = t.partition_id
                                     AND n.file_id = t.file_id AND n.batch = :batch AND n.state NOT IN {FINAL}))
    ORDER BY t.seq LIMIT :limit)
RETURNING *
"""


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


class TaskQueue:
    """Tasks, from submission to their one final state."""

    def __init__(self, database: Database, *, max_live: int = limits.most("queued_tasks")) -> None:
        self._db = database
        self._max_live = max_live

    # --- submitting

    def submit(self, uploads: Sequence[Upload], *, kind: TaskKind, batch: str) -> list[Task | OpenRAGError]:
        """Queue stored uploads in one transaction; the outcome of each is its task, or the error that refused it.

        A missing partition is created for an add. An add of a file that exists, or is being added, is a `Conflict`;
        a replacement of a file that neither exists nor is being added is a `DocumentNotFound`, and takes the place
        of a replacement that still waits.

        Raises:
            StoreBusy: the queue has no room for all of them.
        """
        with self._db.transaction() as connection:
            self._check_room(connection, len(uploads))
            return [self._submit(connection, upload, kind, batch) for upload in uploads]

    def _check_room(self, connection: sqlite3.Connection, n_more: int) -> None:
        """Refuse uploads that the queue has no room for. Raises: StoreBusy."""
        newest, oldest_live = connection.execute(
            f"SELECT (SELECT max(seq) FROM task), (SELECT min(seq) FROM task WHERE state NOT IN {FINAL})"
        ).fetchone()
        if oldest_live is None or newest - oldest_live + 1 + n_more <= self._max_live:
            return  # however many of those in between are live
        n_live = connection.execute(f"SELECT count(*) FROM task WHERE state NOT IN {FINAL}").fetchone()[0]
        limits.check("queued_tasks", n_live + n_more, allowed=self._max_live)

    def _submit(
        self, connection: sqlite3.Connection, upload: Upload, kind: TaskKind, batch: str
    ) -> Task | OpenRAGError:
        partition_id = find_partition_id(connection, upload.partition, create=kind is TaskKind.ADD)
        key = {"partition_id": partition_id, "file_id": upload.file_id}
        is_live = find_any(connection, f"task WHERE kind = 'add' AND state NOT IN {FINAL}", key)
        exists = find_any(connection, "file WHERE true", key)
        if kind is TaskKind.ADD and (exists or is_live):
            return Conflict(
                f"File '{upload.file_id}' already exists in partition {upload.partition}",
                hint="replace it with: openrag file replace, or --if-exists replace",
            )
        if kind is TaskKind.REPLACE:
            if not exists and not is_live:
                return DocumentNotFound(upload.file_id, upload.partition)
            _supersede(connection, key)
        return insert_task(connection, upload, kind, key | {"batch": batch})

    def refuse(self, upload: Upload, error: TaskError, *, batch: str) -> Task:
        """Record an upload that cannot be indexed as a task that has FAILED; its bytes are not kept."""
        with self._db.transaction() as connection:
            number = find_partition_id(connection, upload.partition, create=True)
            key = {"partition_id": number, "file_id": upload.file_id, "batch": batch}
            insert_task(connection, upload, TaskKind.REPLACE, key)
            row = connection.execute(
                "UPDATE task SET state = 'FAILED', error = ? WHERE id = ? RETURNING *",
                (json.dumps(asdict(error)), upload.revision),
            ).fetchone()
            write_log(connection, upload.revision, "ERROR", error.message)
        return to_task(row)

    # --- working

    def claim(self, worker: str, *, limit: int, batch: str | None = None) -> list[Task]:
        """Take up to `limit` tasks that are queued or whose lease ran out, oldest first, in one statement.

        Never takes a task while an older unfinished task of its file exists. A task whose attempts are used up
        becomes FAILED with the stage it died in; one that may be on its last is left to `claim_suspect`. With a
        `batch`, older tasks that those of the batch wait for are taken too.
        """
        return self._claim(worker, limit=limit, batch=batch, attempts=(0, MAX_ATTEMPTS - 2))

    def claim_suspect(self, worker: str, *, batch: str | None = None) -> list[Task]:
        """Take the oldest task that died in all its attempts but the last, or nothing.

        It must be run alone, so that it cannot take others with it.
        """
        return self._claim(worker, limit=1, batch=batch, attempts=(MAX_ATTEMPTS - 1, MAX_ATTEMPTS - 1))

    def _claim(self, worker: str, *, limit: int, batch: str | None, attempts: tuple[int, int]) -> list[Task]:
        now = now_ms()
        arguments = {"worker": worker, "until": now + LEASE_S * 1000, "now": now, "batch": batch, "limit": limit}
        with self._db.transaction() as connection:
            _fail_exhausted(connection, now)
            rows = connection.execute(_CLAIM, arguments | dict(zip(("least", "most"), attempts, strict=True)))
            tasks = [to_task(row) for row in sorted(rows, key=lambda row: int(row["seq"]))]
            for task in tasks:
                write_log(connection, task.id, "INFO", f"attempt {task.attempts} by {worker}")
        return tasks

    def has_claimable(self) -> bool:
        """Whether a claim might find a task: a cheap read."""
        return bool(self._db.rows(f"{_CLAIMABLE} LIMIT 1", {"now": now_ms()}))

    def has_live(self, *, batch: str | None = None) -> bool:
        """Whether any task, or any of a batch, is unfinished."""
        rows = self._db.rows(
            f"SELECT 1 FROM task WHERE state NOT IN {FINAL} AND (? IS NULL OR batch = ?) LIMIT 1", (batch, batch)
        )
        return bool(rows)

    def held_by(self, is_dead: Callable[[str], bool]) -> int:
        """Return how many tasks are held by workers that are known to be dead, or whose leases have run out."""
        rows = self._db.rows(
            f"SELECT worker, lease_until FROM task WHERE state NOT IN {FINAL} AND worker IS NOT NULL"
        )
        now = now_ms()
        return sum(bool((row["lease_until"] or 0) < now or is_dead(row["worker"])) for row in rows)

    def expire(self, is_dead: Callable[[str], bool]) -> None:
        """End the leases of workers that are known to be dead."""
        rows = self._db.rows(f"SELECT DISTINCT worker FROM task WHERE state NOT IN {FINAL} AND worker IS NOT NULL")
        for worker in [row["worker"] for row in rows if is_dead(row["worker"])]:
            with self._db.transaction() as connection:
                connection.execute(
                    f"UPDATE task SET lease_until = 0 WHERE worker = ? AND state NOT IN {FINAL}", (worker,)
                )

    def fail_exhausted(self) -> None:
        """Fail the tasks whose lease ran out in their last attempt; a claim does so too."""
        with self._db.transaction() as connection:
            _fail_exhausted(connection, now_ms())

    def heartbeat(self, worker: str) -> None:
        """Extend the lease of everything that `worker` holds."""
        with self._db.transaction() as connection:
            connection.execute(
                f"UPDATE task SET lease_until = ? WHERE worker = ? AND state NOT IN {FINAL}",
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
                    f"AND attempts = ? AND state NOT IN {FINAL}",
                    (state, now + LEASE_S * 1000, now, task.id, task.worker, task.attempts),
                )
                if done.rowcount == 1:
                    kept.append(task)
        return kept

    def complete(self, completions: Sequence[Completion]) -> list[Task]:
        """Make new revisions visible and finish their tasks, in one transaction (I3); return those still owned.

        The revision that each replaces is retired.
        """
        finished = []
        with self._db.transaction() as connection:
            for completion in completions:
                if _finish(connection, completion.task, TaskState.COMPLETED, None):
                    publish(connection, completion)
                    _warn(connection, completion.task.id, completion.document)
                    write_log(connection, completion.task.id, "INFO", f"{completion.chunk_count} chunks indexed")
                    finished.append(completion.task)
        return finished

    def fail(self, task: Task, error: TaskError) -> bool:
        """Finish an owned task as FAILED; False when it is no longer owned. The file's old version stays."""
        with self._db.transaction() as connection:
            if not _finish(connection, task, TaskState.FAILED, error):
                return False
            retire(connection, task.id)
            write_log(connection, task.id, "ERROR", error.message)
        return True

    def release(self, worker: str) -> int:
        """Give back everything that `worker` holds, as if it had never been claimed; return how many.

        What was being inserted is retired: its chunks may be in the index.
        """
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO tombstone SELECT id, ? FROM task WHERE worker = ? AND state = 'INSERTING'",
                (now_ms(), worker),
            )
            done = connection.execute(
                "UPDATE task SET state = 'QUEUED', worker = NULL, lease_until = NULL, attempts = attempts - 1, "
                f"updated_at = ? WHERE worker = ? AND state NOT IN {FINAL}",
                (now_ms(), worker),
            )
        return done.rowcount

    def release_all(self) -> None:
        """Give back what anybody holds: for the copy of a store, where no worker will ever come back."""
        rows = self._db.rows(f"SELECT DISTINCT worker FROM task WHERE worker IS NOT NULL AND state NOT IN {FINAL}")
        for row in rows:
            self.release(row["worker"])


def find_partition_id(connection: sqlite3.Connection, name: str, *, create: bool) -> int:
    """Within a transaction, return the number of a partition, made when `create`; -1 when there is none."""
    if create:
        connection.execute(
            "INSERT INTO partition (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, now_ms())
        )
    row = connection.execute("SELECT id FROM partition WHERE name = ?", (name,)).fetchone()
    return int(row["id"]) if row else -1


def find_any(connection: sqlite3.Connection, source: str, key: dict[str, Any]) -> bool:
    """Within a transaction, tell whether `source`, a table with a condition, holds the file that `key` names."""
    sql = f"SELECT 1 FROM {source} AND partition_id = :partition_id AND file_id = :file_id LIMIT 1"
    return connection.execute(sql, key).fetchone() is not None


def insert_task(connection: sqlite3.Connection, upload: Upload, kind: TaskKind, key: dict[str, Any]) -> Task:
    """Within a transaction, add the task of an upload; `key` has partition_id, file_id and batch."""
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
        f"SELECT id, state FROM task WHERE state NOT IN {FINAL} AND lease_until < ? AND attempts >= {MAX_ATTEMPTS}",
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
        write_log(connection, row["id"], "ERROR", error.message)


def _finish(connection: sqlite3.Connection, task: Task, state: TaskState, error: TaskError | None) -> bool:
    done = connection.execute(
        "UPDATE task SET state = ?, worker = NULL, lease_until = NULL, error = ?, updated_at = ? "
        f"WHERE id = ? AND worker = ? AND attempts = ? AND state NOT IN {FINAL}",
        (state, json.dumps(asdict(error)) if error else None, now_ms(), task.id, task.worker, task.attempts),
    )
    return done.rowcount == 1


def _warn(connection: sqlite3.Connection, task_id: str, document: Document) -> None:
    if document.warnings:
        warnings = from_warnings(document.warnings)
        connection.execute("UPDATE task SET warnings = ? WHERE id = ?", (warnings, task_id))
    for warning in document.warnings:
        write_log(connection, task_id, "WARNING", warning.sentence)


def write_log(connection: sqlite3.Connection, task_id: str, level: str, message: str) -> None:
    """Within a transaction, add a line to a task's log."""
    connection.execute(
        "INSERT INTO task_log (task_id, at, level, message) VALUES (?, ?, ?, ?)", (task_id, now_ms(), level, message)
    )
