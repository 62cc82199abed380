"""The chunk table as it is opened: its versions, who reads them, and whether it is whole."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from openrag_cli.config.pins import Pin, Pins
from openrag_cli.errors import StoreDamaged, os_errors
from openrag_cli.index import integrity, upkeep
from openrag_cli.index.import_shim import import_lancedb
from openrag_cli.index.lance_errors import REMAKE, lance_errors
from openrag_cli.index.looks import Opened

TABLE = "chunks"
_INDEX_CACHE, _METADATA_CACHE = 512 << 20, 128 << 20  # bytes; Lance would take 7 GiB
_REOPENED = 64
"""Versions after which all is opened anew: what Lance keeps of old ones holds files open, that are deleted since."""


class OpenTable:
    """The table under `root`, opened on first use.

    Who reads holds the version that is the newest then: it and those after it are not deleted meanwhile (upkeep.py), in
    whatever process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / f"{TABLE}.lance"
        self._table: Any = None
        self._opened_at = 0
        self._session: Any = None
        self._snapshot: Opened | None = None
        self._pins = Pins(self._folder / upkeep.READERS)

    @property
    def exists(self) -> bool:
        """Whether a table has been made. Raises: Forbidden: the folder that it is in cannot be looked into."""
        with os_errors("opening the index"):
            return self._folder.exists()

    def _connect(self, lancedb: Any) -> Any:
        session = self._session
        if session is None:
            # One for all handles: what it has read of one version another need not read again.
            session = self._session = lancedb.Session(
                index_cache_size_bytes=_INDEX_CACHE, metadata_cache_size_bytes=_METADATA_CACHE
            )
        # With the default interval a reader never sees what other processes commit (lancedb 0.40).
        return lancedb.connect(self._root, read_consistency_interval=timedelta(0), session=session)

    def _open(self) -> Any:
        return self._newest()[0]

    def _newest(self) -> tuple[Any, int]:
        """Return the table and its newest version."""
        table = self._table  # other threads may open it anew meanwhile
        version = 0 if table is None else int(table.version)
        if table is not None and version - self._opened_at >= _REOPENED:
            table = self._table = self._snapshot = self._session = None
        if table is None:
            if not self._manifests():
                raise StoreDamaged(f"the index {self._root} has lost its versions", hint=REMAKE)
            lancedb = import_lancedb()
            with self._errors("opening the index"):
                table = self._connect(lancedb).open_table(TABLE)
                version = self._opened_at = int(table.version)
            self._table = table
        return table, version

    # --- after a power cut

    def _manifests(self) -> list[Path]:
        """Return the manifests, newest first: Lance counts their names down (0.40)."""
        with os_errors("opening the index"), contextlib.suppress(FileNotFoundError):
            # `glob` passes over what it may not read (Python 3.13)
            return sorted(one for one in (self._folder / "_versions").iterdir() if one.suffix == ".manifest")
        return []

    @property
    def has_bad_head(self) -> bool:
        """Whether the newest manifest is not whole: then Lance cannot open the table. A cheap look at its end."""
        newest = self._manifests()[:1]
        return bool(newest) and not integrity.is_whole(newest[0])

    @property
    def has_no_whole_version(self) -> bool:
        """Whether no manifest is whole: there is no version to go back to."""
        return not any(integrity.is_whole(path) for path in self._manifests())

    def set_aside_bad_head(self) -> list[Path]:
        """Rename manifests that are not whole, newest first, until one is; the caller holds the write lock.

        The version before is then the newest. Such a manifest was never acknowledged, or the disk has lost it.

        Raises:
            StoreDamaged: none is whole; nothing is renamed.
        """
        none_whole = StoreDamaged(f"the index {self._root} has no whole version", hint=REMAKE)
        return integrity.set_aside(self._manifests(), none_whole)

    # --- is it whole

    def problem(self) -> str | None:
        """Return what is damaged, in one sentence; None when every row and the full-text index can be read.

        It reads the whole table: for `doctor`, and for when something has failed already.
        """
        if not self.exists:
            return None
        if not self._manifests():
            return "it has lost its versions"
        if self.has_bad_head:
            return "its newest version is not whole"
        # Not `_reading`: what cannot be opened is to be told, too. None where a newer version came meanwhile.
        while (pin := self._pins.hold(integrity.version_of(self._manifests()[0]))) is None:
            pass
        looks = (integrity.unreadable_rows, integrity.unreadable_text, integrity.unreadable_vectors)
        problem = next((problem for look in looks if (problem := look(self._fresh))), None)
        pin.release()
        return problem

    def _fresh(self) -> Any:
        return self._connect(import_lancedb()).open_table(TABLE)

    def _errors(self, what: str) -> contextlib.AbstractContextManager[None]:
        return lance_errors(what, examine=self.problem)

    # --- its versions

    def version(self) -> int:
        """Return the number of the newest version; each commit makes one."""
        return self._newest()[1] if self.exists else 0

    def _pin(self) -> tuple[int, Pin]:
        """Return the newest version, and what keeps it and later ones from being deleted."""
        while True:
            version = self.version()
            pin = self._pins.hold(version)
            if pin is not None and self.version() == version:
                return version, pin

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        with self._errors("reading the index"):
            _, pin = self._pin()
            try:
                yield self._open()
            finally:
                pin.release()
