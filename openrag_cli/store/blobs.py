"""The stored originals: one file of bytes per revision, reached through here alone.

A blob is complete or absent: bytes go to `spool/`, are fsynced, then renamed to `blobs/<last two>/<revision>`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from openrag_cli.errors import IngestError, StoreDamaged, StoreError, TooLarge, os_errors
from openrag_cli.fsync import fsync, undoing
from openrag_cli.store.access.permissions import file_mode, folder_mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openrag_cli.domain import File
    from openrag_cli.store.catalog import Catalog

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """Bytes written but not yet durable: their revision, size, sha256 (hex) and first 64 KiB."""

    revision: str
    size: int
    sha256: str
    head: bytes


def file_too_large(max_bytes: int) -> TooLarge:
    """Return the error for a file of more than `max_bytes` bytes, however many it has."""
    return TooLarge(f"the file is larger than {max_bytes:,} bytes", hint="raise max_file_bytes in the configuration")


INCOMING = "incoming-"


def incoming(spool: Path) -> BinaryIO:
    """Return a file in the spool for bytes on their way here: `BlobStore.spool` takes it over without a copy.

    It is gone when it is closed. Raises: OSError.
    """
    from tempfile import NamedTemporaryFile

    return cast("BinaryIO", NamedTemporaryFile(dir=spool, prefix=INCOMING))


class BlobStore:
    """Originals under `root`, keyed by revision (48 hex characters, checked by the caller)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, revision: str) -> Path:
        """Return where the blob of `revision` is or would be; the random end spreads blobs over 256 folders."""
        return self._root / "blobs" / revision[-2:] / revision

    def _spool_path(self, revision: str) -> Path:
        return self._root / "spool" / revision

    def spool(self, revision: str, source: BinaryIO, *, max_bytes: int) -> Spooled:
        """Copy `source` into the spool, block by block; call `commit` to make it durable.

        What is `incoming` is there already, and only read.

        Raises:
            TooLarge: more than `max_bytes` bytes. IngestError: `source` cannot be read. StoreFull, Forbidden,
                StoreError: by cause. Nothing is kept.
        """
        digest = hashlib.sha256()
        size, head = 0, b""
        with (
            os_errors("storing the file"),
            self._taken_over(revision, source) as is_there,
            contextlib.ExitStack() as stack,
        ):
            target = None if is_there else stack.enter_context(self._fresh(revision))
            while block := _read_block(source):
                size += len(block)
                if size > max_bytes:
                    raise file_too_large(max_bytes)
                head = head or block[:HEAD_BYTES]
                digest.update(block)
                if target is not None:
                    target.write(block)
        return Spooled(revision=revision, size=size, sha256=digest.hexdigest(), head=head)

    def spool_again(self, stored: str, revision: str) -> None:
        """Put the original of revision `stored` into the spool under `revision` too; no byte is copied where the file
        system has hard links. Raises: StoreDamaged: it is missing. StoreFull, Forbidden, StoreError: by cause."""
        with os_errors("storing the file"):
            target = self._spool_path(revision)
            target.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode(self._root))
            try:
                os.link(self.path(stored), target)
            except OSError:  # a file system without hard links, or with too many of this one
                with self.open(stored) as stream, self._fresh(revision) as copy:
                    shutil.copyfileobj(stream, copy)

    def _opened(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, file_mode(self._root))

    @contextlib.contextmanager
    def _taken_over(self, revision: str, source: BinaryIO) -> Iterator[bool]:
        """Give an incoming file its name in the spool; whether that was possible."""
        path, name = self._spool_path(revision), getattr(source, "name", None)
        came_as = Path(name) if isinstance(name, str) else None
        if came_as is None or came_as.parent != path.parent or not came_as.name.startswith(INCOMING):
            yield False
            return
        try:
            source.flush()
            os.link(came_as, path)
            path.chmod(file_mode(self._root))
        except OSError:  # a file system without hard links
            yield False
            return
        with undoing(path.unlink, missing_ok=True):
            yield True

    @contextlib.contextmanager
    def _fresh(self, revision: str) -> Iterator[BinaryIO]:
        path = self._spool_path(revision)
        path.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode(self._root))
        with undoing(path.unlink, missing_ok=True), open(path, "xb", opener=self._opened) as target:
            yield target

    def commit(self, revisions: Iterable[str]) -> None:
        """Make spooled bytes durable under their revisions; returns when they would survive a power cut."""
        stored = []
        with os_errors("storing the file"):
            for revision in revisions:
                target = self.path(revision)
                target.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode(self._root))
                fsync(self._spool_path(revision))
                self._spool_path(revision).rename(target)
                stored.append(target)
            folders = {folder for path in stored for folder in (path.parent, path.parent.parent, self._root)}
            for folder in folders:
                fsync(folder)

    def discard(self, revisions: Iterable[str]) -> None:
        """Delete blobs, spooled or stored; missing ones are no error."""
        with os_errors("deleting stored files"):
            for revision in revisions:
                self._spool_path(revision).unlink(missing_ok=True)
                self.path(revision).unlink(missing_ok=True)

    def open(self, revision: str) -> BinaryIO:
        """Open a stored original for reading; an open one stays readable when it is deleted.

        Raises:
            StoreDamaged: the blob is missing.
        """
        with os_errors("reading a stored file"):
            try:
                return self.path(revision).open("rb")
            except FileNotFoundError as exc:
                if not (self._root / "blobs").is_dir():  # unmounted, moved: no file is at fault
                    raise StoreError(
                        f"the folder of originals {self._root / 'blobs'} is missing", hint="is its disk mounted?"
                    ) from exc
                raise StoreDamaged(
                    f"the stored original of revision {revision} is missing",
                    hint="add the file again: openrag file replace",
                ) from exc

    def open_checked(self, revision: str, sha256: str) -> BinaryIO:
        """Open a stored original whose bytes were compared with what was stored.

        Raises:
            StoreDamaged: the blob is missing, or its bytes have changed.
        """
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(self.open(revision))
            digest = hashlib.sha256()
            with os_errors("reading a stored file"):
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
                stream.seek(0)
            if digest.hexdigest() != sha256:
                raise StoreDamaged(
                    f"the stored original of revision {revision} has changed since it was stored (sha256)",
                    hint="add the file again: openrag file replace",
                )
            stack.pop_all()  # it is the caller's now
        return stream

    def verify(self, revision: str, sha256: str) -> None:
        """Compare a stored original with what was stored.

        Raises:
            StoreDamaged: the blob is missing, or its bytes have changed.
        """
        self.open_checked(revision, sha256).close()

    def has(self, revision: str) -> bool:
        """Whether the original of `revision` is stored."""
        return self.path(revision).is_file()

    def stored(self) -> Iterator[tuple[str, float]]:
        """Yield (revision, modification time in seconds since 1970) of every blob and spooled file."""
        with os_errors("listing stored files"):
            for folder in (self._root / "spool", *sorted((self._root / "blobs").glob("??"))):
                if folder.is_dir():
                    with os.scandir(folder) as entries:
                        for entry in entries:
                            with contextlib.suppress(FileNotFoundError):
                                yield entry.name, entry.stat().st_mtime


def open_original(catalog: Catalog, blobs: BlobStore, partition: str, file_id: str) -> tuple[File, BinaryIO]:
    """Return a file with its original, opened and compared with its sha256; an open one outlives its file.

    Raises:
        DocumentNotFound: there is no such file, or no longer. StoreDamaged: its original is missing or has changed.
    """
    file = catalog.file(partition, file_id)
    while True:
        try:
            return file, blobs.open_checked(file.revision, file.sha256)
        except StoreDamaged:
            current = catalog.file(partition, file_id)
            if current.revision == file.revision:
                raise
            file = current  # replaced meanwhile, and swept


def _read_block(source: BinaryIO) -> bytes:
    try:
        return source.read(BLOCK_BYTES)
    except OSError as exc:  # the caller's file, not the store
        raise IngestError(f"it cannot be read: {exc.strerror}", reason="unreadable") from exc
