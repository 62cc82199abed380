"""Adding local files: what is new is stored and queued in groups, what is known and unchanged is left alone.

A group is on the disk, bytes and tasks, before the next begins (I8).
"""

from __future__ import annotations

import contextlib
import os
import shlex
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from openrag_cli.documents.media_types import HEAD_BYTES, check_size, media_type_of
from openrag_cli.domain import Task, TaskError, TaskKind, TaskState, Upload, new_task_id
from openrag_cli.errors import (
    Conflict,
    IngestError,
    InvalidInput,
    OpenRAGError,
    PathNotFound,
    TooLarge,
    UnsupportedFormat,
    WrongUsage,
)
from openrag_cli.failpoints import failpoint
from openrag_cli.ingest.discovery import failure
from openrag_cli.ingest.naming import check_distinct
from openrag_cli.ingest.options import AddOptions, IfExists, QueuedUpload
from openrag_cli.ingest.report import Failure, Report, WarnedFile
from openrag_cli.ingest.stable_read import changed_at, read_steadily, sha256_of, user_file_errors
from openrag_cli.store.blobs import Spooled
from openrag_cli.store.names import check_file_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from openrag_cli.domain import File
    from openrag_cli.ingest.naming import Source
    from openrag_cli.store.blobs import BlobStore
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.task_queue import TaskQueue
    from openrag_cli.store.task_records import TaskRecords

GROUP_FILES = 200
GROUP_BYTES = 64 << 20


class _Group:
    """Files of one group that are in the store but not yet in the queue."""

    def __init__(self) -> None:
        self.pending: dict[TaskKind, list[QueuedUpload]] = {TaskKind.ADD: [], TaskKind.REPLACE: []}
        self.refused: list[QueuedUpload] = []

    @property
    def stored(self) -> list[QueuedUpload]:
        """Those whose bytes are kept."""
        return [one for entries in self.pending.values() for one in entries]

    @property
    def revisions(self) -> list[str]:
        """What their bytes are stored under."""
        return [one.upload.revision for one in self.stored]


class Adder:
    """Stores and queues the files of one command, and counts what it did with them."""

    def __init__(
        self, *, catalog: Catalog, queue: TaskQueue, ledger: TaskRecords, blobs: BlobStore, options: AddOptions
    ) -> None:
        self._catalog = catalog
        self._queue = queue
        self._ledger = ledger
        self._blobs = blobs
        self._options = options
        self.report = Report()
        self.paths: dict[str, str | None] = {}
        self.task_ids: dict[str, str] = {}

    def submit(self, sources: Iterable[Source], should_stop: Callable[[], bool]) -> None:
        """Store and queue `sources` group by group; `paths` then maps each task's file id to where it came from,
        `task_ids` to the task.

        Raises:
            WrongUsage: two of them have one id, or one that lies elsewhere has the id of another source's file; nothing
                is stored.
        """
        distinct = check_distinct(list(sources))
        self._refuse_others(distinct)
        for group in _groups(distinct):
            if should_stop():
                return
            self._submit_group(group)

    def _refuse_others(self, sources: Sequence[Source]) -> None:
        """Refuse bare names that files of other sources have: nobody meant these."""
        elsewhere = {source.file_id: source for source in sources if source.is_elsewhere}
        if not elsewhere or self._options.if_exists is IfExists.SKIP:
            return
        for file_id, known in self._catalog.files_by_id(self._options.partition, list(elsewhere)).items():
            source = elsewhere[file_id]
            if is_of_another(source, known) and not is_unchanged(source.path, known):
                raise WrongUsage(
                    f"the id '{file_id}' belongs to a file of another source in partition {known.partition}; "
                    "nothing was stored",
                    hint=f"openrag file add {shlex.quote(str(source.path))} -p {shlex.quote(known.partition)} "
                    f"--root {shlex.quote(str(source.path.parent.parent))}, or with --id ID",
                )

    def finish(self) -> Report:
        """Fill in what became of the tasks, whoever ran them, and return the report."""
        report = self.report
        reported = {failure.task_id for failure in report.failures}
        completed = []
        for task in reversed(self._ledger.tasks(batch=self._options.batch)):
            if task.state is TaskState.COMPLETED:
                completed.append(task.id)
                report.added += task.kind is TaskKind.ADD
                report.replaced += task.kind is TaskKind.REPLACE
                self._tell_warnings(task)
            elif task.state.is_final and task.error and task.id not in reported:
                shown, error = self.paths.get(task.upload.file_id), task.error
                report.failures.append(
                    Failure(task.upload.file_id, shown, task.id, error.code, error.message, error.hint)
                )
        report.chunks = sum(file.chunk_count for file in self._catalog.files_by_revision(completed).values())
        return report

    def _tell_warnings(self, task: Task) -> None:
        if task.warnings:
            shown = self.paths.get(task.upload.file_id)
            self.report.warned.append(WarnedFile(task.upload.file_id, shown, task.id, task.warnings))

    def fail(self, source: Source, exc: OpenRAGError, task_id: str | None = None) -> None:
        """Count `source` as failed."""
        self.report.failures.append(failure(source, exc, task_id))

    def _submit_group(self, sources: Sequence[Source]) -> None:
        known = self._catalog.files_by_id(self._options.partition, [source.file_id for source in sources])
        group = _Group()
        with self._all_or_none(group):
            for source in sources:
                self._store(source, known.get(source.file_id), group)
                self._options.on_looked()
            failpoint("spooled")
            self._blobs.commit(group.revisions)
        if group.stored or group.refused:
            self._options.on_stored([*group.stored, *group.refused])
        failpoint("stored")
        for one in group.refused:
            self._refuse(one)
        with self._all_or_none(group):
            for kind, entries in group.pending.items():
                self._queue_uploads(kind, entries)
                group.pending[kind] = []
        failpoint("queued")

    @contextlib.contextmanager
    def _all_or_none(self, group: _Group) -> Iterator[None]:
        """Keep no bytes of a group that could not be stored whole: the disk may be full."""
        try:
            yield
        except OpenRAGError:
            self._blobs.discard(group.revisions)
            raise

    def _store(self, source: Source, known: File | None, group: _Group) -> None:
        try:
            check_file_id(source.file_id)
            kind = self._kind(source, known)
            if kind is None:
                return
            stored = self._stored(source, known)
        except (InvalidInput, Conflict, PathNotFound, IngestError) as exc:
            self.fail(source, exc)
        else:
            (group.refused if stored.refusal else group.pending[kind]).append(stored)

    def _kind(self, source: Source, known: File | None) -> TaskKind | None:
        if known is None:
            return None if self._is_known_by_name(source) else TaskKind.ADD
        if self._options.if_exists is IfExists.SKIP or is_unchanged(source.path, known):
            self._skip(known)
            return None
        if self._may_replace(known):
            return TaskKind.REPLACE
        raise taken(known, source)

    def _is_known_by_name(self, source: Source) -> bool:
        """Whether the same bytes are there under the bare name: 0.1.0 gave it, or the file was named from its folder."""
        if source.origin is None or source.origin.kind != "file" or "/" not in source.file_id:
            return False
        bare = source.file_id.rpartition("/")[2]
        held = self._catalog.files_by_id(self._options.partition, [bare]).get(bare)
        if held is None or not _may_be_same(source, held) or not is_unchanged(source.path, held):
            return False
        self._skip(held)
        self.report.known_as.append((source.file_id, bare))
        return True

    def _skip(self, known: File) -> None:
        self.report.unchanged += 1
        changes = self._options.metadata
        if self._options.if_exists is IfExists.REPLACE and known.metadata | changes != known.metadata:
            self._catalog.edit_metadata(known.partition, known.file_id, changes)

    def _stored(self, source: Source, known: File | None) -> QueuedUpload:
        (spooled, media_type, refusal), stat = read_steadily(
            source.path,
            lambda stream: self._spool(source, stream),
            discard=lambda read: self._blobs.discard([read[0].revision]),
            is_copy=source.is_copy,
        )
        self.report.note_growing(source, spooled.revision, stat)
        upload = Upload(
            partition=self._options.partition,
            file_id=source.file_id,
            revision=spooled.revision,
            filename=source.filename,
            media_type=media_type,
            size=spooled.size,
            sha256=spooled.sha256,
            metadata=self._options.metadata,
            keeps_metadata=self._options.keeps_metadata,
            source=source.origin,
            changed_at=changed_at(stat.st_mtime_ns),
        )
        replaces = known.revision if known else None
        return QueuedUpload(source, upload, stat, refusal, replaces)

    def _spool(self, source: Source, stream: BinaryIO) -> tuple[Spooled, str, UnsupportedFormat | None]:
        revision = new_task_id()
        try:
            media_type = media_type_of(source.filename, stream.read(HEAD_BYTES))
        except UnsupportedFormat as exc:
            return Spooled(revision, size=0, sha256="", head=b""), "", exc
        stream.seek(0)
        spooled = self._blobs.spool(revision, stream, max_bytes=self._options.max_bytes)
        try:
            check_size(media_type, spooled.size, max_markup_bytes=self._options.max_markup_bytes)
        except TooLarge:
            self._blobs.discard([revision])
            raise
        return spooled, media_type, None

    def _refuse(self, stored: QueuedUpload) -> None:
        exc = stored.refusal
        assert exc is not None
        error = TaskError(exc.message, exc.code, exc.hint)
        task = self._queue.refuse(stored.upload, error, batch=self._options.batch)
        self.fail(stored.source, exc, task.id)

    def _queue_uploads(self, kind: TaskKind, entries: Sequence[QueuedUpload]) -> None:
        if not entries:
            return
        guard = {one.upload.file_id: one.replaces for one in entries} if self._options.is_guarded else None
        outcomes = self._queue.submit(
            [one.upload for one in entries], kind=kind, batch=self._options.batch, guard=guard
        )
        for one, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Task):
                self._count_queued(one.source, outcome.id)
            else:
                self._settle_refused(one.source, one.upload, outcome)

    def _count_queued(self, source: Source, task_id: str) -> None:
        self.task_ids[source.file_id] = task_id
        self.paths[source.file_id] = source.shown

    def _settle_refused(self, source: Source, upload: Upload, refusal: OpenRAGError) -> None:
        """Another command added, or is adding, this file: its task is taken over, or replaced, or this one fails."""
        known = self._catalog.files_by_id(upload.partition, [upload.file_id]).get(upload.file_id)
        live = self._ledger.live_task(upload.partition, upload.file_id)
        if live is not None and live.upload.sha256 == upload.sha256:
            self._ledger.adopt([live.id], self._options.batch)
            self._blobs.discard([upload.revision])
            self._count_queued(source, live.id)
        elif live is None and known is not None and known.sha256 == upload.sha256:
            self._blobs.discard([upload.revision])
            self._skip(known)
        elif not self._options.is_guarded and self._may_replace(known) and self._replaces(upload):
            self._count_queued(source, upload.revision)
        else:
            self._blobs.discard([upload.revision])
            self.fail(source, refusal)

    def _may_replace(self, known: File | None) -> bool:
        options = self._options
        return options.if_exists is IfExists.REPLACE and (known is None or options.may_replace(known))

    def _replaces(self, upload: Upload) -> bool:
        outcomes = self._queue.submit([upload], kind=TaskKind.REPLACE, batch=self._options.batch)
        return isinstance(outcomes[0], Task)


def _groups(sources: Iterable[Source]) -> Iterator[list[Source]]:
    iterator = iter(sources)
    while group := list(islice(iterator, GROUP_FILES)):
        part: list[Source] = []
        n_bytes = 0
        for source in group:
            part.append(source)
            n_bytes += _size(source.path)
            if n_bytes >= GROUP_BYTES:
                yield part
                part, n_bytes = [], 0
        if part:
            yield part


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _may_be_same(source: Source, held: File) -> bool:
    """Whether nothing is known of where a file came from, or it came from this very path."""
    known = held.source
    if known is None:
        return True
    path = os.path.join(known.root, os.fsencode(known.path or known.label))  # noqa: PTH118 - bytes
    return bool(known.root) and os.path.realpath(path) == os.fsencode(os.path.realpath(source.path))


def is_of_another(source: Source, known: File) -> bool:
    """Whether a file of the partition is known to have come from somewhere else."""
    return known.source is not None and source.origin is not None and known.source.root != source.origin.root


def taken(known: File, source: Source) -> Conflict:
    """Return the error for an id that other content has; its hint loses nothing that another source brought."""
    if is_of_another(source, known):
        return Conflict(
            f"File '{known.file_id}' of another source exists in partition {known.partition}, with other content",
            hint="keep both: give yours another id with --id, or with --root and the folder above it",
        )
    return Conflict(
        f"File '{known.file_id}' already exists in partition {known.partition}, with other content",
        hint="replace it with --if-exists replace",
    )


def is_unchanged(path: Path, known: File) -> bool:
    """Whether the file at `path` has the content that the catalog knows; it is hashed only when the sizes agree."""
    with user_file_errors(path):
        if path.stat().st_size != known.size:
            return False
        with path.open("rb") as stream:
            return sha256_of(stream) == known.sha256
