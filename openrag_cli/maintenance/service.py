"""Looking after a store: is it in order, keeping a copy of it, taking parts of it out and in."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol

from openrag_cli.domain import File, Partition, Task, TaskKind, Upload, new_task_id
from openrag_cli.errors import Conflict, OpenRAGError
from openrag_cli.ingest.stable_read import user_file_errors
from openrag_cli.ingest.worker import Worker
from openrag_cli.maintenance.backup import BackupReport, back_up
from openrag_cli.maintenance.doctor import Doctor, DoctorContext, Finding
from openrag_cli.maintenance.transfer import (
    Export,
    Exporter,
    ExportReport,
    ImportedFile,
    KnownDocuments,
    KnownVectors,
)
from openrag_cli.store.opening import not_there

if TYPE_CHECKING:
    from openrag_cli.config.settings import Settings
    from openrag_cli.index.table import Index
    from openrag_cli.inference.onnx_embedder import Embedder
    from openrag_cli.ingest.pipeline import Converter, Ingester, PassageEmbedder
    from openrag_cli.ingest.refresh import Refresher
    from openrag_cli.maintenance.words import WordKeeper
    from openrag_cli.retrieval.retriever import Retriever
    from openrag_cli.store.blobs import BlobStore
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.database import Database
    from openrag_cli.store.task_queue import TaskQueue
    from openrag_cli.store.task_records import TaskRecords


GROUP_FILES = 500
"""Files imported at once: their texts are held in memory."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How much was taken in, and how many vectors had to be made."""

    partition: str
    files: int
    chunks: int
    embedded: int


class StoreParts(Protocol):
    """The members of a store that maintenance works on; see wiring.py."""

    @property
    def database(self) -> "Database":
        """The SQLite file."""

    @property
    def catalog(self) -> "Catalog":
        """Partitions, files and documents."""

    @property
    def queue(self) -> "TaskQueue":
        """The work to be done."""

    @property
    def ledger(self) -> "TaskRecords":
        """What became of tasks."""

    @property
    def blobs(self) -> "BlobStore":
        """The stored originals."""

    @property
    def index(self) -> "Index":
        """The chunks and vectors."""

    @property
    def embedder(self) -> "Embedder":
        """The store's model."""

    @property
    def retriever(self) -> "Retriever":
        """What searches."""

    def words_of(self, index: "Index") -> "WordKeeper":
        """Return what keeps the words of an index."""

    def open_index(self) -> "Index":
        """Return the index as it is, damaged or not."""

    def ingester(self, embedder: "PassageEmbedder", converter: "Converter", n_converters: int) -> "Ingester":
        """Return what turns tasks into chunks."""


class StoreOperations(Protocol):
    """The operations of an engine that maintenance is made of; see engine.py."""

    settings: "Settings"

    @property
    def parts(self) -> StoreParts:
        """The members of the store."""

    @property
    def refresher(self) -> "Refresher":
        """What reads files again."""

    def create_partition(self, name: str) -> Partition:
        """Create an empty partition."""

    def delete_partition(self, name: str) -> int:
        """Delete a partition and its files."""

    def submit(
        self, upload: Upload, source: BinaryIO, *, kind: TaskKind = TaskKind.ADD, batch: str | None = None
    ) -> Task:
        """Store one upload and queue it."""

    def original(self, partition: str, file_id: str) -> BinaryIO:
        """Open the stored bytes of a file, checked."""

    def drain(self, *, batch: str | None = None) -> None:
        """Run queued tasks until none is unfinished."""

    def maintain(self) -> None:
        """Delete what is retired, and compact the index if it needs it."""


class Maintenance:
    """What is done to a whole store, on its own machine."""

    def __init__(self, engine: StoreOperations) -> None:
        self._engine = engine

    def examine(self) -> list[Finding]:
        """Return what is in order with the store and around it, and what is not; see doctor.py."""
        parts = self._engine.parts
        patient = DoctorContext(
            settings=self._engine.settings,
            database=parts.database,
            catalog=parts.catalog,
            queue=parts.queue,
            ledger=parts.ledger,
            blobs=parts.blobs,
            open_index=parts.open_index,
            count_outdated=self._engine.refresher.count_outdated,
            reindex=self.reindex,
            words_of=parts.words_of,
        )
        return Doctor(patient).examine()

    def require_store(self) -> None:
        """Refuse to go on where there is no store, so that none is made. Raises: StoreNotFound."""
        if not (self._engine.settings.store / "openrag.db").exists():
            raise not_there(self._engine.settings.store)

    def back_up(self, target: IO[bytes]) -> BackupReport:
        """Write the whole store as a tar file to `target`. Raises: StoreBusy, StoreFull, StoreError."""
        return back_up(self._engine.parts.database, self._engine.parts.blobs, target)

    def export(self, partition: str, folder: Path) -> ExportReport:
        """Write a partition as JSON Lines, Parquet and originals. Raises: PartitionNotFound, Conflict, StoreError."""
        parts = self._engine.parts
        exporter = Exporter(
            catalog=parts.catalog,
            retriever=parts.retriever,
            index=parts.index,
            blobs=parts.blobs,
            embedder=parts.embedder,
        )
        return exporter.export(partition, folder)

    def import_partition(self, folder: Path, partition: str | None = None) -> ImportReport:
        """Make a partition (default: of its old name) from an export; vectors of the same model are kept.

        It is there whole, or not at all; only SIGKILL leaves a part.

        Raises:
            PathNotFound, InvalidInput: no export. Conflict: the partition exists. StoreDamaged: the export is damaged.
        """
        export = Export(folder)
        name = partition or export.partition
        try:
            self._engine.create_partition(name)
        except Conflict as exc:
            hint = f"import it under another name with -p, or first: openrag partition delete '{name}'"
            raise Conflict(exc.message, hint=hint) from exc
        try:
            return self._fill(name, export)
        except BaseException:
            with contextlib.suppress(OpenRAGError):  # what went wrong first is told
                self._engine.delete_partition(name)
            raise

    def _fill(self, name: str, export: Export) -> ImportReport:
        parts = self._engine.parts
        documents = KnownDocuments()
        vectors = KnownVectors(parts.embedder)
        known = export.vectors() if export.model == parts.embedder.identity else {}
        n_files = n_chunks = 0
        for group in _groups(export.files()):
            batch = new_task_id()
            for file in group:
                upload = Upload(name, file.file_id, new_task_id(), file.filename, "", 0, "", file.metadata)
                documents.add(upload.revision, file.converted)
                vectors.add(file.converted.spans, known.get(file.file_id))
                with user_file_errors(file.original), file.original.open("rb") as stream:
                    self._engine.submit(upload, stream, batch=batch)
                n_files, n_chunks = n_files + 1, n_chunks + len(file.converted.spans)
            worker = Worker(parts.queue, parts.ingester(vectors, documents, 1), batch=batch)
            worker.drain(lambda _: None, lambda: False, self._engine.maintain)
            documents.clear()
        self._engine.maintain()
        return ImportReport(name, n_files, n_chunks, vectors.n_made)

    def reindex(self, files: Sequence[File]) -> None:
        """Convert, embed and index files again from their stored originals; ids and metadata stay.

        Raises:
            StoreDamaged: an original is missing or damaged.
        """
        batch = new_task_id()
        for file in files:
            upload = Upload(
                file.partition, file.file_id, new_task_id(), file.filename, file.media_type, 0, "", file.metadata
            )
            with self._engine.original(file.partition, file.file_id) as stream:
                self._engine.submit(upload, stream, kind=TaskKind.REPLACE, batch=batch)
        self._engine.drain(batch=batch)


def _groups(files: Iterator[ImportedFile]) -> Iterator[list[ImportedFile]]:
    while group := list(islice(files, GROUP_FILES)):
        yield group
