"""The SQLite file behind the catalog and the queue: connections, transactions, format, and the write lock.

Nothing else imports sqlite3. One connection per thread; WAL; every commit is on the disk before it returns (I8).
"""

import contextlib
import errno
import importlib.resources
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openrag_cli.config.file_lock import locked
from openrag_cli.errors import (
    ConfigError,
    Forbidden,
    InvalidInput,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreMismatch,
    os_errors,
)
from openrag_cli.fsync import file_system_of, fsync, undoing
from openrag_cli.store.access.opening import (
    BUSY_TIMEOUT_S,
    ReadOnlyCatalog,
    connect,
    is_writable,
    keep_copy,
    not_there,
)
from openrag_cli.store.access.permissions import belongs_to_another, file_mode, not_writable
from openrag_cli.store.metadata import dated, tamed
from openrag_cli.store.names import canonical

logger = logging.getLogger(__name__)

FORMAT = 24
"""The store format that this version writes (`PRAGMA user_version`): the number of the last file in `schema/`."""

_PAGES_AT_ONCE = 4096

RESTORE_ELSEWHERE = "keep this folder as it is, and restore a backup into another: openrag --store NEW restore FILE"
"""What helps when the catalog is gone: what came after the backup can still be taken from the old folder."""


def now_ms() -> int:
    """Return the time as integer milliseconds since 1970 UTC, as the catalog stores it."""
    return time.time_ns() // 1_000_000


def at(milliseconds: int) -> datetime:
    """Return a stored time as an aware UTC datetime."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


@contextlib.contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        UnicodeEncodeError
    ) as exc:  # half of a surrogate pair, as bytes of the command line that are not UTF-8 become
        raise InvalidInput(f"the text {exc.object!r} is not valid Unicode", hint="give the text as UTF-8") from exc
    except OverflowError as exc:
        raise InvalidInput(f"a number is too large: {exc}", hint="give a smaller one") from exc
    except sqlite3.Error as exc:
        name = getattr(exc, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreBusy(f"the store {path.parent} is busy", hint="try again in a moment") from exc
        if _is_full(exc):
            raise _no_space(path.parent) from exc
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise StoreDamaged(f"the catalog {path} is damaged: {exc}", hint=RESTORE_ELSEWHERE) from exc
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            purpose = " for writing" if os.access(path, os.R_OK) else ""
            raise Forbidden(f"the catalog {path} cannot be opened{purpose}", hint="check its owner and mode") from exc
        if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
            raise
        raise StoreError(f"the catalog {path}: {exc}") from exc


def _is_full(exc: sqlite3.Error) -> bool:
    name = getattr(exc, "sqlite_errorname", "") or ""
    return name.startswith("SQLITE_FULL") or name in {"SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}


def _no_space(folder: Path) -> StoreFull:
    return StoreFull(f"no space left for the store {folder}", hint="free some space, then run the command again")


class _ThreadConnection:
    """The connection of one thread, which alone holds it: it is closed when the thread ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class Database:
    """One SQLite file, safe across threads and processes.

    Without `creates` a store that is not there is an error, StoreNotFound, and none is made. One that this process may
    not write, or has no room to, is opened for reading: then whatever writes is Forbidden, or StoreFull.
    """

    def __init__(self, path: Path, *, creates: bool = True) -> None:
        self.path = path
        self._creates = creates
        self._read_only: ReadOnlyCatalog | None = None
        self._is_full = False
        self._local = threading.local()
        self._all: weakref.WeakSet[_ThreadConnection] = weakref.WeakSet()
        self._guard = threading.Lock()

    def _connection(self) -> sqlite3.Connection:
        own: _ThreadConnection | None = getattr(self._local, "own", None)
        if own is None:
            own = self._local.own = _ThreadConnection(self._open())
            with self._guard:
                self._all.add(own)
        return own.connection

    @property
    def is_read_only(self) -> bool:
        """Whether the store can only be read here. Raises: StoreNotFound and kin, as opening it does."""
        self._connection()
        return self._read_only is not None

    def _open(self) -> sqlite3.Connection:
        folder = self.path.parent
        with os_errors(f"opening the store {folder}"):
            if not self._creates and not self.path.exists() and not _holds_any(folder):
                raise not_there(folder)
            if belongs_to_another(folder) and not self.path.exists():
                raise not_writable(folder)
            _make_folder(folder)
            # Cache and state lie in the store where there is no home for them.
            ours = (self.path.name, "cache", "state")
            others = [path for path in folder.iterdir() if not path.name.startswith(ours)]
            # Looked for after the others: a process that makes the store now makes the catalog before them.
            if others and not self.path.exists():
                raise _not_a_store(folder)
        with _sqlite_errors(self.path):
            try:
                return self._ready(self._connect())
            except sqlite3.OperationalError as exc:
                if self._read_only is not None or not _is_full(exc):
                    raise
                with self._guard:  # what is there can be read without the room that writing beside others takes
                    self._read_only, self._is_full = ReadOnlyCatalog(self.path), True
                return self._ready(self._connect())

    def _ready(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        with undoing(connection.close):
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.create_function("canonical", 1, canonical, deterministic=True)
            self._check_format(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        with self._guard:
            if self._read_only is None and self.path.exists() and not is_writable(self.path):
                self._read_only = ReadOnlyCatalog(self.path)
            return self._read_only.connect() if self._read_only else connect(self.path)

    def require_writable(self) -> None:
        """Refuse to go on where the store can only be read. Raises: Forbidden."""
        if self.is_read_only:
            raise _no_space(self.path.parent) if self._is_full else not_writable(self.path.parent)

    def _check_format(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise StoreMismatch(
                f"the store {self.path.parent} has format {version}; this openrag reads up to {FORMAT}",
                hint="upgrade with: pip install --upgrade openrag-cli",
            )
        if version == FORMAT:
            return
        if self._read_only is not None:
            raise Forbidden(
                f"the store {self.path.parent} is of an older openrag (format {version}) and can only be read here",
                hint="use it once where it can be written: it is brought up to date then",
            )
        with os_errors(f"opening the store {self.path.parent}"):
            _make_private(self.path)
        if _switch_to_wal(connection) != "wal":
            raise StoreError(
                f"the file system of {self.path.parent} cannot hold a store: SQLite's WAL does not work there",
                hint="put the store on a local disk with --store",
            )
        connection.create_function("tamed_metadata", 1, tamed, deterministic=True)
        connection.create_function("dated", 3, dated, deterministic=True)
        if version > 0:
            keep_copy(connection, self.path, version)
        connection.execute("BEGIN IMMEDIATE")
        with undoing(connection.rollback):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                _check_is_new(self.path.parent)
            for script in _migrations(version):
                for statement in script.split(";\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one `BEGIN IMMEDIATE` transaction: all of it on the disk, or nothing.

        Raises:
            StoreBusy: another process held the file for 30 s. StoreFull, StoreDamaged, StoreError: by cause.
            Forbidden: the store can only be read here.
        """
        self.require_writable()
        connection = self._connection()
        with _sqlite_errors(self.path):
            connection.execute("BEGIN IMMEDIATE")
            with undoing(connection.rollback):  # SQLite ends some transactions by itself, such as on a full disk
                yield connection
                connection.execute("COMMIT")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Run a block of reads on one consistent state, blocking nobody."""
        connection = self._connection()
        with _sqlite_errors(self.path):
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def rows(self, sql: str, arguments: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of one read."""
        connection = self._connection()
        with _sqlite_errors(self.path):
            return connection.execute(sql, arguments).fetchall()

    @contextlib.contextmanager
    def write_lock(self, timeout_s: float = 600.0) -> Iterator[None]:
        """Hold the store's one write lock, which every index write needs (I4). Freed by the kernel on SIGKILL.

        Raises:
            StoreBusy: not had within `timeout_s` seconds.
        """
        busy = StoreBusy(f"another process has been writing to the store for {timeout_s:g} s", hint="try again later")
        with self.file_lock("lock", timeout_s, busy):
            yield

    @contextlib.contextmanager
    def file_lock(self, name: str, timeout_s: float, busy: StoreBusy) -> Iterator[None]:
        """Hold the lock of that name among the store's files; raise `busy` when it is not had in `timeout_s` seconds."""
        self.require_writable()  # and makes or refuses the folder
        with locked(self.path.parent / name, timeout_s, busy, mode=file_mode(self.path.parent)):
            yield

    def free_share(self) -> float:
        """Return which part of the file is free pages, that deleted texts left."""
        n_pages, n_free = (self.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count"))
        return float(n_free / n_pages) if n_pages else 0.0

    def shrink(self, *, fully: bool = False) -> bool:
        """Give free pages back to the disk, some thousands at a time; `fully` writes the file anew. Return whether.

        A file of 0.1.0 gives none back until it was written anew once: it was not made for it.
        """
        self.require_writable()
        connection = self._connection()
        with _sqlite_errors(self.path):
            if fully:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("VACUUM")
            elif not connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
                return False
            else:
                while connection.execute("PRAGMA freelist_count").fetchone()[0]:
                    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return True

    def copy_to(self, target: Path) -> None:
        """Copy the whole file to `target` as of one moment, while others write."""
        with _sqlite_errors(target):
            copy = sqlite3.connect(target)
            try:
                self._connection().backup(copy)
            finally:
                copy.close()

    def format(self) -> int:
        """Return the format of the store."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def problem(self) -> str | None:
        """Return what is wrong with the file's structure, in SQLite's words; None when nothing is."""
        found = str(self.rows("PRAGMA quick_check(1)")[0][0])
        return None if found == "ok" else found

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            every, self._all = list(self._all), weakref.WeakSet()
        for own in every:
            own.connection.close()
        if self._read_only is not None:
            self._read_only.close()
        self._local = threading.local()


def _migrations(version: int) -> list[str]:
    """Return the scripts that bring a store from `version` to `FORMAT`, in order."""
    folder = importlib.resources.files("openrag_cli.store") / "schema"
    scripts = {int(entry.name[:3]): entry for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return [scripts[number].read_text(encoding="utf-8") for number in range(version + 1, FORMAT + 1)]


def _switch_to_wal(connection: sqlite3.Connection) -> str:
    """Return the journal mode after asking for WAL.

    SQLite refuses at once, without its busy timeout, while another process reads or makes the same new file.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file alone, before anything is written
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(0.005)


def _not_a_store(folder: Path) -> StoreError | ConfigError:
    if (folder / "lance").exists():
        return _lost_catalog(folder)
    return ConfigError(
        f"{folder} holds other files: it is not a store", hint="name a new or empty folder with --store"
    )


def _check_is_new(folder: Path) -> None:
    if any((folder / name).exists() for name in ("lance", "blobs")):
        raise _lost_catalog(folder)


def _lost_catalog(folder: Path) -> StoreDamaged:
    return StoreDamaged(f"the store {folder} has lost its catalog openrag.db", hint=RESTORE_ELSEWHERE)


def _holds_any(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is not None


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync(folder.parent)


def _make_private(path: Path) -> None:
    """Let only the store's users read the catalog; where the file system has no modes, that is told."""
    allowed = file_mode(path.parent)
    if path.stat().st_mode & 0o777 != allowed:
        try:
            path.chmod(allowed)
        except OSError as exc:
            if exc.errno not in {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP} or path.stat().st_uid != os.getuid():
                raise
            logger.warning("%s keeps no modes (chmod): others may read the store", file_system_of(path))
