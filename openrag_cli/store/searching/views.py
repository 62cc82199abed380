"""Named views: some partitions and a condition on metadata, searched under one name, as if it were a partition's."""

import json
import shlex
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openrag_cli.domain import ALL_PARTITIONS
from openrag_cli.errors import Conflict, InvalidInput, PartitionNotFound, ViewNotFound
from openrag_cli.store.database import Database, at, now_ms
from openrag_cli.store.names import canonical, check_partition
from openrag_cli.store.retire import find_view, refuse_import


@dataclass(frozen=True, slots=True)
class View:
    """What is searched under a name: partitions (`all` is every one), and of these the files that `filter` lets through."""

    name: str
    partitions: tuple[str, ...]
    filter: str
    created_at: datetime

    def narrowed(self, condition: str) -> str:
        """Return the condition on files that are in the view and meet another one, which may be empty."""
        return " and ".join(f"({one})" for one in (self.filter, condition) if one.strip())


class Views:
    """The views of one store; `check_filter` raises what is wrong with a condition. Names are shared with partitions."""

    def __init__(self, database: Database, check_filter: Callable[[str], object]) -> None:
        self._db = database
        self._check_filter = check_filter

    def all(self) -> list[View]:
        """Return every view, by name."""
        return [_view(row) for row in self._db.rows("SELECT * FROM view ORDER BY name")]

    def get(self, name: str) -> View:
        """Return one view. Raises: ViewNotFound."""
        rows = self._db.rows("SELECT * FROM view WHERE name = canonical(?)", (name,))
        if not rows:
            raise ViewNotFound(name)
        return _view(rows[0])

    def find(self, names: Sequence[str]) -> View | None:
        """Return the view that is named, None where partitions are. Raises: InvalidInput: it is not named alone."""
        marks = ", ".join("?" * len(names))
        rows = self._db.rows(f"SELECT * FROM view WHERE name IN ({marks})", tuple(canonical(name) for name in names))
        if rows and len(set(names)) > 1:
            raise InvalidInput(
                f"'{rows[0]['name']}' is a view, which is searched alone", hint="name one view, or partitions"
            )
        return _view(rows[0]) if rows else None

    def create(self, name: str, partitions: Sequence[str], condition: str = "") -> View:
        """Make a view; no partition of `partitions` means every one.

        Raises:
            InvalidInput: the name, or the condition. PartitionNotFound. Conflict: a view or a partition has the name.
        """
        check_partition(name)
        if condition.strip():
            self._check_filter(condition)
        wanted = list(dict.fromkeys(partitions)) or [ALL_PARTITIONS]
        with self._db.transaction() as connection:
            if find_view(connection, name):
                raise Conflict(f"View '{name}' already exists", hint=f"openrag view show {shlex.quote(name)}")
            if _has_partition(connection, name):
                raise Conflict(
                    f"Partition '{name}' exists, and views share its space of names", hint="choose another name"
                )
            refuse_import(connection, name)
            for partition in wanted:
                if partition != ALL_PARTITIONS and not _has_partition(connection, partition):
                    raise PartitionNotFound(partition)
            connection.execute(
                "INSERT INTO view VALUES (canonical(?), ?, ?, ?)",
                (name, json.dumps(wanted), condition.strip(), now_ms()),
            )
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a view; its files stay. Raises: ViewNotFound."""
        with self._db.transaction() as connection:
            if connection.execute("DELETE FROM view WHERE name = canonical(?)", (name,)).rowcount == 0:
                raise ViewNotFound(name)


def _has_partition(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM partition WHERE name = canonical(?)", (name,)).fetchone() is not None


def _view(row: sqlite3.Row) -> View:
    return View(row["name"], tuple(json.loads(row["partitions"])), row["filter"], at(row["created_at"]))
