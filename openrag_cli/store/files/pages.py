"""Pages of what is listed: each names the next by an opaque token, which holds the key of its last entry.

A page so found is read without what stands before it, and entries that come or go meanwhile shift nothing.
"""

import base64
import binascii
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.domain import File
from openrag_cli.errors import InvalidInput
from openrag_cli.store.database import Database
from openrag_cli.store.files.results import Results
from openrag_cli.store.files.rows import FILE, to_file

if TYPE_CHECKING:
    from openrag_cli.store.files.conditions import Condition
    from openrag_cli.store.files.filtered_files import FilteredFiles

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries of a listing: up to `limit` (negative: all) after the page that named `after`, or from number
    `offset` on."""

    limit: int = -1
    offset: int = 0
    after: str = ""


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

    def __init__(self, database: Database, filtered: "FilteredFiles") -> None:
        self._db = database
        self._filtered = filtered

    def page(self, ids: Sequence[int] | None, condition: "Condition | None", asked: "Asked") -> Results[File]:
        """Return files of partitions (None: of all), by name and id, or those that a condition lets through.

        Raises:
            InvalidInput: `after` names no page of this listing.
        """
        clause, lets_through, named = self._filtered.numbers(condition) if condition else ("", "true", {})
        here = "true" if ids is None else f"partition_id = {ids[0]:d}"
        named |= {"partitions": json.dumps(self._filtered.partition_ids(ids)), "limit": asked.limit}
        begins = "true"
        if asked.after:
            named["partition"], named["file_id"] = key_of(asked.after, str, str)
            begins = "file_id > :file_id" if ids else "(partition.name, file_id) > (:partition, :file_id)"
        named["offset"] = 0 if asked.after else asked.offset
        rows = self._db.rows(
            f"{clause} {FILE} WHERE {here} AND {lets_through} AND {begins} "
            "ORDER BY partition.name, file_id LIMIT :limit + (:limit > 0) OFFSET :offset",
            named,
        )
        files = [to_file(row) for row in rows[: asked.limit if asked.limit >= 0 else None]]
        if asked.limit < 0 and not named["offset"] and not asked.after:
            return Results(files, total=len(files))
        total = self._db.rows(
            f"{clause} SELECT count(*) FROM file JOIN partition ON partition.id = partition_id "
            f"WHERE {here} AND {lets_through}",
            named,
        )
        following = token(files[-1].partition, files[-1].file_id) if len(rows) > len(files) and files else None
        return Results(files, total=int(total[0][0]), next=following)

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
