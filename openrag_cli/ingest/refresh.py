"""Reading files again from their kept originals, with the readers, chunker and model of today.

Each is an ordinary replacement: the old text serves until the new one is complete, and for good when it fails; ids and
metadata stay. What a user brings meanwhile always wins.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from openrag_cli.documents.media_types import HEAD_BYTES, media_type_of
from openrag_cli.documents.versions import chunker, is_current, reader_of
from openrag_cli.domain import File, MadeBy, TaskState, Upload, new_task_id
from openrag_cli.errors import DocumentNotFound, PartitionNotFound, StoreDamaged, UnsupportedFormat
from openrag_cli.failpoints import failpoint
from openrag_cli.ingest.report import Failure, Report, WarnedFile
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.refresh_queue import RefreshQueue, Rereading
from openrag_cli.store.task_records import TaskRecords

if TYPE_CHECKING:
    from openrag_cli.ingest.report import Listener

GROUP_FILES = 200


class Drain(Protocol):
    """Runs the tasks of a batch; see `Engine.drain`."""

    def __call__(self, *, batch: str, listener: "Listener", should_stop: Callable[[], bool]) -> None:
        """Run them until none is unfinished, or `should_stop`."""


def _never() -> bool:
    return False


def _nothing(_: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class RefreshRun:
    """How a refresh runs: whom it tells, when it stops, and whether it only queues."""

    batch: str = field(default_factory=new_task_id)
    on_queued: Callable[[int], None] = _nothing
    listener: "Listener" = _nothing
    should_stop: Callable[[], bool] = _never
    is_detached: bool = False


class Refresher:
    """Finds the files of a store that are outdated, and reads files again."""

    def __init__(
        self, *, catalog: Catalog, queue: RefreshQueue, ledger: TaskRecords, blobs: BlobStore, drain: Drain
    ) -> None:
        self._catalog = catalog
        self._queue = queue
        self._ledger = ledger
        self._blobs = blobs
        self._drain = drain

    @property
    def _model(self) -> str:
        return self._catalog.meta("model") or ""

    def _is_current(self, made_by: MadeBy | None, media_type: str) -> bool:
        return is_current(made_by, media_type, self._model)

    def count_outdated(self) -> int:
        """Return how many files of the store were made by older readers, another chunker or another model."""
        model = self._model
        return self._queue.count(lambda made_by, media_type: is_current(made_by, media_type, model))

    def outdated(self, partition: str, *, limit: int = -1, is_untried: bool = False) -> list[File]:
        """Return up to `limit` outdated files of a partition, or of `all`; a negative limit means all of them.

        `is_untried` leaves out those that these readers, this chunker and this model have failed at.

        Raises:
            PartitionNotFound: there is none of that name.
        """
        self._catalog.partition_ids([partition])
        model = self._model

        def check(made_by: MadeBy | None, media_type: str) -> bool:
            """Whether a text was made by what would make it now."""
            return is_current(made_by, media_type, model)

        return self._queue.outdated(partition, check, limit=limit, was_tried=check if is_untried else None)

    def named(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False
    ) -> tuple[list[File], list[Failure]]:
        """Return the files of those ids, or (no ids) all of the partition or of `all`, and the ids that are not there."""
        if file_ids:
            known = self._catalog.files_by_id(partition, file_ids)
            files = [known[one] for one in dict.fromkeys(file_ids) if one in known]
            missing = [DocumentNotFound(one, partition) for one in dict.fromkeys(file_ids) if one not in known]
            failures = [Failure(exc.file_id, None, None, exc.code, exc.message, exc.hint) for exc in missing]
            return [f for f in files if not (is_outdated and self._is_current(f.made_by, f.media_type))], failures
        return (self.outdated(partition) if is_outdated else self._catalog.files(partition)), []

    def refresh_some(self, partition: str, n_files: int, run: RefreshRun) -> Report:
        """Read up to `n_files` outdated files of a partition again, none that has failed so before; see `refresh`."""
        try:
            files = self.outdated(partition, limit=n_files, is_untried=True)
        except PartitionNotFound:
            return Report()
        return self.refresh(files, run)

    def refresh(self, files: Sequence[File], run: RefreshRun) -> Report:
        """Read `files` again; return how many were replaced, and which failed. One that changes meanwhile is unchanged.

        Raises:
            StoreFull, StoreError and kin: what was committed stays, the rest waits in the queue.
        """
        self._queue.require_writable()
        began = time.monotonic()
        report = Report()
        n_queued = 0
        for group in _groups(files):
            if run.should_stop():
                break
            n_queued += self._queue_group(group, run.batch, report)
        run.on_queued(n_queued)
        if n_queued and not run.is_detached and not run.should_stop():
            self._drain(batch=run.batch, listener=run.listener, should_stop=run.should_stop)
        self._count(report, run.batch)
        report.seconds = round(time.monotonic() - began, 3)
        return report

    def _queue_group(self, files: Sequence[File], batch: str, report: Report) -> int:
        entries = []
        for file in files:
            try:
                entries.append(self._stored(file))
            except StoreDamaged as exc:
                if not self._catalog.files_by_revision([file.revision]):  # replaced or deleted since
                    report.unchanged += 1
                    continue
                report.failures.append(Failure(file.file_id, None, None, exc.code, exc.message, exc.hint))
        self._blobs.commit([entry.upload.revision for entry in entries])
        failpoint("stored")
        tasks = self._queue.submit(entries, batch=batch)
        failpoint("queued")
        refused = [entry for entry, task in zip(entries, tasks, strict=True) if task is None]
        self._blobs.discard([entry.upload.revision for entry in refused])
        waiting = [self._ledger.live_task(e.file.partition, e.file.file_id) for e in refused]
        adopted = [task.id for task in waiting if task is not None]
        self._ledger.adopt(adopted, batch)
        report.unchanged += len(refused) - len(adopted)
        return len(entries) - len(refused) + len(adopted)

    def _stored(self, file: File) -> Rereading:
        """Give the original a second name, under which it is to be indexed again. Raises: StoreDamaged."""
        self._blobs.verify(file.revision, file.sha256)
        with self._blobs.open(file.revision) as stream:
            head = stream.read(HEAD_BYTES)
        try:
            media_type = media_type_of(file.filename, head)
        except UnsupportedFormat:  # its parts are not among the first bytes; if it cannot be read, its task says so
            media_type = file.media_type
        upload = Upload(
            partition=file.partition,
            file_id=file.file_id,
            revision=new_task_id(),
            filename=file.filename,
            media_type=media_type,
            size=file.size,
            sha256=file.sha256,
            metadata={},
            keeps_metadata=True,
        )
        self._blobs.spool_again(file.revision, upload.revision)
        return Rereading(file, upload, MadeBy(reader_of(file.media_type), chunker(), self._model))

    def _count(self, report: Report, batch: str) -> None:
        completed = []
        for task in reversed(self._ledger.tasks(batch=batch)):
            if task.state is TaskState.COMPLETED:
                completed.append(task.id)
                if task.warnings:
                    report.warned.append(WarnedFile(task.upload.file_id, None, task.id, task.warnings))
            elif task.state is TaskState.FAILED and task.error:
                error = task.error
                failed = Failure(task.upload.file_id, None, task.id, error.code, error.message, error.hint)
                report.failures.append(failed)
        report.replaced = len(completed)
        report.chunks = sum(file.chunk_count for file in self._catalog.files_by_revision(completed).values())


def _groups(files: Sequence[File]) -> Iterator[list[File]]:
    iterator = iter(files)
    while group := list(islice(iterator, GROUP_FILES)):
        yield group
