"""Importing: an export's files in groups through the bulk write path, unseen until all of them are there.

A killed import goes on, with the same command, with the file where it stopped. Originals are compared with their sha256.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openrag_cli.domain import MadeBy, Upload, new_task_id
from openrag_cli.errors import Conflict, OpenRAGError, StoreBusy, StoreDamaged, StoreFull, os_errors
from openrag_cli.fsync import undoing
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.ingest.bulk_write import BulkWriter, KnownFile
from openrag_cli.maintenance.export_reader import Export, ImportedFile
from openrag_cli.maintenance.janitor import Janitor
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.database import Database
from openrag_cli.store.importing.imports import Imports, Staged
from openrag_cli.store.searching.word_counts import WordCount

logger = logging.getLogger(__name__)

GROUP_FILES, GROUP_CHUNKS, GROUP_CHARS = 200, 2048, 16 << 20
"""A group is written when it reaches one of the three: what an import holds in memory, and loses when it is killed."""

TIDY_EVERY = 64
"""Groups between two looks at the index: commits upon commits slow the next ones."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How much was taken in, how much of it had been by an import that was stopped, and how many vectors were made."""

    partition: str
    files: int
    chunks: int
    embedded: int
    resumed: int = 0


class _Staging:
    """The import as the place where groups go."""

    def __init__(self, imports: Imports, partition_id: int, model: str) -> None:
        self._imports = imports
        self._partition_id = partition_id
        self._model = model

    def announce(self, revisions: Sequence[str]) -> None:
        """Write down which revisions are to come."""
        self._imports.announce(revisions)

    def stage(self, files: Sequence[KnownFile], words: Mapping[str, WordCount]) -> None:
        """Put a group of files down, unseen."""
        self._imports.stage(self._partition_id, [self._staged(file, words[file.upload.revision]) for file in files])

    def _staged(self, file: KnownFile, words: WordCount) -> Staged:
        document, chunker = file.converted.document, file.converted.chunker
        made_by = MadeBy(document.reader, chunker, self._model) if document.reader else None
        return Staged(file.upload, document, len(file.converted.spans), made_by, words)


class Importer:
    """Takes exports into one store."""

    def __init__(
        self,
        *,
        database: Database,
        index: Index,
        blobs: BlobStore,
        embedder: Embedder,
        janitor: Janitor,
        for_search: Callable[[str], str],
    ) -> None:
        self._database = database
        self._imports = Imports(database)
        self._index = index
        self._blobs = blobs
        self._embedder = embedder
        self._janitor = janitor
        self._for_search = for_search

    def run(self, export: Export, name: str) -> ImportReport:
        """Make the partition `name` from an export.

        Raises:
            Conflict: there is such a partition. StoreBusy: it is being imported. StoreDamaged: the export is damaged,
                and nothing of it is kept. StoreFull and kin: what is there stays, unseen, for the next run.
        """
        key = hashlib.sha256(name.encode()).hexdigest()[:32]
        busy = StoreBusy(f"partition '{name}' is being imported by another process", hint="wait for it to end")
        with self._database.file_lock(f"locks/import-{key}", 0.0, busy):
            partition_id = self._imports.begin(name, export.identity)
            try:
                return self._fill(export, name, partition_id)
            except (StoreDamaged, Conflict):
                self._imports.drop(name)
                self._janitor.sweep()
                raise
            except OpenRAGError:
                logger.warning("the import of '%s' has stopped; the same command goes on where it did", name)
                raise

    def _fill(self, export: Export, name: str, partition_id: int) -> ImportReport:
        writer = BulkWriter(self._database, self._index, self._embedder, self._for_search)
        staging = _Staging(self._imports, partition_id, self._embedder.identity)
        known = self._imports.staged(partition_id)
        has_vectors = export.model == self._embedder.identity
        _need_room(export, self._database.path.parent)
        dimension = self._embedder.dimension if has_vectors else None
        left = (file for file in export.files(dimension=dimension) if file.file_id not in known)
        for number, group in enumerate(_groups(left), 1):
            writer.write(partition_id, self._stored(group, name, has_vectors=has_vectors), staging)
            if number % TIDY_EVERY == 0:
                self._janitor.optimize()
        n_files, n_chunks = export.counts
        self._imports.finish(partition_id, n_files=n_files, n_chunks=n_chunks)
        self._janitor.titles.fill()
        self._janitor.sweep()
        self._janitor.optimize()
        return ImportReport(name, n_files, n_chunks, writer.n_embedded, len(known))

    def _stored(self, group: Sequence[ImportedFile], partition: str, *, has_vectors: bool) -> list[KnownFile]:
        """Store the originals of a group, all or none, and return what is to be written of it. Raises: StoreDamaged."""
        files: list[KnownFile] = []
        with undoing(lambda: self._blobs.discard([file.upload.revision for file in files])):
            for file in group:
                files.append(self._known_file(file, partition, has_vectors=has_vectors))  # noqa: PERF401 - see above
            self._blobs.commit([file.upload.revision for file in files])
        return files

    def _known_file(self, file: ImportedFile, partition: str, *, has_vectors: bool) -> KnownFile:
        """Store the original of a file and return what is to be written of it. Raises: StoreDamaged."""
        revision = new_task_id()
        with os_errors(f"reading {file.original}"):
            is_there = file.original.is_file()
        if not is_there:
            raise StoreDamaged(f"{file.original} is missing", hint="export it again")
        with os_errors(f"reading {file.original}"), file.original.open("rb") as stream:
            spooled = self._blobs.spool(revision, stream, max_bytes=1 << 62)
        if spooled.sha256 != file.sha256:
            self._blobs.discard([revision])
            raise StoreDamaged(f"{file.original} is not what was exported (sha256)", hint="export it again")
        upload = Upload(
            partition,
            file.file_id,
            revision,
            file.filename,
            file.media_type,
            spooled.size,
            file.sha256,
            file.metadata,
            source=file.source,
            changed_at=file.changed_at,
        )
        return KnownFile(upload, file.converted, file.vectors if has_vectors else None)


def _need_room(export: Export, store: Path) -> None:
    """Refuse an export that says it is larger than the disk has room. Raises: StoreFull."""
    free = shutil.disk_usage(store).free
    if export.size > free:
        raise StoreFull(f"the export has {export.size:,} bytes, and {free:,} are free", hint="free some space")


def _groups(files: Iterator[ImportedFile]) -> Iterator[list[ImportedFile]]:
    group: list[ImportedFile] = []
    n_chunks = n_chars = 0
    for file in files:
        group.append(file)
        n_chunks += len(file.converted.spans)
        n_chars += len(file.converted.document.markdown)
        if len(group) >= GROUP_FILES or n_chunks >= GROUP_CHUNKS or n_chars >= GROUP_CHARS:
            yield group
            group, n_chunks, n_chars = [], 0, 0
    if group:
        yield group
