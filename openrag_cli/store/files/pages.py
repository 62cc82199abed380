"""Pages of what is listed: each names the next by an opaque token, which holds the key of its last entry.

A page so found is read without what stands before it, and entries that come or go meanwhile shift nothing.
"""

import base64
import binascii
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from openrag_cli.domain import File
from openrag_cli.errors import InvalidInput
from openrag_cli.store.database import Database
from openrag_cli.store.files.rows import FILE, to_file

Item = TypeVar("Item")
Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of `total` entries, and the token of the page after it; None for the last."""

    items: Sequence[Item]
    total: int
    next: str | None = None


def token(*key: str | int) -> str:
    """Return the token of the page after the entry with that key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def key_of(text: str, *kinds: type) -> Key:
    """Return the key in a token, of values of these types. Raises: InvalidInput: it is no token of this listing."""
    try:
        key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        key = None
    is_ours = isinstance(key, list) and len(key) == len(kinds)
    if not is_ours or not all(type(value) is kind for value, kind in zip(key, kinds, strict=True)):
        raise InvalidInput(f"{text!r} names no page of this listing", hint="give what `next` was, as it is")
    if any(isinstance(value, int) and abs(value) >= 1 << 62 for value in key):
        raise InvalidInput(f"{text!r} names no page of this listing", hint="give what `next` was, as it is")
    return tuple(key)


class FilePages:
    """The files of partitions in the order of their names and ids, from any place on."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def n_chunks(self, partition_ids: Sequence[int]) -> int:
        """Return how many chunks all the files have."""
        rows = self._db.rows(
            "SELECT coalesce(sum(chunk_count), 0) FROM file WHERE partition_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(partition_ids)),),
        )
        return int(rows[0][0])

    def place(self, partition_ids: Sequence[int], offset: int) -> tuple[str, str, int] | None:
        """Return (partition, file id, ordinal) of chunk number `offset`; None beyond the last. No file is made for it."""
        rows = self._db.rows(
            "SELECT name, file_id, :offset - before FROM (SELECT partition.name, file_id, chunk_count, "
            "sum(chunk_count) OVER (ORDER BY partition.name, file_id) - chunk_count AS before "
            "FROM file JOIN partition ON partition.id = partition_id "
            "WHERE partition_id IN (SELECT value FROM json_each(:ids))) "
            "WHERE before <= :offset AND before + chunk_count > :offset",
            {"offset": offset, "ids": json.dumps(list(partition_ids))},
        )
        return (rows[0][0], rows[0][1], int(rows[0][2])) if rows else None

    def files_from(self, partition_ids: Sequence[int], partition: str, file_id: str, n_chunks: int) -> list[File]:
        """Return the files from a place on, as many as hold `n_chunks` chunks, or all that are left."""
        found: list[File] = []
        for number, name in self._named(partition_ids):
            start = file_id if name == partition else ""
            while name >= partition and n_chunks > 0:
                rows = self._db.rows(
                    f"{FILE} WHERE partition_id = ? AND file_id >= ? ORDER BY file_id LIMIT ?",
                    (number, start, n_chunks + 1),
                )
                files = [to_file(row) for row in rows]
                ends = list(itertools.accumulate(file.chunk_count for file in files))
                n_wanted = 1 + sum(end < n_chunks for end in ends)
                found += files[:n_wanted]
                n_chunks -= ends[-1] if ends else 0
                if len(files) <= n_wanted:
                    break
                start = files[-1].file_id + "\0"
        return found

    def _named(self, partition_ids: Sequence[int]) -> list[tuple[int, str]]:
        rows = self._db.rows(
            "SELECT id, name FROM partition WHERE id IN (SELECT value FROM json_each(?)) ORDER BY name",
            (json.dumps(list(partition_ids)),),
        )
        return [(row["id"], row["name"]) for row in rows]
