"""One upload: checked, stored and queued; when it is acknowledged, its bytes and its task are on the disk (I7, I8)."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from openrag_cli.documents.media_types import check_size, media_type_of
from openrag_cli.domain import FileSource, Metadata, Task, TaskKind, Upload, new_task_id
from openrag_cli.errors import Conflict, DocumentNotFound, InvalidInput, OpenRAGError
from openrag_cli.failpoints import failpoint
from openrag_cli.ingest.naming import readable
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.files.dates import read_date
from openrag_cli.store.metadata import check_metadata
from openrag_cli.store.names import check_file_id, check_partition
from openrag_cli.store.task_queue import TaskQueue
from openrag_cli.store.task_records import TaskRecords

if TYPE_CHECKING:
    from openrag_cli.config.settings import Settings


def new_upload(partition: str, file_id: str, filename: str, metadata: Metadata | None = None) -> Upload:
    """Return an upload for `Engine.submit`, under a fresh revision, its size, hash and media type still unknown."""
    return Upload(partition, file_id, new_task_id(), filename or Path(file_id).name, "", 0, "", metadata or {})


def client_upload(
    partition: str, file_id: str, filename: str, metadata: Metadata | None = None, *, modified_at: str = ""
) -> Upload:
    """Return an upload that a client of a server sends: its source is of kind `upload`, and has no folder here.

    `modified_at` is when the file was last changed, as its client writes it. Raises: InvalidInput, when it is no date.
    """
    upload = new_upload(partition, file_id, filename, metadata)
    changed_at = read_date(modified_at)
    if modified_at and changed_at is None:
        raise InvalidInput(f"modified_at: {modified_at[:60]!r} is no date", hint="for example 2026-03-01T09:30:00Z")
    return replace(upload, source=FileSource("upload", readable(upload.filename)), changed_at=changed_at)


class Uploader:
    """Takes uploads into one store."""

    def __init__(self, *, catalog: Catalog, queue: TaskQueue, ledger: TaskRecords, blobs: BlobStore) -> None:
        self._catalog = catalog
        self._queue = queue
        self._ledger = ledger
        self._blobs = blobs

    def submit(self, upload: Upload, source: BinaryIO, *, kind: TaskKind, batch: str, settings: "Settings") -> Task:
        """Store the bytes of `source` and queue their task; nothing is kept of an upload that is refused.

        Raises:
            InvalidInput: an id, the partition or the metadata. UnsupportedFormat, TooLarge: the bytes.
            Conflict: an added file exists. DocumentNotFound: a replaced file does not.
        """
        self._check(upload, kind)
        spooled = self._blobs.spool(upload.revision, source, max_bytes=settings.max_file_bytes)
        failpoint("spooled")
        try:
            media_type = media_type_of(upload.filename, spooled.head)
            check_size(media_type, spooled.size, max_markup_bytes=settings.max_markup_bytes)
            self._blobs.commit([upload.revision])
            complete = replace(upload, media_type=media_type, size=spooled.size, sha256=spooled.sha256)
            outcome = self._queue.submit([complete], kind=kind, batch=batch)[0]
            if isinstance(outcome, OpenRAGError):
                raise outcome
        except OpenRAGError:
            self._blobs.discard([upload.revision])
            raise
        failpoint("queued")
        return outcome

    def _check(self, upload: Upload, kind: TaskKind) -> None:
        """Refuse early what the queue would refuse anyway, before its bytes are read."""
        check_partition(upload.partition)
        check_file_id(upload.file_id)
        check_metadata(upload.metadata)
        exists = bool(self._catalog.files_by_id(upload.partition, [upload.file_id]))
        if kind is TaskKind.ADD and exists:
            raise Conflict(f"File '{upload.file_id}' already exists in partition {upload.partition}")
        if kind is TaskKind.REPLACE and not exists and not self._ledger.live_task(upload.partition, upload.file_id):
            raise DocumentNotFound(upload.file_id, upload.partition)
