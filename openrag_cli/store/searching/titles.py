"""The titles of files: what they are made of, and where they are kept.

A title is the file's name, split at case, digits and separators, and what the document calls itself, where that is a
title: many documents call themselves by an accession number, a template or the name of a program.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrag_cli.store.database import Database

MAX_TITLE_CHARS = 200


@dataclass(frozen=True, slots=True)
class FileTitle:
    """A file's title as it is searched; `vector` is float32 bytes, None where none is kept. `place` is the file's
    partition and id: what tells it from every other, in whatever store."""

    n_chunks: int
    words: str = ""
    vector: bytes | None = None
    place: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Untitled:
    """A file whose title is to be made: what its document is said to be called, and the title that is kept."""

    revision: str
    filename: str
    said: str | None
    n_chunks: int
    known: str | None


@dataclass(frozen=True, slots=True)
class MadeTitle:
    """A title to be kept; `vector` None keeps the one that is there."""

    revision: str
    text: str
    words: str
    vector: bytes | None


class Titles:
    """The titles of a store's files, with words of one version."""

    def __init__(self, database: "Database", version: int) -> None:
        self._db = database
        self._version = version

    def untitled(self, limit: int) -> list[Untitled]:
        """Return up to `limit` files whose title is to be made or looked at again."""
        rows = self._db.rows(
            "SELECT f.revision, f.filename, f.metadata, f.document_metadata, f.chunk_count, t.text, t.version "
            "FROM untitled u CROSS JOIN file f ON f.revision = u.revision "  # in this order
            "LEFT JOIN title t ON t.revision = u.revision LIMIT ?",
            (limit,),
        )
        return [self._untitled(row) for row in rows]

    def _untitled(self, row: Any) -> Untitled:
        said = json.loads(row["metadata"]).get("title") or json.loads(row["document_metadata"]).get("title")
        return Untitled(
            revision=row["revision"],
            filename=row["filename"],
            said=said if isinstance(said, str) and is_title(said) else None,
            n_chunks=row["chunk_count"],
            known=row["text"] if row["version"] == self._version else None,
        )

    def keep(self, made: Sequence[MadeTitle], looked_at: Iterable[str]) -> None:
        """Keep titles of files that are still there, and forget that those looked at were to be."""
        with self._db.transaction() as connection:
            for title in made:
                if not connection.execute("SELECT 1 FROM file WHERE revision = ?", (title.revision,)).fetchone():
                    continue
                connection.execute(
                    "INSERT INTO title VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, "
                    "text = excluded.text, words = excluded.words, vector = excluded.vector",
                    (title.revision, self._version, title.text, title.words, title.vector),
                )
                connection.execute("DELETE FROM title_word WHERE revision = ?", (title.revision,))
                connection.executemany(
                    "INSERT OR IGNORE INTO title_word VALUES (?, ?)",
                    [(word, title.revision) for word in title.words.split()],
                )
            connection.execute(
                "DELETE FROM untitled WHERE revision IN (SELECT value FROM json_each(?))",
                (json.dumps(list(looked_at)),),
            )

    def of(self, revisions: Iterable[str], *, with_vectors: bool = True) -> dict[str, FileTitle]:
        """Return the titles of those revisions that are files' current ones: the join of I1 too.

        The title of a file of one chunk says no more than the chunk: its vector is left out.
        """
        rows = self._db.rows(
            "SELECT f.revision, f.chunk_count, p.name, f.file_id, t.words, "
            "CASE WHEN ? AND f.chunk_count > 1 THEN t.vector END AS vector FROM file f "
            "JOIN partition p ON p.id = f.partition_id "
            "LEFT JOIN title t ON t.revision = f.revision AND t.version = ? "
            "WHERE f.revision IN (SELECT value FROM json_each(?))",
            (with_vectors, self._version, json.dumps(list(revisions))),
        )
        return {
            row["revision"]: FileTitle(
                row["chunk_count"], row["words"] or "", row["vector"], (row["name"], row["file_id"])
            )
            for row in rows
        }

    def chunks_titled(self, words: Iterable[str]) -> dict[str, int]:
        """Return how many chunks the files have in whose titles each of the words stands."""
        rows = self._db.rows(
            "SELECT w.word, sum(f.chunk_count) AS n FROM json_each(?) asked JOIN title_word w ON w.word = asked.value "
            "JOIN file f ON f.revision = w.revision GROUP BY w.word",
            (json.dumps(list(words)),),
        )
        return {row["word"]: int(row["n"]) for row in rows}

    def named(
        self, weights: dict[str, float], partition_ids: Sequence[int] | None, *, limit: int
    ) -> dict[str, tuple[float, int]]:
        """Return the files whose titles hold the most of the weighted words, by revision: the sum, and their chunks."""
        rows = self._db.rows(
            "SELECT w.revision, sum(asked.value) AS worth, f.chunk_count FROM json_each(?) asked "
            "JOIN title_word w ON w.word = asked.key JOIN file f ON f.revision = w.revision "
            "WHERE ? IS NULL OR f.partition_id IN (SELECT value FROM json_each(?)) "
            "GROUP BY w.revision ORDER BY worth DESC, f.file_id, f.partition_id LIMIT ?",
            (json.dumps(weights), *2 * (None if partition_ids is None else json.dumps(list(partition_ids)),), limit),
        )
        return {row["revision"]: (row["worth"], row["chunk_count"]) for row in rows}


_NAME_PARTS = re.compile(r"\d+|[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]{2}")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_NO_TITLE = re.compile(
    r"untitled|\((?:anonymous|unspecified)\)$|powerpoint[ -]pr\w+$|microsoft \w+ -|presentation\d*$|document\d*$"
    r"|.*\.(?:docx?|indd|pdf|qxd|tex|dvi|ps)$",
    re.IGNORECASE,
)
_MIN_LETTERS = 0.6


def title_of(filename: str, own: str | None) -> str:
    """Return the title of a file: its name in words, and what its document calls itself where that says more."""
    return _entitled(_name_in_words(filename), own)


def short_title_of(filename: str, own: str | None) -> str:
    """Return the title of a file without those words of its name that its document says of itself."""
    said = _letters(own or "")
    return _entitled(" ".join(word for word in _name_in_words(filename).split() if _letters(word) not in said), own)


def _entitled(name: str, own: str | None) -> str:
    own = " ".join((own or "").split())[:MAX_TITLE_CHARS]
    if not own:
        return name[:MAX_TITLE_CHARS]
    if _letters(name) in _letters(own) or not _WORD.search(name):
        return own
    return f"{name}: {own}"[: 2 * MAX_TITLE_CHARS]


def _name_in_words(filename: str) -> str:
    stem = filename.rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    return " ".join(part for run in _NAME_PARTS.findall(stem) for part in _HUMP.split(run))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def is_title(text: str) -> bool:
    """Whether a text is a title for a reader: words, and no number, file name or program's default."""
    text = text.strip()
    letters = sum(char.isalpha() or char.isspace() for char in text)
    longest = max((len(word) for word in re.findall(r"[^\W\d_]+", text)), default=0)
    is_wordy = longest >= 3 or any(char >= "\u0e00" for char in text)
    return bool(text) and is_wordy and letters >= _MIN_LETTERS * len(text) and not _NO_TITLE.match(text)
