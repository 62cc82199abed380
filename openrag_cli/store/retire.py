"""The end of revisions and tasks, within the transaction that brings it.

A retired revision's chunks are deleted by whoever next holds the write lock (I3). An obsolete task may never be queued
again: its content is older than what the file holds, or the file was deleted. That is written down when it becomes so,
for what the task could be compared with later may be pruned or renamed by then.
"""

import json
import shlex
import sqlite3
from typing import Any

from openrag_cli.errors import Conflict
from openrag_cli.store.database import now_ms

REPLACED = "a newer version of its file has been stored since"
DELETED = "its file was deleted since"
PARTITION_DELETED = "its partition was deleted since"
RENAMED = "its file was renamed since"

_OF_FILE = """
UPDATE task SET obsolete = ? WHERE partition_id = ? AND file_id = ? AND state IN ('FAILED', 'CANCELLED')
AND obsolete IS NULL
"""


def obsolete_older(connection: sqlite3.Connection, partition_id: int, file_id: str, task_id: str) -> None:
    """Within a transaction, mark the stopped tasks of a file that are older than the one that is published now."""
    connection.execute(
        _OF_FILE + " AND seq < (SELECT seq FROM task WHERE id = ?)", (REPLACED, partition_id, file_id, task_id)
    )


def obsolete_all(connection: sqlite3.Connection, partition_id: int, file_id: str, reason: str) -> None:
    """Within a transaction, mark every stopped task of a file."""
    connection.execute(_OF_FILE, (reason, partition_id, file_id))


def obsolete_partition(connection: sqlite3.Connection, partition_id: int, *, limit: int) -> int:
    """Within a transaction, mark stopped tasks of a partition that is deleted now; return how many."""
    done = connection.execute(
        "UPDATE task SET obsolete = ? WHERE seq IN (SELECT seq FROM task WHERE partition_id = ? "
        "AND state IN ('FAILED', 'CANCELLED') AND obsolete IS NULL LIMIT ?)",
        (PARTITION_DELETED, partition_id, limit),
    )
    return done.rowcount


def retire(connection: sqlite3.Connection, revision: str) -> None:
    """Within a transaction, mark a revision's chunks for deletion and drop its document."""
    connection.execute("INSERT OR IGNORE INTO tombstone VALUES (?, ?)", (revision, now_ms()))
    connection.execute("DELETE FROM document WHERE revision = ?", (revision,))


def cancel_live(connection: sqlite3.Connection, where: str, arguments: dict[str, Any], what: str) -> int:
    """Within a transaction, cancel the live tasks that match `where`; return how many.

    Their revisions are retired: a worker may be about to commit chunks, or has just done so.
    """
    error = json.dumps({"message": f"cancelled: {what} was deleted", "code": "cancelled"})
    rows = connection.execute(
        "UPDATE task SET state = 'CANCELLED', worker = NULL, lease_until = NULL, error = :error, updated_at = :now "
        f"WHERE state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') AND {where} RETURNING id",
        {**arguments, "error": error, "now": now_ms()},
    ).fetchall()
    for row in rows:
        retire(connection, row["id"])
    return len(rows)


def find_import(connection: sqlite3.Connection, name: str) -> int | None:
    """Within a transaction, return the number of the partition that is being imported under a name, if any."""
    row = connection.execute("SELECT partition_id FROM import WHERE name = canonical(?)", (name,)).fetchone()
    return int(row["partition_id"]) if row else None


def find_view(connection: sqlite3.Connection, name: str) -> bool:
    """Within a transaction, tell whether a view has a name: views and partitions share one space of names."""
    return connection.execute("SELECT 1 FROM view WHERE name = canonical(?)", (name,)).fetchone() is not None


def refuse_taken(connection: sqlite3.Connection, name: str) -> None:
    """Within a transaction, refuse a name for a new partition that an import or a view has. Raises: Conflict."""
    refuse_import(connection, name)
    refuse_view(connection, name)


def refuse_view(connection: sqlite3.Connection, name: str) -> None:
    """Within a transaction, refuse to make a partition of the name of a view. Raises: Conflict."""
    if find_view(connection, name):
        raise Conflict(
            f"'{name}' is a view, and partitions share its space of names",
            hint=f"choose another name, or first: openrag view delete {shlex.quote(name)}",
        )


def refuse_import(connection: sqlite3.Connection, name: str) -> None:
    """Within a transaction, refuse to make a partition that is being imported. Raises: Conflict."""
    if find_import(connection, name) is not None:
        raise Conflict(
            f"Partition '{name}' is being imported, or its import was stopped",
            hint=f"run the import again to go on, or drop it: openrag partition delete {shlex.quote(name)}",
        )


def drop_import(connection: sqlite3.Connection, name: str) -> int | None:
    """Within a transaction, forget an import and retire what it has brought; return how many files, None for no import."""
    partition_id = find_import(connection, name)
    if partition_id is None:
        return None
    files = "SELECT revision FROM import_file WHERE partition_id = ?"
    connection.execute(f"INSERT OR IGNORE INTO tombstone SELECT revision, ? FROM ({files})", (now_ms(), partition_id))
    n_files = connection.execute(f"DELETE FROM document WHERE revision IN ({files})", (partition_id,)).rowcount
    connection.execute("DELETE FROM import WHERE partition_id = ?", (partition_id,))
    return n_files
