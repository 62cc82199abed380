"""What the ids of a folder begin with, so that several folders go into one partition and none takes another's ids."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, NamedTuple

from openrag_cli.errors import InvalidInput, WrongUsage
from openrag_cli.ingest.naming import readable
from openrag_cli.store.names import check_file_id
from openrag_cli.sync.root import Root
from openrag_cli.sync.state import folders_of, has_others_below

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from openrag_cli.store.database import Database


class Prefix(NamedTuple):
    """What ids begin with; `is_taken` when another source of the partition has such ids."""

    text: str
    is_taken: bool = False


class FolderPrefix:
    """Chooses the prefix of one folder, as it is synced into one partition."""

    def __init__(self, database: Database, partition: str, root: Root) -> None:
        self._db = database
        self._partition = partition
        self._root = root

    def choose(self, wanted: str | None, inherited: str | None = None) -> Prefix:
        """Return the prefix, empty or with a slash at its end: the wanted one, else that of the first sync, or of the
        folder whose place it takes (`inherited`), else none for the first folder of the partition, and its own name
        for a further one.

        Raises:
            InvalidInput: it cannot begin an id.
        """
        wanted = None if wanted is None else checked(wanted)
        if not self._db.path.exists():
            return Prefix(wanted or "")
        rows = folders_of(self._db, self._partition)
        mine = next((str(row["prefix"]) for row in rows if row["path"] == self._root.key), inherited)
        if mine is not None and wanted in {None, mine}:
            return Prefix(mine)
        others = [row for row in rows if row["path"] != self._root.key and self._root.is_there(row["path"])]
        if wanted is None:
            wanted = checked(self._root.source.label) if others else ""
        return Prefix(wanted, is_taken=self._is_taken(wanted, others))

    def _is_taken(self, prefix: str, others: list[sqlite3.Row]) -> bool:
        if any(row["prefix"] == prefix for row in others):
            return True
        return bool(prefix) and has_others_below(self._db, self._partition, prefix, self._root.key)


def prefix_refusal(prefix: str, folder: Path, partition: str) -> WrongUsage:
    """Return the error for a prefix that another source has, with a command that goes on."""
    own = readable(os.path.basename(os.path.realpath(folder)))  # noqa: PTH119
    free = f"{prefix.rstrip('/')}-2" if prefix else own
    command = ["openrag", "file", "sync", str(folder), "-p", partition, "--prefix", free]
    what = f"ids that begin with '{prefix}'" if prefix else "ids without a prefix"
    return WrongUsage(
        f"another source has {what} in partition '{partition}'; nothing was changed",
        hint=shlex.join(command),
    )


def checked(prefix: str) -> str:
    """Return a prefix with one slash at its end, or nothing for an empty one. Raises: InvalidInput."""
    name = prefix.strip("/")
    if ".." in name.split("/"):
        raise InvalidInput(f"the prefix {prefix!r} holds '..'", hint="for example --prefix notes")
    return f"{check_file_id(name)}/" if name else ""
