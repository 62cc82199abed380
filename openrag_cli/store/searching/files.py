"""What a search asks the catalog about files: which are there, and how many chunks they have."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from openrag_cli.store.database import Database
from openrag_cli.store.task_rows import FINAL


class SearchableFiles:
    """The files of a store, as a search sees them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def count_chunks(
        self,
        partition_ids: Sequence[int] | None,
        revisions: Sequence[str] | None,
        *,
        excluded: Sequence[str] = (),
        per_file: int,
    ) -> int:
        """Return how many chunks the files of some partitions, or of some revisions, have; `per_file` of each at most.

        Those of the `excluded` revisions do not count.
        """
        rows = self._db.rows(
            "SELECT coalesce(sum(min(chunk_count, ?)), 0) AS n FROM file WHERE "
            "(? IS NULL OR partition_id IN (SELECT value FROM json_each(?))) AND "
            "(? IS NULL OR revision IN (SELECT value FROM json_each(?))) AND "
            "revision NOT IN (SELECT value FROM json_each(?))",
            (per_file, *2 * (_json(partition_ids),), *2 * (_json(revisions),), _json(excluded)),
        )
        return int(rows[0]["n"])

    def unsettled(self, revisions: Collection[str]) -> dict[str, bool]:
        """Return those of the revisions that are a file's, or may become one's; and whether they are it now.

        All others are gone for good.
        """
        rows = self._db.rows(
            "SELECT r.value, EXISTS (SELECT 1 FROM file WHERE revision = r.value) AS is_current, "
            f"EXISTS (SELECT 1 FROM task WHERE id = r.value AND state NOT IN {FINAL}) AS is_awaited "
            "FROM json_each(?) r",
            (json.dumps(list(revisions)),),
        )
        return {row["value"]: bool(row["is_current"]) for row in rows if row["is_current"] or row["is_awaited"]}


def _json(values: Sequence[Any] | None) -> str | None:
    return None if values is None else json.dumps(list(values))
