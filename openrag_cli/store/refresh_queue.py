"""Files to be read again: which ones are outdated, and their tasks, which never stand in the way of newer content."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.domain import ALL_PARTITIONS, File, MadeBy, Task, TaskKind, Upload
from openrag_cli.store.database import Database
from openrag_cli.store.files.rows import FILE, pack_made_by, to_file
from openrag_cli.store.task_rows import FINAL, insert_task

IsCurrent = Callable[[MadeBy | None, str], bool]
"""Whether what made a file, of that media type, is what would make it now."""


@dataclass(frozen=True, slots=True)
class Rereading:
    """A file to be read again: the version it has, the upload that is to take its place, and what would make it now."""

    file: File
    upload: Upload
    target: MadeBy


class RefreshQueue:
    """The outdated files of a store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def require_writable(self) -> None:
        """Refuse to go on where the store can only be read. Raises: Forbidden."""
        self._db.require_writable()

    def count(self, is_current: IsCurrent) -> int:
        """Return how many files are outdated."""
        return sum(int(row["n"]) for row in self._kinds(is_current))

    def _kinds(self, is_current: IsCurrent) -> Iterator[sqlite3.Row]:
        rows = self._db.rows(
            "SELECT media_type, made_by, refresh_tried, count(*) AS n FROM file GROUP BY media_type, made_by, refresh_tried"
        )
        return (row for row in rows if not is_current(to_made_by(row["made_by"]), row["media_type"]))

    def outdated(
        self, partition: str, is_current: IsCurrent, *, limit: int = -1, was_tried: IsCurrent | None = None
    ) -> list[File]:
        """Return up to `limit` outdated files of a partition, or of `all`, by id; a negative limit means all of them.

        `was_tried` leaves out those whose last attempt was of what would make them now.
        """
        kinds = [
            [row["media_type"], row["made_by"], row["refresh_tried"]]
            for row in self._kinds(is_current)
            if was_tried is None or not was_tried(to_made_by(row["refresh_tried"]), row["media_type"])
        ]
        rows = self._db.rows(
            f"{FILE} WHERE (media_type, made_by, refresh_tried) IN (SELECT json_extract(value, '$[0]'), "
            "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(:kinds)) "
            "AND (:partition = :all OR partition.name = canonical(:partition)) ORDER BY partition.name, file_id LIMIT :limit",
            {"kinds": json.dumps(kinds), "partition": partition, "all": ALL_PARTITIONS, "limit": limit},
        )
        return [to_file(row) for row in rows]

    def submit(self, entries: Sequence[Rereading], *, batch: str) -> list[Task | None]:
        """Queue files to be read again, in one transaction; None for one that is not as it was, or is being worked on.

        What the user brings always goes before: a file with a live task is left to it, and newer content takes the
        place of a rereading that still waits. The metadata is what the file has when the new text is there.
        """
        with self._db.transaction() as connection:
            return [_submit(connection, entry, batch) for entry in entries]


def to_made_by(packed: str) -> MadeBy | None:
    """Return what a column of the catalog says of what made a file."""
    return MadeBy(*json.loads(packed)) if packed else None


def _submit(connection: sqlite3.Connection, entry: Rereading, batch: str) -> Task | None:
    file = entry.file
    row = connection.execute(
        "SELECT partition_id FROM file WHERE revision = ? AND file_id = ? AND NOT EXISTS (SELECT 1 FROM task "
        f"WHERE task.partition_id = file.partition_id AND task.file_id = file.file_id AND state NOT IN {FINAL})",
        (file.revision, file.file_id),
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "UPDATE file SET refresh_tried = ? WHERE revision = ?", (pack_made_by(entry.target), file.revision)
    )
    key = {"partition_id": row["partition_id"], "file_id": file.file_id, "batch": batch}
    return insert_task(connection, entry.upload, TaskKind.REPLACE, key)
