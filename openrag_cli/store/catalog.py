"""The catalog: partitions, files and documents. What is here is true; the index follows (I1, I3).

SQL lives here, in task_queue.py (tasks) and in schema/. Metadata changes are one row: no vector is touched.
"""

import json
import shlex
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from openrag_cli.domain import ALL_PARTITIONS, Document, File, Metadata, Partition
from openrag_cli.errors import Conflict, DocumentNotFound, PartitionNotFound, StoreMismatch
from openrag_cli.store.database import Database, at, now_ms
from openrag_cli.store.documents import read_document
from openrag_cli.store.files.deletion import delete_partition, finish_deletions
from openrag_cli.store.files.moves import Move, is_worked_on, possible_moves, rename
from openrag_cli.store.files.pages import Asked, FilePages
from openrag_cli.store.files.results import Results
from openrag_cli.store.files.rows import FILE, to_file
from openrag_cli.store.metadata import changed, dated
from openrag_cli.store.names import canonical
from openrag_cli.store.retire import DELETED, RENAMED, REPLACED, cancel_live, obsolete_all, refuse_taken, retire
from openrag_cli.store.task_rows import edit_waiting

if TYPE_CHECKING:
    from openrag_cli.store.files.conditions import Condition
    from openrag_cli.store.files.filtered_files import FilteredFiles


class Catalog:
    """What the store holds. Every method is one transaction or one read."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # --- the store itself

    def meta(self, key: str) -> str | None:
        """Return a fact about the store, such as the identity of its embedding model; None when not set."""
        rows = self._db.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0]["value"]) if rows else None

    def set_once(self, key: str, value: str) -> str:
        """Set a fact that was never set, and return the one that stands."""
        with self._db.transaction() as connection:
            connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", (key, value))
            return str(connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    def set_meta(self, key: str, value: str) -> None:
        """Set a fact about the store, whatever it was before."""
        with self._db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def check_model(self, identity: str) -> None:
        """Bind the store to its model on first use; refuse another afterwards. Raises: StoreMismatch."""
        known = self.meta("model")
        if known is None and not self._db.is_read_only:
            known = self.set_once("model", identity)
        if known not in {None, identity}:
            raise StoreMismatch(
                f"the store was made with the embedding model {known}, not {identity}",
                hint="give its model with --embed-model, or use another store with --store",
            )

    # --- partitions

    def create_partition(self, name: str) -> Partition:
        """Create an empty partition.

        Raises:
            Conflict: it exists.
        """
        with self._db.transaction() as connection:
            if connection.execute("SELECT 1 FROM partition WHERE name = canonical(?)", (name,)).fetchone():
                raise Conflict(
                    f"Partition '{name}' already exists", hint=f"openrag partition show {shlex.quote(name)}"
                )
            refuse_taken(connection, name)
            connection.execute("INSERT INTO partition (name, created_at) VALUES (canonical(?), ?)", (name, now_ms()))
        return self.partition(name)

    def partitions(self) -> list[Partition]:
        """Return every partition with its counts, by name."""
        return self._partitions("", ())

    def partition(self, name: str) -> Partition:
        """Return one partition with its counts.

        Raises:
            PartitionNotFound: there is none of that name.
        """
        found = self._partitions("AND p.name = canonical(?)", (name,))
        if not found:
            raise PartitionNotFound(name)
        return found[0]

    def _partitions(self, where: str, arguments: Sequence[Any]) -> list[Partition]:
        rows = self._db.rows(
            "SELECT p.name, p.created_at, count(f.file_id) AS files, coalesce(sum(f.chunk_count), 0) AS chunks "
            f"FROM partition p LEFT JOIN file f ON f.partition_id = p.id "
            f"WHERE p.name NOT GLOB '/*' {where} GROUP BY p.id ORDER BY p.name",
            arguments,
        )
        return [Partition(row["name"], at(row["created_at"]), row["files"], row["chunks"]) for row in rows]

    def partition_ids(self, names: Iterable[str]) -> list[int] | None:
        """Return the index's numbers of the named partitions; None when `all` is among them.

        Raises:
            PartitionNotFound: one does not exist.
        """
        wanted = list(dict.fromkeys(canonical(name) for name in names))
        if ALL_PARTITIONS in wanted:
            return None
        known = self.partition_numbers(wanted)
        for name in wanted:
            if name not in known:
                raise PartitionNotFound(name)
        return [known[name] for name in wanted]

    def partition_numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return the index's number of each of the named partitions that exists."""
        numbers = {row["name"]: int(row["id"]) for row in self._db.rows("SELECT id, name FROM partition")}
        return {name: numbers[canonical(name)] for name in names if canonical(name) in numbers}

    def delete_partition(self, name: str) -> int:
        """Delete a partition with its files, cancel its live tasks, and return how many files it had.

        It is invisible at once, and deleted in short transactions. Raises: PartitionNotFound.
        """
        return delete_partition(self._db, name)

    def finish_deletions(self) -> None:
        """Delete what is left of partitions whose deletion was stopped; with none it is one read."""
        finish_deletions(self._db)

    # --- files

    @property
    def filtered(self) -> "FilteredFiles":
        """The files by their metadata."""
        from openrag_cli.store.files.filtered_files import FilteredFiles

        return FilteredFiles(self._db)

    @property
    def pages(self) -> FilePages:
        """The files in order, from any place on."""
        return FilePages(self._db, self.filtered)

    def files(
        self,
        partition: str,
        *,
        limit: int = -1,
        offset: int = 0,
        after: str = "",
        condition: "Condition | None" = None,
    ) -> Results[File]:
        """Return the files of a partition by id, or those that a condition lets through; see `Asked`.

        Raises:
            PartitionNotFound: there is none of that name. InvalidInput: `after` names no page.
        """
        return self.pages.page(self.partition_ids([partition]), condition, Asked(limit, offset, after))

    def file(self, partition: str, file_id: str) -> File:
        """Return one file.

        Raises:
            DocumentNotFound: the partition has no such file, or there is no such partition.
        """
        known = self.known_id(partition, file_id)
        rows = self._db.rows(f"{FILE} WHERE partition.name = canonical(?) AND file_id = ?", (partition, known))
        if not rows:
            raise DocumentNotFound(file_id, partition)
        return to_file(rows[0])

    def known_id(self, partition: str, file_id: str) -> str:
        """Return the id that a partition knows a file by: this one, else a canonically equivalent one (UAX 15)."""
        if file_id.isascii():
            return file_id
        sql = "SELECT file_id FROM file JOIN partition ON partition.id = partition_id WHERE name = canonical(?)"
        ids = sorted(row["file_id"] for row in self._db.rows(sql, (partition,)))
        same = [one for one in ids if normalize("NFC", one) == normalize("NFC", file_id)]
        return file_id if file_id in same or not same else same[0]

    def has_files(self) -> bool:
        """Whether the store holds any file."""
        return bool(self._db.rows("SELECT 1 FROM file LIMIT 1"))

    def files_by_id(self, partition: str, file_ids: Sequence[str]) -> dict[str, File]:
        """Return those of the files that exist, by id."""
        rows = self._db.rows(
            f"{FILE} WHERE partition.name = canonical(?) AND file_id IN (SELECT value FROM json_each(?))",
            (partition, json.dumps(list(file_ids))),
        )
        return {row["file_id"]: to_file(row) for row in rows}

    def files_by_revision(self, revisions: Iterable[str]) -> dict[str, File]:
        """Return the files whose current revision is among `revisions`, by revision: the join of I1."""
        rows = self._db.rows(
            f"{FILE} WHERE revision IN (SELECT value FROM json_each(?))", (json.dumps(list(revisions)),)
        )
        return {row["revision"]: to_file(row) for row in rows}

    def revisions_of(self, file_id: str, partition_ids: Sequence[int] | None) -> list[str]:
        """Return the current revisions of the files with that id, in the numbered partitions or (None) in all."""
        rows = self._db.rows("SELECT partition_id, revision FROM file WHERE file_id = ?", (file_id,))
        if not rows and not file_id.isascii():
            wanted = normalize("NFC", file_id)
            every = self._db.rows("SELECT partition_id, revision, file_id FROM file")
            rows = [row for row in every if normalize("NFC", row["file_id"]) == wanted]
        return [row["revision"] for row in rows if partition_ids is None or row["partition_id"] in partition_ids]

    def file_ids(self, partition: str, start: str, limit: int) -> list[str]:
        """Return up to `limit` ids of a partition's files that begin with `start`, in order. Raises: PartitionNotFound."""
        ids = self.partition_ids([partition])
        where, arguments = ("", []) if ids is None else ("AND partition_id = ?", ids)
        rows = self._db.rows(
            f"SELECT DISTINCT file_id FROM file WHERE substr(file_id, 1, ?) = ? {where} ORDER BY file_id LIMIT ?",
            (len(start), start, *arguments, limit),
        )
        return [row["file_id"] for row in rows]

    def edit_metadata(self, partition: str, file_id: str, changes: Metadata, *, remove: Sequence[str] = ()) -> File:
        """Merge `changes` into a file's metadata and drop the keys in `remove`; nothing is indexed again.

        What waits to replace the file is changed too, so that the edit survives it.

        Raises:
            DocumentNotFound: there is no such file. InvalidMetadata: it would have too much.
        """
        file_id = self.known_id(partition, file_id)
        with self._db.transaction() as connection:
            row = connection.execute(
                f"{FILE} WHERE partition.name = canonical(?) AND file_id = ?", (partition, file_id)
            ).fetchone()
            if row is None:
                raise DocumentNotFound(file_id, partition)
            kept = changed(json.loads(row["metadata"]), changes, remove)
            modified_at = dated(json.dumps(kept), row["document_metadata"], row["changed_at"])
            connection.execute(
                "UPDATE file SET metadata = ?, modified_at = ?, updated_at = ? WHERE partition_id = ? AND file_id = ?",
                (json.dumps(kept), modified_at, now_ms(), row["partition_id"], file_id),
            )
            edit_waiting(connection, {"partition_id": row["partition_id"], "file_id": file_id}, changes, remove)
        return self.file(partition, file_id)

    def delete_files(self, partition: str, file_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Delete files and cancel their live tasks; return (ids deleted, ids that did not exist).

        Raises:
            PartitionNotFound: there is none of that name.
        """
        deleted: list[str] = []
        missing: list[str] = []
        with self._db.transaction() as connection:
            row = connection.execute("SELECT id FROM partition WHERE name = canonical(?)", (partition,)).fetchone()
            if row is None:
                raise PartitionNotFound(partition)
            for file_id in dict.fromkeys(file_ids):
                had = _delete_file(connection, row["id"], file_id)
                where = "partition_id = :partition_id AND file_id = :file_id"
                cancelled = cancel_live(
                    connection, where, {"partition_id": row["id"], "file_id": file_id}, "its file"
                )
                (deleted if had or cancelled else missing).append(file_id)
                if had or cancelled:
                    obsolete_all(connection, row["id"], file_id, DELETED)
        return deleted, missing

    def delete_unchanged(self, partition: str, revisions: Mapping[str, str]) -> list[str]:
        """Delete those files, by id, that still have the revision given and that no task works on; return their ids."""
        deleted = []
        with self._db.transaction() as connection:
            for file_id, revision in revisions.items():
                row = connection.execute(
                    "SELECT partition_id FROM file WHERE revision = ? AND file_id = ? "
                    "AND partition_id = (SELECT id FROM partition WHERE name = canonical(?))",
                    (revision, file_id, partition),
                ).fetchone()
                if row is not None and not is_worked_on(connection, row["partition_id"], file_id):
                    _delete_file(connection, row["partition_id"], file_id)
                    obsolete_all(connection, row["partition_id"], file_id, DELETED)
                    deleted.append(file_id)
        return deleted

    def rename_file(self, partition: str, old: str, new: str) -> File:
        """Give one file another id, and let the folder that brought it forget it.

        Raises:
            DocumentNotFound: there is no such file. Conflict: the new id is taken, or somebody works on one of the two.
        """
        known = self.file(partition, old)
        if old != new:
            if self.files_by_id(partition, [new]):
                raise Conflict(f"File '{new}' already exists in partition {partition}", hint="choose another id")
            if not self.rename_files(partition, [Move(old, new, known.revision, None)]):
                raise Conflict(f"File '{old}' or '{new}' is being worked on", hint="try again when it is done")
        return self.file(partition, new)

    def rename_files(self, partition: str, moves: Sequence[Move]) -> list[Move]:
        """Give files new ids in one transaction; nothing is indexed again, and chunk ids stay. Return those done.

        Ids may be swapped and passed on. What stood at a new id is retired if it is what the move says it replaces.
        A move is left out when a file or an id is not as it says, or is being worked on, and so are those that wait for it.
        """
        with self._db.transaction() as connection:
            found = connection.execute("SELECT id FROM partition WHERE name = canonical(?)", (partition,)).fetchone()
            if found is None:
                return []
            moves = possible_moves(connection, found["id"], moves)
            targets = {move.target for move in moves}
            for move in (move for move in moves if move.source in targets):  # aside first; no id begins with a slash
                connection.execute(
                    "UPDATE file SET file_id = ? WHERE revision = ?", (f"/{move.revision}", move.revision)
                )
            for move in moves:
                obsolete_all(connection, found["id"], move.source, RENAMED)
                obsolete_all(connection, found["id"], move.target, REPLACED)
                _delete_file(connection, found["id"], move.target)
                rename(connection, move)
        return list(moves)

    # --- documents

    def document(self, revision: str) -> Document:
        """Return the converted text of a revision.

        Raises:
            RevisionGone: no file has it any more. StoreDamaged: the catalog has lost the text of one that a file has.
        """
        with self._db.snapshot() as connection:
            return read_document(connection, revision)

    def current_document(self, partition: str, file_id: str) -> tuple[File, Document]:
        """Return a file with its text, both of one version. Raises: DocumentNotFound, StoreDamaged."""
        file_id = self.known_id(partition, file_id)
        with self._db.snapshot() as connection:
            row = connection.execute(
                f"{FILE} WHERE partition.name = canonical(?) AND file_id = ?", (partition, file_id)
            ).fetchone()
            if row is None:
                raise DocumentNotFound(file_id, partition)
            return to_file(row), read_document(connection, row["revision"])

    # --- tombstones

    def tombstones(self) -> list[str]:
        """Return the revisions whose chunks the index should no longer hold."""
        return [row["revision"] for row in self._db.rows("SELECT revision FROM tombstone")]

    def has_tombstones(self) -> bool:
        """Whether there are any."""
        return bool(self._db.rows("SELECT 1 FROM tombstone LIMIT 1"))

    def clear_tombstones(self, revisions: Sequence[str]) -> list[str]:
        """Forget tombstones whose chunks are gone; return the revisions whose originals may go as well.

        The original of a task that can be retried stays.
        """
        wanted = json.dumps(list(revisions))
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM tombstone WHERE revision IN (SELECT value FROM json_each(?))", (wanted,))
        return self.unneeded(revisions)

    def unneeded(self, revisions: Iterable[str]) -> list[str]:
        """Return those of the revisions that no file has, no import, and no task that may run."""
        rows = self._db.rows(
            "SELECT value FROM json_each(?) r WHERE NOT EXISTS (SELECT 1 FROM file WHERE revision = r.value) "
            "AND NOT EXISTS (SELECT 1 FROM import_file WHERE revision = r.value) "
            "AND NOT EXISTS (SELECT 1 FROM task WHERE id = r.value AND state <> 'COMPLETED')",
            (json.dumps(list(revisions)),),
        )
        return [row["value"] for row in rows]

    def revisions(self) -> set[str]:
        """Return every revision that the store needs: of files, visible or being imported, and of unfinished tasks."""
        rows = self._db.rows(
            "SELECT revision FROM file UNION SELECT revision FROM import_file "
            "UNION SELECT id FROM task WHERE state <> 'COMPLETED'"
        )
        return {row["revision"] for row in rows}


def _delete_file(connection: sqlite3.Connection, partition_id: int, file_id: str) -> bool:
    row = connection.execute(
        "DELETE FROM file WHERE partition_id = ? AND file_id = ? RETURNING revision", (partition_id, file_id)
    ).fetchone()
    if row is None:
        return False
    retire(connection, row["revision"])
    return True
