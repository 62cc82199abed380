"""Deleting a whole partition: invisible at once, gone in short transactions that let other writers in between.

Its name is taken away first; no name that a user may give begins with a slash, and what reads partitions leaves such
ones out. What is left when a process ends goes with the next maintenance.
"""

import sqlite3

from openrag_cli.errors import PartitionNotFound
from openrag_cli.failpoints import failpoint
from openrag_cli.store.database import Database
from openrag_cli.store.retire import cancel_live, drop_import, obsolete_partition, retire

DELETED_NAME = "/deleted/"
MAX_FILES = 500
"""Files deleted in one transaction: two rows each, besides those of their metadata."""


def delete_partition(database: Database, name: str) -> int:
    """Delete a partition with its files, cancel its live tasks, and return how many files it had.

    Raises:
        PartitionNotFound: there is none of that name.
    """
    with database.transaction() as connection:
        row = connection.execute("SELECT id FROM partition WHERE name = canonical(?)", (name,)).fetchone()
        if row is None:
            n_dropped = drop_import(connection, name)
            if n_dropped is None:
                raise PartitionNotFound(name)
            return n_dropped
        n_files = connection.execute("SELECT count(*) FROM file WHERE partition_id = ?", (row["id"],)).fetchone()[0]
        connection.execute("UPDATE partition SET name = ? WHERE id = ?", (f"{DELETED_NAME}{row['id']}", row["id"]))
    failpoint("deleting a partition")
    finish_deletions(database)
    return int(n_files)


def finish_deletions(database: Database) -> None:
    """Delete what is left of partitions that were deleted; with none it is one read."""
    for row in database.rows("SELECT id FROM partition WHERE name GLOB '/deleted/*'"):
        is_done = False
        while not is_done:
            with database.transaction() as connection:
                is_done = _delete_some(connection, row["id"])


def _delete_some(connection: sqlite3.Connection, partition_id: int) -> bool:
    """Within a transaction, delete some of a partition's tasks and files; return whether nothing is left."""
    some = (
        "id IN (SELECT id FROM task WHERE partition_id = :partition_id "
        "AND state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') LIMIT :limit)"
    )
    if cancel_live(connection, some, {"partition_id": partition_id, "limit": MAX_FILES}, "its partition"):
        return False
    rows = connection.execute(
        "DELETE FROM file WHERE partition_id = :id AND file_id IN "
        "(SELECT file_id FROM file WHERE partition_id = :id LIMIT :limit) RETURNING revision",
        {"id": partition_id, "limit": MAX_FILES},
    ).fetchall()
    for row in rows:
        retire(connection, row["revision"])
    if rows or obsolete_partition(connection, partition_id, limit=2 * MAX_FILES):
        return False
    connection.execute("DELETE FROM metadata_value WHERE partition_id = ?", (partition_id,))
    connection.execute("DELETE FROM partition WHERE id = ?", (partition_id,))
    return True
