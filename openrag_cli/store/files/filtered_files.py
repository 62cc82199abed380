"""Which files a condition on metadata lets through, and which keys there are to ask for.

What it costs depends on the files that match (or, where most do, on those that do not), never on the rest.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from openrag_cli.store.database import Database
from openrag_cli.store.files.conditions import ENTRY, KIND_NAMES, Condition, FileSet, Kind, file_set

FEW = 10_000
"""Up to so many matching files nobody looks whether fewer do not match."""

MAX_VALUES = 5
MAX_VALUE_CHARS = 200

_ALL_KEYS = """
WITH RECURSIVE known (key) AS (
    SELECT min(key) FROM metadata_value WHERE partition_id = :partition
    UNION ALL
    SELECT (SELECT min(key) FROM metadata_value WHERE partition_id = :partition AND key > known.key) FROM known
    WHERE known.key IS NOT NULL
) SELECT key FROM known WHERE key IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a condition lets through: these revisions, or (`is_excluded`) all but these."""

    revisions: tuple[str, ...]
    is_excluded: bool


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key of metadata: how many files have it, with a value of which type how many, and its commonest values."""

    key: str
    files: int
    types: dict[str, int]
    values: tuple[tuple[str | int | float | bool, int], ...]


class FilteredFiles:
    """The side table of one store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def partition_ids(self, wanted: Sequence[int] | None) -> list[int]:
        """Return the numbers of partitions; None means all."""
        return (
            list(wanted)
            if wanted is not None
            else [row["id"] for row in self._db.rows("SELECT id FROM partition WHERE name NOT GLOB '/*'")]
        )

    def selection(self, condition: Condition, partition_ids: Sequence[int]) -> Selection:
        """Return what a condition lets through in some partitions, the shorter way round where most files match."""
        found = file_set(condition)
        with self._db.snapshot() as connection:
            named = _named(found, partition_ids)
            n_found = connection.execute(f"{found.clause} SELECT count(*) FROM {found.name}", named).fetchone()[0]
            is_listed = n_found <= FEW or 2 * n_found <= _count(connection, partition_ids)
            rows = connection.execute(
                f"{found.clause} SELECT f.revision FROM {found.name} s JOIN file f ON f.number = s.file"
                if is_listed
                else f"{found.clause} {_REST} AND f.number NOT IN (SELECT file FROM {found.name})",
                named,
            ).fetchall()
        return Selection(tuple(row["revision"] for row in rows), is_excluded=found.is_complement == is_listed)

    def numbers(self, condition: Condition) -> tuple[str, str, dict[str, object]]:
        """Return a WITH clause, a condition on `file`, and arguments, for a listing; `:partitions` is still to be bound."""
        found = file_set(condition)
        word = "NOT IN" if found.is_complement else "IN"
        return found.clause, f"file.number {word} (SELECT file FROM {found.name})", dict(found.arguments)

    def kinds(self, key: str, partition_ids: Sequence[int]) -> set[Kind]:
        """Return of which kinds the values of a key are; none when no file has it."""
        found = set()
        for kind in Kind:
            rows = self._db.rows(
                "SELECT 1 FROM metadata_value WHERE partition_id IN (SELECT value FROM json_each(?)) AND key = ? "
                "AND kind = ? LIMIT 1",
                (json.dumps(list(partition_ids)), key, kind),
            )
            if rows:
                found.add(kind)
        return found

    def keys(self, partition_ids: Sequence[int]) -> list[str]:
        """Return every key of some partitions, in order, without reading their values."""
        found: set[str] = set()
        for partition in partition_ids:
            found |= {row["key"] for row in self._db.rows(_ALL_KEYS, {"partition": partition})}
        return sorted(found)

    def key_facts(self, partition_ids: Sequence[int]) -> list[KeyFacts]:
        """Return what the files of some partitions have for keys, in their order."""
        named = {"partitions": json.dumps(list(partition_ids)), "entry": ENTRY}
        with self._db.snapshot() as connection:
            counted: dict[str, dict[str, int]] = {}
            for row in connection.execute(_TYPES, named):
                counted.setdefault(row["key"], {})[KIND_NAMES[Kind(row["kind"])]] = row["n"]
            return [
                KeyFacts(key, sum(types.values()), types, _commonest(connection, key, named))
                for key, types in sorted(counted.items())
            ]


_REST = "SELECT f.revision FROM file f WHERE f.partition_id IN (SELECT value FROM json_each(:partitions))"
_TYPES = """
SELECT key, kind, count(*) AS n FROM metadata_value
WHERE partition_id IN (SELECT value FROM json_each(:partitions)) AND kind < :entry GROUP BY key, kind
"""
_VALUES = """
SELECT kind % :entry AS kind, value, count(*) AS n FROM metadata_value
WHERE partition_id IN (SELECT value FROM json_each(:partitions)) AND key = :key AND kind IN (1, 2, 3, 11, 12, 13)
GROUP BY kind % :entry, value ORDER BY n DESC, value LIMIT :most
"""


def _named(found: FileSet, partition_ids: Sequence[int]) -> dict[str, object]:
    return {**found.arguments, "partitions": json.dumps(list(partition_ids))}


def _count(connection: sqlite3.Connection, partition_ids: Sequence[int]) -> int:
    """Return how many files some partitions have; every file has an id."""
    return int(
        connection.execute(
            "SELECT count(*) FROM metadata_value WHERE partition_id IN (SELECT value FROM json_each(?)) "
            "AND key = 'file_id' AND kind = ?",
            (json.dumps(list(partition_ids)), Kind.TEXT),
        ).fetchone()[0]
    )


def _commonest(
    connection: sqlite3.Connection, key: str, named: dict[str, object]
) -> tuple[tuple[str | int | float | bool, int], ...]:
    rows = connection.execute(_VALUES, {**named, "key": key, "most": MAX_VALUES})
    return tuple((_shown(row["kind"], row["value"]), row["n"]) for row in rows)


def _shown(kind: int, value: str | float) -> str | int | float | bool:
    if kind == Kind.BOOLEAN:
        return bool(value)
    return value[:MAX_VALUE_CHARS] if isinstance(value, str) else value
