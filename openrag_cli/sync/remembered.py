"""The folders that this user has synced, each with the options last given: for a sync that is told nothing.

They are in a file of the user's state folder (or of the store, where the user has none), by the store or the server that
they were synced to.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from openrag_cli.config.atomic_file import replace_file
from openrag_cli.config.file_lock import locked
from openrag_cli.errors import ConfigError, StoreBusy, os_errors
from openrag_cli.store.metadata import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class RememberedSync:
    """A folder that follows nothing but these options; `where` is the store's folder or the server's address."""

    where: str
    folder: str
    partition: str
    options: dict[str, Any]
    synced_at: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.where, self.folder, self.partition


class RememberedSyncs:
    """What this user syncs to one store or server."""

    def __init__(self, where: str, folder: Path) -> None:
        self._where = where
        self._folder = folder
        self._path = self._folder / "syncs.json"

    def all(self) -> list[RememberedSync]:
        """Return them, by folder and partition. Raises: ConfigError, when the file is damaged."""
        return sorted((one for one in self._read() if one.where == self._where), key=lambda one: one.key)

    def remember(self, folder: Path, partition: str, options: dict[str, Any]) -> Callable[[], None]:
        """Keep a folder with the options that it is synced with now; return what puts back what was kept before.

        Raises: StoreError and kin, by cause.
        """
        found = RememberedSync(self._where, os.path.realpath(folder), partition, options, rfc3339(datetime.now(UTC)))
        earlier = [one for one in self.all() if one.key == found.key]

        def change_to(wanted: Sequence[RememberedSync]) -> None:
            """Keep these for the folder and partition."""
            self._change(lambda known: [*(one for one in known if one.key != found.key), *wanted])

        change_to([found])
        return partial(change_to, earlier)

    def forget(self, folder: Path, partition: str | None = None) -> list[RememberedSync]:
        """Forget a folder, in one partition or in all; return what is no longer remembered."""
        path = os.path.realpath(folder)
        gone = [one for one in self.all() if one.folder == path and partition in {None, one.partition}]
        keys = {one.key for one in gone}
        if gone:
            self._change(lambda known: [one for one in known if one.key not in keys])
        return gone

    def _read(self) -> list[RememberedSync]:
        try:
            entries = json.loads(self._path.read_bytes())
            return [RememberedSync(**entry) for entry in entries]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as exc:
            raise ConfigError(f"{self._path} cannot be read: {exc}", hint="mend it or delete it") from exc

    def _change(self, change: Callable[[Sequence[RememberedSync]], Sequence[RememberedSync]]) -> None:
        busy = StoreBusy("another sync is remembering its folder", hint="run it again")
        with os_errors(f"making {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._folder / "syncs.lock", WAIT_S, busy):
            replace_file(self._path, json.dumps([asdict(one) for one in change(self._read())], indent=1) + "\n")
