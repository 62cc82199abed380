"""In how many chunks each word stands, kept with the files: a commit that makes a file visible counts its words."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from openrag_cli.store.database import Database


@dataclass(slots=True)
class WordCount:
    """The words of some chunks, of one version: how many chunks and words in all, and each word in how many chunks."""

    version: int
    n_chunks: int = 0
    n_words: int = 0
    chunks_with: Counter[str] = field(default_factory=Counter)

    def add(self, words: str) -> None:
        """Count one chunk, given its words with a blank between two."""
        found = words.split()
        self.n_chunks += 1
        self.n_words += len(found)
        self.chunks_with.update(set(found))


def count_by_revision(rows: Iterable[tuple[str, str]], version: int) -> dict[str, WordCount]:
    """Return the words of each revision, from (revision, words) of its chunks."""
    counts: dict[str, WordCount] = defaultdict(lambda: WordCount(version))
    for revision, words in rows:
        counts[revision].add(words)
    return counts


@dataclass(frozen=True, slots=True)
class Totals:
    """How many chunks are counted, and how many words they have in all."""

    n_chunks: int
    n_words: int


class WordCounts:
    """The counts of one version of words."""

    def __init__(self, database: Database, version: int) -> None:
        self._db = database
        self._version = version

    def totals(self) -> Totals:
        """Return what is counted in all."""
        rows = self._db.rows("SELECT n_chunks, n_words FROM word_total WHERE version = ?", (self._version,))
        return Totals(rows[0]["n_chunks"], rows[0]["n_words"]) if rows else Totals(0, 0)

    def chunks_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many chunks each of the words stands; those in none are left out."""
        rows = self._db.rows(
            "SELECT word, n_chunks FROM word WHERE version = ? AND n_chunks > 0 "
            "AND word IN (SELECT value FROM json_each(?))",
            (self._version, json.dumps(list(words))),
        )
        return {row["word"]: row["n_chunks"] for row in rows}

    def count(self, counts: Mapping[str, WordCount]) -> None:
        """Count the words of revisions that are files now and were not counted, in one transaction."""
        with self._db.transaction() as connection:
            for revision, count in counts.items():
                if connection.execute("SELECT 1 FROM file WHERE revision = ?", (revision,)).fetchone():
                    count_words(connection, revision, count)

    def forget(self, counts: Mapping[str, WordCount]) -> None:
        """Take revisions out of the counts, in one transaction; those that were never counted change nothing."""
        with self._db.transaction() as connection:
            for revision, count in counts.items():
                gone = connection.execute(
                    "DELETE FROM counted WHERE version = ? AND revision = ? RETURNING 1", (self._version, revision)
                ).fetchone()
                if gone is not None:
                    _add(connection, count, -1)

    def drop_others(self) -> None:
        """Forget what was counted for words of other versions."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM word WHERE version <> ?", (self._version,))
            connection.execute("DELETE FROM counted WHERE version <> ?", (self._version,))
            connection.execute("DELETE FROM word_total WHERE version <> ?", (self._version,))


def count_words(connection: sqlite3.Connection, revision: str, count: WordCount) -> None:
    """Within a transaction, count the words of a revision, if they are not counted yet."""
    sql = "INSERT OR IGNORE INTO counted VALUES (?, ?) RETURNING 1"
    if connection.execute(sql, (count.version, revision)).fetchone() is not None:
        _add(connection, count, 1)


def _add(connection: sqlite3.Connection, count: WordCount, sign: int) -> None:
    connection.executemany(
        "INSERT INTO word VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n_chunks = n_chunks + excluded.n_chunks",
        [(count.version, word, sign * n) for word, n in count.chunks_with.items()],
    )
    connection.execute(
        "INSERT INTO word_total VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
        "n_chunks = n_chunks + excluded.n_chunks, n_words = n_words + excluded.n_words",
        (count.version, sign * count.n_chunks, sign * count.n_words),
    )
