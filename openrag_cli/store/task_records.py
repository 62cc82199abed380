"""Tasks as people see and change them: listing, logs, cancelling, retrying, pruning."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from openrag_cli.domain import FINAL_STATES, LogLine, TaskError, TaskKind, TaskState
from openrag_cli.errors import Conflict, DeadlineReached, InvalidInput, TaskNotFound
from openrag_cli.store.database import at, now_ms
from openrag_cli.store.files.pages import key_of, token
from openrag_cli.store.files.results import Results
from openrag_cli.store.retire import cancel_live
from openrag_cli.store.task_rows import FINAL, find_any, to_error, to_task, write_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openrag_cli.domain import Task
    from openrag_cli.store.database import Database

POLL_S = 0.1

_SKIPPED = "(sha256 = '' AND state = 'FAILED')"  # of a kind that no reader knows, and so never read


class TaskRecords:
    """Every task that was not pruned."""

    def __init__(self, database: Database) -> None:
        self._db = database

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

    def page(self, states: Iterable[TaskState] = (), *, limit: int, after: str = "") -> Results[Task]:
        """Return up to `limit` tasks (negative: all), newest first, of those after the page that named `after`.

        What was skipped, since no reader knows its kind, is left out; a sync remembers it by its task.

        Raises:
            InvalidInput: `after` names no page.
        """
        wanted = [str(state) for state in states]
        last = key_of(after, int)[0] if after else 1 << 62
        n_most = limit + (limit > 0)
        if wanted:
            # Each state in the order of its own index: else all tasks of a state would be sorted for a page of them.
            of_state = (
                f"SELECT * FROM (SELECT * FROM task INDEXED BY task_of_state WHERE state = ? AND seq < ? AND NOT {_SKIPPED} "
                "ORDER BY seq DESC LIMIT ?)"
            )
            sql = f"{' UNION ALL '.join([of_state] * len(wanted))} ORDER BY seq DESC LIMIT ?"
            rows = self._db.rows(sql, (*(part for state in wanted for part in (state, last, n_most)), n_most))
        else:
            rows = self._db.rows(
                f"SELECT * FROM task WHERE seq < ? AND NOT {_SKIPPED} ORDER BY seq DESC LIMIT ?", (last, n_most)
            )
        counted = "state IN (SELECT value FROM json_each(?))" if wanted else "? <> ''"
        total = self._db.rows(f"SELECT count(*) FROM task WHERE {counted} AND NOT {_SKIPPED}", (json.dumps(wanted),))
        kept = rows[: limit if limit >= 0 else None]
        following = token(kept[-1]["seq"]) if len(rows) > len(kept) and kept else None
        return Results(map(to_task, kept), total=int(total[0][0]), next=following)

    def paused(self) -> tuple[int, TaskError] | None:
        """Return how many tasks wait because of the store or the machine, and what the last of them met; None for none."""
        rows = self._db.rows(
            "SELECT error, count(*) AS n, max(not_before) FROM task WHERE n_paused > 0 AND state = 'QUEUED'"
        )
        error = to_error(rows[0]["error"])
        return (int(rows[0]["n"]), error) if error else None

    def adopt(self, task_ids: Iterable[str], batch: str) -> None:
        """Make live tasks part of another batch, as when a command is run again after it was killed."""
        with self._db.transaction() as connection:
            connection.execute(
                f"UPDATE task SET batch = ? WHERE state NOT IN {FINAL} AND id IN (SELECT value FROM json_each(?))",
                (batch, json.dumps(list(task_ids))),
            )

    def live_task(self, partition: str, file_id: str) -> Task | None:
        """Return the newest unfinished task of a file, if any."""
        rows = self._db.rows(
            f"SELECT * FROM task WHERE partition = canonical(?) AND file_id = ? AND state NOT IN {FINAL} "
            "ORDER BY seq DESC LIMIT 1",
            (partition, file_id),
        )
        return to_task(rows[0]) if rows else None

    def counts(self, *, batch: str | None = None) -> dict[TaskState, int]:
        """Return how many tasks are in each state, without what was skipped."""
        rows = self._db.rows(
            "SELECT state, count(*) AS n FROM task WHERE :batch IS NULL OR batch = :batch GROUP BY state "
            f"UNION ALL SELECT 'FAILED', -count(*) FROM task WHERE {_SKIPPED} AND (:batch IS NULL OR batch = :batch)",
            {"batch": batch},
        )
        found: Counter[str] = Counter()
        for row in rows:
            found[row["state"]] += int(row["n"])
        return {state: found[state] for state in TaskState}

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
                write_log(connection, task_id, "INFO", "cancelled on request")
        task = self.task(task_id)
        if not n_cancelled:
            raise Conflict(f"Task '{task_id}' has finished: {task.state}", hint=f"openrag task show {task_id}")
        return task

    def retry(self, task_id: str) -> Task:
        """Queue a failed or cancelled task again, with all its attempts.

        Raises:
            TaskNotFound: there is none of that id. Conflict: it is live or completed, its content is older than
                what its file holds, its file was deleted, or another task works on the file.
        """
        with self._db.transaction() as connection:
            row = connection.execute("SELECT * FROM task WHERE id = ?", (task_id,)).fetchone()
            if row is None:
                raise TaskNotFound(task_id)
            if TaskState(row["state"]) not in {TaskState.FAILED, TaskState.CANCELLED}:
                raise Conflict(f"Task '{task_id}' is {row['state']}: only FAILED and CANCELLED tasks can be retried")
            if row["obsolete"]:
                raise Conflict(
                    f"Task '{task_id}' cannot be retried: {row['obsolete']}", hint="openrag file add, or file replace"
                )
            key = {"partition_id": row["partition_id"], "file_id": row["file_id"]}
            if find_any(connection, f"task WHERE state NOT IN {FINAL}", key):
                raise Conflict(f"File '{row['file_id']}' is being worked on by another task")
            if row["kind"] == TaskKind.ADD and find_any(connection, "file WHERE true", key):
                raise Conflict(f"File '{row['file_id']}' has been added since")
            connection.execute(
                "UPDATE task SET state = 'QUEUED', attempts = 0, error = NULL, worker = NULL, lease_until = NULL, "
                "not_before = 0, n_paused = 0, updated_at = ? WHERE id = ?",
                (now_ms(), task_id),
            )
            write_log(connection, task_id, "INFO", "queued again")
        return self.task(task_id)

    def wait(self, task_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Task]:
        """Return the tasks once all have finished.

        Raises:
            TaskNotFound, InvalidInput. DeadlineReached: some are unfinished after `timeout_s` seconds.
        """
        if timeout_s is not None and not timeout_s >= 0:
            raise InvalidInput(f"the timeout must be a number of seconds, not {timeout_s:g}")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            tasks = [self.task(task_id) for task_id in task_ids]
            if all(task.state.is_final for task in tasks):
                return tasks
            if deadline is not None and time.monotonic() >= deadline:
                n_left = sum(not task.state.is_final for task in tasks)
                raise DeadlineReached(f"{n_left} of {len(tasks)} tasks have not finished after {timeout_s:g} s")
            time.sleep(POLL_S)

    def prune(self, *, older_than_s: float, states: Iterable[TaskState] = FINAL_STATES) -> list[str]:
        """Delete finished tasks last changed more than `older_than_s` seconds ago; return their ids."""
        wanted = json.dumps([str(state) for state in states if state.is_final])
        with self._db.transaction() as connection:
            rows = connection.execute(
                "DELETE FROM task WHERE state IN (SELECT value FROM json_each(?)) AND updated_at <= ? RETURNING id",
                (wanted, now_ms() - round(older_than_s * 1000)),
            ).fetchall()
        return [row["id"] for row in rows]

    def prune_old(self, age_s: float, n_kept: int, *, limit: int) -> list[str]:
        """Delete up to `limit` finished tasks that are older than `age_s` seconds or not among the `n_kept` newest.

        One that failed or was cancelled stays as long as it may be queued again. Return their ids; with nothing to
        delete it is one read of a few rows.
        """
        arguments = {"before": now_ms() - round(age_s * 1000), "n_kept": n_kept, "limit": limit}
        if not self._db.rows(f"{_OLD} LIMIT 1", arguments):
            return []
        with self._db.transaction() as connection:
            rows = connection.execute(
                f"DELETE FROM task WHERE id IN ({_OLD} LIMIT :limit) RETURNING id", arguments
            ).fetchall()
        return [row["id"] for row in rows]


_OLD = """
SELECT id FROM task WHERE state = 'COMPLETED' AND updated_at < :before
UNION ALL
SELECT id FROM task WHERE state IN ('FAILED', 'CANCELLED') AND updated_at < :before AND obsolete IS NOT NULL
UNION ALL
SELECT id FROM task WHERE seq <= (SELECT max(seq) FROM task) - :n_kept
AND (state = 'COMPLETED' OR (state IN ('FAILED', 'CANCELLED') AND obsolete IS NOT NULL))
"""
