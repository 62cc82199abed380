"""The queue: the only channel to workers, with leases and fencing (I5, I6, I7).

A worker owns a task through (worker, attempt) until its lease runs out; every later write names both.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from openrag_cli import limits
from openrag_cli.domain import TaskError, TaskKind, TaskState
from openrag_cli.errors import Conflict, DocumentNotFound
from openrag_cli.store.database import at, now_ms
from openrag_cli.store.documents import from_warnings
from openrag_cli.store.publish import publish
from openrag_cli.store.retire import retire
from openrag_cli.store.task_rows import (
    FINAL,
    changed_since,
    find_any,
    find_partition_id,
    insert_task,
    supersede,
    to_task,
    write_log,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from openrag_cli.domain import Document, Task, Upload
    from openrag_cli.errors import OpenRAGError
    from openrag_cli.store.database import Database
    from openrag_cli.store.publish import Completion

LEASE_S = 60
HEARTBEAT_S = 15
MAX_ATTEMPTS = 3
MAX_PAUSE_S = 300
CLOCK_SKEW_S = 5
"""A lease or a pause that ends later than its length from now, and this, is of a clock that was ahead: it is void."""

# Each statement goes along an index of what is due or tried: none looks at the whole queue (see schema/013_claims.sql).
_IS_LIVE = f"t.state NOT IN {FINAL}"
_IS_DUE = "((t.state = 'QUEUED' AND t.not_before <= :now) OR t.lease_until < :now)"
_IS_OLDEST = f"""
    NOT EXISTS (SELECT 1 FROM task o WHERE o.partition_id = t.partition_id AND o.file_id = t.file_id
                AND o.seq < t.seq AND o.state NOT IN {FINAL})
"""
_OF_ANY = "SELECT seq FROM (" + " UNION ALL ".join(
    f"SELECT * FROM (SELECT t.seq AS seq FROM task t INDEXED BY {index} "
    f"WHERE {which} AND t.attempts <= :most AND {_IS_OLDEST} "
    "ORDER BY t.seq LIMIT :limit)"
    for index, which in (
        ("task_fresh", "t.state = 'QUEUED' AND t.not_before = 0"),
        ("task_paused", "t.state = 'QUEUED' AND t.n_paused > 0 AND t.not_before BETWEEN 1 AND :now"),
        ("task_held", f"t.lease_until IS NOT NULL AND t.lease_until < :now AND {_IS_LIVE}"),
    )
) + ") ORDER BY seq LIMIT :limit"  # fmt: skip
# A batch includes the older tasks that its own wait for: nobody else may be there to run them.
_OF_BATCH = f"""
    SELECT t.seq FROM task n JOIN task t ON t.partition_id = n.partition_id AND t.file_id = n.file_id
    WHERE n.batch = :batch AND n.state NOT IN {FINAL} AND {_IS_LIVE} AND t.attempts <= :most AND {_IS_DUE} AND {_IS_OLDEST}
    ORDER BY n.seq LIMIT :limit
"""
_SUSPECT = f"""
    SELECT t.seq FROM task t
    WHERE t.attempts > 1 AND t.attempts = :most AND {_IS_LIVE} AND {_IS_DUE} AND {_IS_OLDEST}
      AND (:batch IS NULL OR EXISTS (SELECT 1 FROM task n WHERE n.partition_id = t.partition_id
                                     AND n.file_id = t.file_id AND n.batch = :batch AND n.state NOT IN {FINAL}))
    ORDER BY t.seq LIMIT :limit
"""
_HELD = f"lease_until IS NOT NULL AND worker = ? AND state NOT IN {FINAL}"
_CLAIM = """
UPDATE task SET state = 'SERIALIZING', worker = :worker, attempts = attempts + 1, lease_until = :until,
                updated_at = :now
WHERE seq IN ({})
RETURNING *
"""


class TaskQueue:
    """Tasks, from submission to their one final state."""

    def __init__(self, database: Database, *, max_live: int = limits.most("queued_tasks")) -> None:
        self._db = database
        self._max_live = max_live

    # --- submitting

    def submit(
        self, uploads: Sequence[Upload], *, kind: TaskKind, batch: str, guard: Mapping[str, str | None] | None = None
    ) -> list[Task | OpenRAGError]:
        """Queue stored uploads in one transaction; the outcome of each is its task, or the error that refused it.

        A missing partition is created for an add. An add of a file that exists, or is being added, is a `Conflict`;
        a replacement of a file that neither exists nor is being added is a `DocumentNotFound`, and takes the place
        of a replacement that still waits. With a `guard`, the revision by file id that the caller has seen (None: no
        file), it is a `Conflict` too when the file has another one now, or another batch works on it.

        Raises:
            StoreBusy: the queue has no room for all of them.
        """
        with self._db.transaction() as connection:
            self._check_room(connection, len(uploads))
            return [
                changed_since(connection, upload, guard, batch) or self._submit(connection, upload, kind, batch)
                for upload in uploads
            ]

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
            supersede(connection, key)
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
        which = _OF_ANY if batch is None else _OF_BATCH
        return self._claim(which, {"worker": worker, "limit": limit, "batch": batch, "most": MAX_ATTEMPTS - 2})

    def claim_suspect(self, worker: str, *, batch: str | None = None) -> list[Task]:
        """Take the oldest task that died in all its attempts but the last, or nothing.

        It must be run alone, so that it cannot take others with it.
        """
        return self._claim(_SUSPECT, {"worker": worker, "limit": 1, "batch": batch, "most": MAX_ATTEMPTS - 1})

    def _claim(self, which: str, arguments: dict[str, object]) -> list[Task]:
        now = now_ms()
        with self._db.transaction() as connection:
            _fail_exhausted(connection, now)
            rows = connection.execute(_CLAIM.format(which), arguments | {"now": now, "until": now + LEASE_S * 1000})
            tasks = [to_task(row) for row in sorted(rows, key=lambda row: int(row["seq"]))]
            for task in tasks:
                write_log(connection, task.id, "INFO", f"attempt {task.attempts} by {task.worker}")
        return tasks

    def has_claimable(self) -> bool:
        """Whether a claim might find a task: a cheap read."""
        return bool(self._db.rows(_OF_ANY, {"now": now_ms(), "most": MAX_ATTEMPTS, "limit": 1}))

    def has_live(self, *, batch: str | None = None) -> bool:
        """Whether any task, or any of a batch, is unfinished."""
        rows = self._db.rows(
            f"SELECT 1 FROM task WHERE state NOT IN {FINAL} AND (? IS NULL OR batch = ?) LIMIT 1", (batch, batch)
        )
        return bool(rows)

    def size_of_live(self, *, batch: str | None = None) -> tuple[int, int]:
        """Return how many tasks, or tasks of a batch, are unfinished, and how many bytes their files have."""
        rows = self._db.rows(
            f"SELECT count(*), coalesce(sum(size), 0) FROM task WHERE state NOT IN {FINAL} AND (? IS NULL OR batch = ?)",
            (batch, batch),
        )
        return int(rows[0][0]), int(rows[0][1])

    def held_by(self, is_dead: Callable[[str], bool]) -> int:
        """Return how many tasks are held by workers that are known to be dead, or whose leases have run out."""
        rows = self._db.rows(
            f"SELECT worker, lease_until FROM task WHERE state NOT IN {FINAL} AND lease_until IS NOT NULL"
        )
        now = now_ms()
        return sum(bool((row["lease_until"] or 0) < now or is_dead(row["worker"])) for row in rows)

    def expire(self, is_dead: Callable[[str], bool]) -> None:
        """End the leases of workers that are known to be dead, and whatever a clock that was ahead has put off."""
        rows = self._db.rows(
            "SELECT worker, max(lease_until) AS until FROM task "
            f"WHERE lease_until IS NOT NULL AND state NOT IN {FINAL} GROUP BY worker"
        )
        latest = now_ms() + (LEASE_S + CLOCK_SKEW_S) * 1000
        for worker in [row["worker"] for row in rows if row["until"] > latest or is_dead(row["worker"])]:
            with self._db.transaction() as connection:
                connection.execute(f"UPDATE task SET lease_until = 0 WHERE {_HELD}", (worker,))
        self._end_long_pauses()

    def _end_long_pauses(self) -> None:
        paused = "state = 'QUEUED' AND n_paused > 0 AND not_before > ?"
        latest = (now_ms() + (MAX_PAUSE_S + CLOCK_SKEW_S) * 1000,)
        if self._db.rows(f"SELECT 1 FROM task INDEXED BY task_paused WHERE {paused} LIMIT 1", latest):
            with self._db.transaction() as connection:
                connection.execute(f"UPDATE task INDEXED BY task_paused SET not_before = 1 WHERE {paused}", latest)

    def holder(self, *, batch: str | None = None) -> tuple[str, datetime] | None:
        """Return who else holds unfinished tasks, those of a batch or of files that it waits for, and until when."""
        rows = self._db.rows(
            f"SELECT t.worker AS worker, max(t.lease_until) AS until FROM task t WHERE t.lease_until IS NOT NULL "
            f"AND {_IS_LIVE} AND (:batch IS NULL OR EXISTS (SELECT 1 FROM task n WHERE n.batch = :batch "
            f"AND n.partition_id = t.partition_id AND n.file_id = t.file_id AND n.state NOT IN {FINAL})) "
            "GROUP BY t.worker ORDER BY until DESC LIMIT 1",
            {"batch": batch},
        )
        return (rows[0]["worker"], at(rows[0]["until"])) if rows else None

    def fail_exhausted(self) -> None:
        """Fail the tasks whose lease ran out in their last attempt; a claim does so too."""
        with self._db.transaction() as connection:
            _fail_exhausted(connection, now_ms())

    def heartbeat(self, worker: str) -> None:
        """Extend the lease of everything that `worker` holds."""
        with self._db.transaction() as connection:
            connection.execute(
                f"UPDATE task SET lease_until = ? WHERE {_HELD}",
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

    def postpone(self, task: Task, error: TaskError) -> int:
        """Give back an owned task that the store or the machine stopped: no attempt is used up, but it waits.

        It waits a second, then two, four and so on, `MAX_PAUSE_S` at most. Return how often it has been given back so,
        0 when it is no longer owned.
        """
        now = now_ms()
        with self._db.transaction() as connection:
            row = connection.execute(
                "UPDATE task SET state = 'QUEUED', worker = NULL, lease_until = NULL, attempts = attempts - 1, "
                "n_paused = n_paused + 1, not_before = ? + min(1 << min(n_paused, 20), ?) * 1000, error = ?, "
                f"updated_at = ? WHERE id = ? AND worker = ? AND attempts = ? AND state NOT IN {FINAL} "
                "RETURNING n_paused",
                (now, MAX_PAUSE_S, json.dumps(asdict(error)), now, task.id, task.worker, task.attempts),
            ).fetchone()
            if row is None:
                return 0
            write_log(connection, task.id, "WARNING", f"given back: {error.message}")
        return int(row["n_paused"])

    def release(self, worker: str) -> int:
        """Give back everything that `worker` holds, as if it had never been claimed; return how many.

        What was being inserted is retired: its chunks may be in the index.
        """
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO tombstone SELECT id, ? FROM task "
                "WHERE lease_until IS NOT NULL AND worker = ? AND state = 'INSERTING'",
                (now_ms(), worker),
            )
            done = connection.execute(
                "UPDATE task SET state = 'QUEUED', worker = NULL, lease_until = NULL, attempts = attempts - 1, "
                f"updated_at = ? WHERE {_HELD}",
                (now_ms(), worker),
            )
        return done.rowcount

    def release_all(self) -> None:
        """Give back what anybody holds: for the copy of a store, where no worker will ever come back."""
        rows = self._db.rows(
            f"SELECT DISTINCT worker FROM task WHERE lease_until IS NOT NULL AND state NOT IN {FINAL}"
        )
        for row in rows:
            self.release(row["worker"])


def _fail_exhausted(connection: sqlite3.Connection, now: int) -> None:
    rows = connection.execute(
        f"SELECT id, state FROM task WHERE attempts > 1 AND attempts >= {MAX_ATTEMPTS} AND state NOT IN {FINAL} "
        "AND lease_until < ?",
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
