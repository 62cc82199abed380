"""Partitions that are being imported: files that are whole but not yet visible, and the moment when all of them are.

Until then they have no row in `file` (I1), so nothing shows them; a killed import leaves what the same command goes on
from. Index rows are announced as tombstones before they are written and the tombstones taken back when their file is
staged, in one transaction: a crash in between leaves only what the next sweep removes.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from openrag_cli.domain import Document, MadeBy, Upload
from openrag_cli.errors import Conflict, StoreDamaged
from openrag_cli.store.database import Database, now_ms
from openrag_cli.store.documents import save_document
from openrag_cli.store.files.sources import source_id, source_path
from openrag_cli.store.publish import row_values, write_row
from openrag_cli.store.retire import drop_import, refuse_view
from openrag_cli.store.searching.word_counts import WordCount, count_words


@dataclass(frozen=True, slots=True)
class Staged:
    """A file whose original and chunks are in the store: its text, how many chunks, what made them, and their words."""

    upload: Upload
    document: Document
    chunk_count: int
    made_by: MadeBy | None
    words: WordCount


@dataclass(frozen=True, slots=True)
class PartialImport:
    """An import under way, or one that was stopped: its partition's number and name, and how much is there."""

    partition_id: int
    name: str
    files: int
    chunks: int


class Imports:
    """The imports of a store. Every method is one transaction or one read."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def partial(self) -> list[PartialImport]:
        """Return the imports that are not whole, by name."""
        rows = self._db.rows(
            "SELECT i.partition_id, i.name, count(f.file_id), coalesce(sum(f.chunk_count), 0) FROM import i "
            "LEFT JOIN import_file f USING (partition_id) GROUP BY i.partition_id ORDER BY i.name"
        )
        return [PartialImport(*tuple(row)) for row in rows]

    def begin(self, name: str, source: str) -> int:
        """Begin an import, or go on with it, and return the number of its partition.

        `source` identifies the export: what was taken from another one under this name is dropped.

        Raises:
            Conflict: there is such a partition.
        """
        with self._db.transaction() as connection:
            if connection.execute("SELECT 1 FROM partition WHERE name = canonical(?)", (name,)).fetchone():
                raise Conflict(
                    f"Partition '{name}' already exists",
                    hint=f"import it under another name with -p, or first: openrag partition delete {shlex.quote(name)}",
                )
            refuse_view(connection, name)
            row = connection.execute(
                "SELECT partition_id, source FROM import WHERE name = canonical(?)", (name,)
            ).fetchone()
            if row is not None and row["source"] == source:
                return int(row["partition_id"])
            drop_import(connection, name)
            # A row that never stays: it makes the number one that no partition had or will have.
            made = connection.execute("INSERT INTO partition (name, created_at) VALUES ('/', 0) RETURNING id")
            number = int(made.fetchone()["id"])
            connection.execute("DELETE FROM partition WHERE id = ?", (number,))
            connection.execute("INSERT INTO import VALUES (?, canonical(?), ?, ?)", (number, name, source, now_ms()))
        return number

    def staged(self, partition_id: int) -> set[str]:
        """Return the ids of the files that are there."""
        rows = self._db.rows("SELECT file_id FROM import_file WHERE partition_id = ?", (partition_id,))
        return {row["file_id"] for row in rows}

    def announce(self, revisions: Sequence[str]) -> None:
        """Say that rows of these revisions are about to be written; the caller holds the write lock."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO tombstone VALUES (?, ?)", [(revision, now_ms()) for revision in revisions]
            )

    def stage(self, partition_id: int, files: Sequence[Staged]) -> None:
        """Keep files whose rows are written. Raises: Conflict, when somebody has dropped the import."""
        with self._db.transaction() as connection:
            if connection.execute("SELECT 1 FROM import WHERE partition_id = ?", (partition_id,)).fetchone() is None:
                raise Conflict("the import was dropped: its partition was deleted meanwhile")
            for file in files:
                upload = file.upload
                values = row_values(upload, file.document, file.chunk_count, file.made_by)
                place = {"source_id": source_id(connection, upload.source), "source_path": source_path(upload.source)}
                entry = json.dumps(values | place)
                connection.execute(
                    "INSERT INTO import_file VALUES (?, ?, ?, ?, ?)",
                    (partition_id, upload.file_id, upload.revision, file.chunk_count, entry),
                )
                save_document(connection, upload.revision, file.document)
                count_words(connection, upload.revision, file.words)
                connection.execute("DELETE FROM tombstone WHERE revision = ?", (upload.revision,))

    def finish(self, partition_id: int, *, n_files: int, n_chunks: int) -> None:
        """Make the partition visible, all of it. Raises: StoreDamaged, when it is not so many files and chunks."""
        with self._db.transaction() as connection:
            row = connection.execute("SELECT name FROM import WHERE partition_id = ?", (partition_id,)).fetchone()
            if row is None:
                raise Conflict("the import was dropped: its partition was deleted meanwhile")
            found = connection.execute(
                "SELECT file_id, chunk_count, entry FROM import_file WHERE partition_id = ?", (partition_id,)
            ).fetchall()
            counts = len(found), sum(file["chunk_count"] for file in found)
            if counts != (n_files, n_chunks):
                raise StoreDamaged(
                    f"the export has {counts[0]:,} files and {counts[1]:,} chunks where its head says {n_files:,} and "
                    f"{n_chunks:,}",
                    hint="export it again",
                )
            connection.execute("INSERT INTO partition VALUES (?, ?, ?)", (partition_id, row["name"], now_ms()))
            for file in found:
                write_row(connection, partition_id, file["file_id"], json.loads(file["entry"]))
            connection.execute("DELETE FROM import WHERE partition_id = ?", (partition_id,))

    def drop(self, name: str) -> None:
        """Forget an import; what it has brought is retired."""
        with self._db.transaction() as connection:
            drop_import(connection, name)
