"""What syncs remember of folders, in the catalog's file; and the lock that lets one sync work on a folder at a time."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from contextlib import contextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING, NamedTuple

from openrag_cli.domain import TaskState
from openrag_cli.errors import PathNotFound, StoreBusy
from openrag_cli.store.files.sources import source_id
from openrag_cli.store.task_rows import find_partition_id, to_error
from openrag_cli.sync.plan import Attempt, PartitionFile, SyncHistory, SyncRecord
from openrag_cli.sync.root import Root

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from openrag_cli.store.database import Database
    from openrag_cli.sync.plan import FolderFile

_COLUMNS = "size, mtime_ns, sha256, revision, task_id, n_failed, failed_at, inode, ctime_ns"


class SyncState:
    """The memory of one folder, as it is synced into one partition."""

    def __init__(self, database: Database, partition: str, root: Root) -> None:
        self._db = database
        self._partition = partition
        self._root = root
        self._path = root.key
        self._prefix: str | None = None
        self._place_of: bytes | None = None

    def inherit(self, seen: Mapping[str, FolderFile]) -> Inherited | None:
        """Take the place of a remembered folder that is gone, where this one is new and has what that one had.

        `seen` has the ids without a prefix. More than half of the files that the other brought must be here, of the
        same size and last change: then it was renamed, mounted elsewhere or restored. It is written with what is saved
        next.
        """
        if not self._db.path.exists():
            return None
        folders = folders_of(self._db, self._partition)
        if any(row["path"] == self._path for row in folders):
            return None
        for row in folders:
            if self._root.is_there(row["path"]):
                continue
            known = self._db.rows(
                "SELECT file_id, size, mtime_ns FROM folder_file WHERE folder_id = ? AND revision IS NOT NULL",
                (row["id"],),
            )
            ids = [(one["file_id"].removeprefix(row["prefix"]), one["size"], one["mtime_ns"]) for one in known]
            n_same = sum(
                file_id in seen and (seen[file_id].size, seen[file_id].mtime_ns) == (size, mtime_ns)
                for file_id, size, mtime_ns in ids
            )
            if 2 * n_same > len(ids):
                self._place_of = row["path"]
                return Inherited(os.fsdecode(row["path"]), str(row["prefix"]))
        return None

    @property
    def takes_place(self) -> bool:
        """Whether the folder takes the place of another one that is gone, and that is still to be written down."""
        return self._place_of is not None

    def keep_prefix(self, prefix: str) -> None:
        """Write this prefix of the folder's ids down with what is saved next."""
        self._prefix = prefix

    @contextmanager
    def lock(self, timeout_s: float) -> Iterator[None]:
        """Hold the folder's lock, freed by the kernel when the process dies.

        Raises:
            StoreBusy: another sync of the folder into the partition runs after `timeout_s` seconds.
        """
        key = hashlib.sha256(b"\0".join([self._partition.encode(), self._path])).hexdigest()[:32]
        with self._db.file_lock(f"locks/{key}", timeout_s, is_syncing(self._partition)):
            yield

    def load(self) -> SyncHistory:
        """Return what is remembered of the folder, with what the partition holds; nothing is written."""
        if not self._db.path.exists():
            return SyncHistory()
        with self._db.snapshot() as connection:
            partition_id = find_partition_id(connection, self._partition, create=False)
            held = connection.execute(
                "SELECT file_id, revision, size, sha256 FROM file WHERE partition_id = ?", (partition_id,)
            )
            held_files = {row[0]: PartitionFile(*tuple(row)[1:]) for row in held}
            others = connection.execute(
                "SELECT id, path FROM folder WHERE partition_id = ? AND path <> ?", (partition_id, self._path)
            ).fetchall()
            elsewhere = _ids_of(connection, [row["id"] for row in others if self._root.is_there(row["path"])])
            folder = connection.execute(
                "SELECT id, is_settled FROM folder WHERE partition_id = ? AND path = ?",
                (partition_id, self._place_of or self._path),
            ).fetchone()
            if folder is None:
                return SyncHistory(held=held_files, elsewhere=elsewhere)
            rows = connection.execute(
                f"SELECT file_id, {_COLUMNS} FROM folder_file WHERE folder_id = ?", (folder["id"],)
            )
            return SyncHistory(
                rows={row[0]: SyncRecord(*tuple(row)[1:]) for row in rows},
                held=held_files,
                attempts=_attempts_of(connection, folder["id"]),
                elsewhere=elsewhere,
                is_settled=bool(folder["is_settled"]),
            )

    def check_disk(self, folder: Path, known: Collection[str], seen: Collection[str]) -> None:
        """Refuse a folder on another disk than it was where none of its files is: it is not there, and nothing of it
        was deleted. Raises: PathNotFound."""
        if not known or any(file_id in seen for file_id in known):
            return
        rows = self._db.rows(
            "SELECT device FROM folder JOIN partition ON partition.id = partition_id "
            "WHERE partition.name = canonical(?) AND path = ?",
            (self._partition, self._path),
        )
        was = rows[0]["device"] if rows else None
        if was is not None and was != self._root.device():
            raise PathNotFound(
                f"{folder} is on another disk than it was, and none of its files is there",
                hint=f"mount its disk; where its files are meant to go: openrag file sync --forget {shlex.quote(str(folder))}",
            )

    def _take_place(self, connection: sqlite3.Connection, partition_id: int) -> None:
        if self._place_of is None:
            return
        place = (partition_id, self._place_of)
        connection.execute(
            "UPDATE file SET source_id = ? WHERE partition_id = ? "
            "AND source_id IN (SELECT id FROM source WHERE kind = 'folder' AND root = ?)",
            (source_id(connection, self._root.source), *place),
        )
        connection.execute("UPDATE folder SET path = ? WHERE partition_id = ? AND path = ?", (self._path, *place))
        self._place_of = None

    def records(self, file_ids: Iterable[str]) -> dict[str, SyncRecord]:
        """Return what is remembered of some files of the folder."""
        rows = self._db.rows(
            f"SELECT file_id, {_COLUMNS} FROM folder_file JOIN folder ON folder.id = folder_id "
            "JOIN partition ON partition.id = partition_id WHERE name = canonical(?) AND path = ? "
            "AND file_id IN (SELECT value FROM json_each(?))",
            (self._partition, self._path, json.dumps(list(file_ids))),
        )
        return {row[0]: SyncRecord(*tuple(row)[1:]) for row in rows}

    def save(
        self, rows: Mapping[str, SyncRecord], forget: Iterable[str] = (), *, is_settled: bool | None = None
    ) -> None:
        """Write rows and drop others in one transaction; partition and folder are made known when they are new.

        `is_settled` says whether a sync is in the middle of changes; None leaves that as it is. A version that one
        folder brings or adopts no longer belongs to another, and has this folder as its source.
        """
        with self._db.transaction() as connection:
            partition_id = find_partition_id(connection, self._partition, create=True)
            folders = self._folders(connection, partition_id, is_settled=is_settled)
            folder_id = folders.pop(self._path)
            prefix = connection.execute("SELECT prefix FROM folder WHERE id = ?", (folder_id,)).fetchone()["prefix"]
            connection.executemany(
                "DELETE FROM folder_file WHERE folder_id = ? AND file_id = ?", [(folder_id, one) for one in forget]
            )
            connection.executemany(
                f"INSERT OR REPLACE INTO folder_file (folder_id, file_id, {_COLUMNS}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(folder_id, file_id, *_values(row)) for file_id, row in rows.items()],
            )
            owned = [(file_id, row.revision) for file_id, row in rows.items() if row.revision]
            source = source_id(connection, self._root.source) if owned else None
            connection.executemany(
                "UPDATE file SET source_id = :source, source_path = :path WHERE partition_id = :partition_id "
                "AND file_id = :file_id AND revision = :revision AND (source_id, source_path) IS NOT (:source, :path)",
                [
                    {
                        "source": source,
                        "path": file_id.removeprefix(prefix),
                        "partition_id": partition_id,
                        "file_id": file_id,
                        "revision": revision,
                    }
                    for file_id, revision in owned
                ],
            )
            for other in folders.values():
                connection.executemany(
                    "UPDATE folder_file SET revision = NULL WHERE folder_id = ? AND file_id = ? AND revision = ?",
                    [(other, *one) for one in owned],
                )

    def _folders(
        self, connection: sqlite3.Connection, partition_id: int, *, is_settled: bool | None
    ) -> dict[bytes, int]:
        """Make the folder known; return the ids of all folders of the partition by their paths."""
        self._take_place(connection, partition_id)
        connection.execute(
            "INSERT INTO folder (partition_id, path, is_settled, prefix, device) "
            "VALUES (:partition, :path, 1, coalesce(:prefix, ''), :device) "
            "ON CONFLICT (partition_id, path) DO UPDATE SET prefix = coalesce(:prefix, prefix), device = :device",
            {"partition": partition_id, "path": self._path, "prefix": self._prefix, "device": self._root.device()},
        )
        if is_settled is not None:
            connection.execute(
                "UPDATE folder SET is_settled = ? WHERE partition_id = ? AND path = ?",
                (is_settled, partition_id, self._path),
            )
        rows = connection.execute("SELECT path, id FROM folder WHERE partition_id = ?", (partition_id,))
        return dict(rows.fetchall())


class Inherited(NamedTuple):
    """A folder whose place another takes: its path, and what its ids begin with."""

    path: str
    prefix: str

    @property
    def shown(self) -> str:
        """Its path; of a client's folder nobody here knows it."""
        return "another folder" if self.path.startswith("client:") else self.path


def is_syncing(partition: str) -> StoreBusy:
    """Return the error for a folder that another sync works on."""
    return StoreBusy(
        f"another sync of this folder into partition '{partition}' is running",
        hint="wait for it with --lock-timeout SECONDS",
    )


def _values(row: SyncRecord) -> tuple[object, ...]:
    return astuple(row)


def _ids_of(connection: sqlite3.Connection, folder_ids: Iterable[int]) -> frozenset[str]:
    rows = connection.execute(
        "SELECT file_id FROM folder_file WHERE revision IS NOT NULL AND folder_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(folder_ids)),),
    )
    return frozenset(row["file_id"] for row in rows)


def _attempts_of(connection: sqlite3.Connection, folder_id: int) -> dict[str, Attempt]:
    rows = connection.execute(
        "SELECT t.id, t.state, t.updated_at, t.error FROM folder_file f JOIN task t ON t.id = f.task_id "
        "WHERE f.folder_id = ? AND f.task_id IS NOT NULL",
        (folder_id,),
    )
    return {row["id"]: Attempt(TaskState(row["state"]), row["updated_at"], to_error(row["error"])) for row in rows}


def folders_of(database: Database, partition: str) -> list[sqlite3.Row]:
    """Return `id`, `path` and `prefix` of every folder that was synced into a partition."""
    return database.rows(
        "SELECT folder.id AS id, path, prefix FROM folder "
        "JOIN partition ON partition.id = partition_id WHERE name = canonical(?)",
        (partition,),
    )


def has_others_below(database: Database, partition: str, prefix: str, path: bytes) -> bool:
    """Whether an id that begins with `prefix`, which ends with a slash, is of a file of another source than that folder."""
    rows = database.rows(
        "SELECT 1 FROM file JOIN partition ON partition.id = file.partition_id "
        "JOIN source ON source.id = file.source_id WHERE partition.name = canonical(?) "
        "AND file_id >= ? AND file_id < ? AND source.root <> ? LIMIT 1",
        (partition, prefix, f"{prefix[:-1]}0", path),
    )
    return bool(rows)
