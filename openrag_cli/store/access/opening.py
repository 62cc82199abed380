"""Opening a store's catalog: for reading alone where nothing can be written, and with a copy kept where it is migrated."""

import logging
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from openrag_cli.errors import StoreNotFound, os_errors
from openrag_cli.fsync import fsync, undoing
from openrag_cli.store.access.permissions import belongs_to_another, file_mode

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 30.0


def not_there(folder: Path) -> StoreNotFound:
    """Return the error of a command that reads where no store is."""
    return StoreNotFound(
        f"there is no store at {folder}", hint="openrag file add ~/docs makes one; --store names another"
    )


def is_writable(path: Path) -> bool:
    """Whether this process may, and should, write the catalog at `path` and the folder that it is in."""
    if belongs_to_another(path.parent):
        return False
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def connect(path: Path) -> sqlite3.Connection:
    """Open the catalog for reading and writing; it is made if it is not there."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


class ReadOnlyCatalog:
    """A catalog that can only be read. SQLite reads one in WAL mode only where it can write beside it, or is told that
    nothing changes; what a writer has left in the WAL is read from a copy."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copied: tempfile.TemporaryDirectory[str] | None = None

    def connect(self) -> sqlite3.Connection:
        """Open it for reading."""
        connection = self._try("mode=ro")
        if connection is not None:
            return connection
        wal = self._path.with_name(f"{self._path.name}-wal")
        if not wal.exists() or wal.stat().st_size == 0:
            return self._open(self._path, "mode=ro&immutable=1")
        return self._open(self._copy(wal), "mode=rw")

    def _try(self, how: str) -> sqlite3.Connection | None:
        connection = self._open(self._path, how)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        except sqlite3.OperationalError as exc:
            connection.close()
            if exc.sqlite_errorname.startswith(
                ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR_SHM", "SQLITE_FULL")
            ):
                return None
            raise
        return connection

    def _open(self, path: Path, how: str) -> sqlite3.Connection:
        uri = f"file:{quote(os.fspath(path))}?{how}"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    def _copy(self, wal: Path) -> Path:
        if self._copied is None:
            with os_errors("copying the catalog, to read it (TMPDIR says where)"):
                self._copied = tempfile.TemporaryDirectory(prefix="openrag-", ignore_cleanup_errors=True)
                shutil.copyfile(self._path, Path(self._copied.name) / self._path.name)
                shutil.copyfile(wal, Path(self._copied.name) / wal.name)
        return Path(self._copied.name) / self._path.name

    def close(self) -> None:
        """Delete the copy, if one was made."""
        if self._copied is not None:
            self._copied.cleanup()
            self._copied = None


def keep_copy(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Before a catalog of an older format is migrated, keep a copy of it beside it, once: `openrag.db.format3`."""
    target = path.with_name(f"{path.name}.format{version}")
    if target.exists():
        return
    aside = path.with_name(f"{target.name}.{os.getpid()}")
    with os_errors("keeping a copy of the catalog"), undoing(aside.unlink, missing_ok=True):
        copy = sqlite3.connect(aside)
        try:
            connection.backup(copy)
            is_old = copy.execute("PRAGMA user_version").fetchone()[0] == version
        finally:
            copy.close()
        if not is_old or target.exists():  # another process has migrated it meanwhile, and kept its own copy
            aside.unlink()
            return
        aside.chmod(file_mode(path.parent))
        fsync(aside)
        aside.rename(target)
        fsync(path.parent)
    logger.warning(
        "the store is brought from format %d up to date; its catalog as it was is kept as %s", version, target
    )
