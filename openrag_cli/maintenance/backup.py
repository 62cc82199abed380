"""A whole store as one tar file; `restore.py` is the way back. Others may write to the store meanwhile.

Under the write lock nobody changes the index, and every file that the catalog shows has its chunks there (I3): the
catalog is copied then, and the index's immutable files and the originals get a second name (a hard link). The lock is
let go before the first byte of the archive is written. Tasks that a worker held are queued in the copy. The archive's
last member, `manifest.json`, holds the sha256 of all others: an archive without it is not whole.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from openrag_cli.errors import os_errors
from openrag_cli.fsync import files_below
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import FORMAT, Database
from openrag_cli.store.task_queue import TaskQueue

MANIFEST = "manifest.json"
SCHEMA = "openrag.backup/1"
CATALOG = "openrag.db"
PARTS = (CATALOG, "lance", "blobs")


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What is in a backup; `size` is that of all members together, in bytes."""

    files: int
    chunks: int
    members: int
    size: int
    created_at: datetime


def back_up(database: Database, blobs: BlobStore, target: IO[bytes]) -> BackupReport:
    """Write the store as a tar file to `target`.

    Raises:
        StoreBusy: the write lock was not had. StoreFull, StoreError: `target` or the store.
    """
    root = database.path.parent
    with _scratch(root) as copy:
        with database.write_lock():
            database.copy_to(copy / CATALOG)
            _link_below(root / "lance", copy / "lance")
            with contextlib.closing(Database(copy / CATALOG)) as copied:
                TaskQueue(copied).release_all()
                catalog = Catalog(copied)  # not the store's: files may be deleted from that one meanwhile
                revisions, partitions = catalog.revisions(), catalog.partitions()
            for revision in revisions:  # no original goes without the write lock
                _link(blobs.path(revision), copy / blobs.path(revision).relative_to(root))
        with os_errors("writing the backup"):
            sums, size = _pack(copy, target)
            report = BackupReport(
                files=sum(partition.file_count for partition in partitions),
                chunks=sum(partition.chunk_count for partition in partitions),
                members=len(sums),
                size=size,
                created_at=datetime.now(UTC),
            )
    return report


@contextlib.contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Give the block a folder of the store; what a killed backup left behind a day ago is removed."""
    with os_errors("making the backup"):
        for old in root.glob(".backup-*"):
            if time.time() - old.stat().st_mtime > 86_400:
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".backup-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link_below(source: Path, target: Path) -> None:
    for path in map(Path, files_below(source)):
        _link(path, target / path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    with os_errors("making the backup"):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileNotFoundError:  # an original that is lost: doctor tells; or a version that was cleaned up
            return
        except OSError:  # a file system without hard links
            shutil.copyfile(source, target)


def _pack(folder: Path, target: IO[bytes]) -> tuple[dict[str, str], int]:
    sums: dict[str, str] = {}
    size = 0
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(map(Path, files_below(folder))):
            name = path.relative_to(folder).as_posix()
            with path.open("rb") as stream:
                member = tarfile.TarInfo(name)
                member.size = os.fstat(stream.fileno()).st_size
                member.mode = 0o600
                reader = _Summed(stream)
                archive.addfile(member, reader)
            sums[name] = reader.digest.hexdigest()
            size += member.size
        body = {"schema": SCHEMA, "format": FORMAT, "created_at": datetime.now(UTC).isoformat(), "sha256": sums}
        content = json.dumps(body).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(content)
        member.mode = 0o600
        archive.addfile(member, io.BytesIO(content))
    return sums, size


class _Summed(io.RawIOBase):
    """Reads a stream and sums what is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        block = self._stream.read(size)
        self.digest.update(block)
        return block
