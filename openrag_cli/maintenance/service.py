"""Looking after a store: is it in order, keeping a copy of it, taking parts of it out and in."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from openrag_cli.domain import File
from openrag_cli.ingest.report import Failure
from openrag_cli.maintenance.backup import BackupReport, back_up
from openrag_cli.maintenance.checks.findings import Finding
from openrag_cli.maintenance.doctor import Doctor, DoctorContext
from openrag_cli.maintenance.export_reader import Export
from openrag_cli.maintenance.importer import Importer, ImportReport
from openrag_cli.maintenance.transfer import Exporter, ExportReport
from openrag_cli.store.access.opening import not_there
from openrag_cli.store.access.permissions import has_catalog
from openrag_cli.store.names import check_partition

if TYPE_CHECKING:
    from openrag_cli.config.settings import Settings
    from openrag_cli.index.table import Index
    from openrag_cli.inference.onnx_embedder import Embedder
    from openrag_cli.ingest.refresh import Refresher
    from openrag_cli.maintenance.janitor import Janitor
    from openrag_cli.maintenance.titles import TitleKeeper
    from openrag_cli.maintenance.words import WordKeeper
    from openrag_cli.retrieval.retriever import Retriever
    from openrag_cli.retrieval.tokens import Tokenizer
    from openrag_cli.store.blobs import BlobStore
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.database import Database
    from openrag_cli.store.task_queue import TaskQueue
    from openrag_cli.store.task_records import TaskRecords


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

    @property
    def title_keeper(self) -> "TitleKeeper":
        """What makes titles."""

    def words_of(self, index: "Index") -> "WordKeeper":
        """Return what keeps the words of an index."""

    @property
    def tokenizer(self) -> "Tokenizer":
        """What makes the words that are searched."""

    @property
    def janitor(self) -> "Janitor":
        """What keeps the index in order."""

    def open_index(self) -> "Index":
        """Return the index as it is, damaged or not."""


class StoreOperations(Protocol):
    """The operations of an engine that maintenance is made of; see engine.py."""

    settings: "Settings"

    @property
    def parts(self) -> StoreParts:
        """The members of the store."""

    @property
    def refresher(self) -> "Refresher":
        """What reads files again."""


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
            titles=lambda: parts.title_keeper,
        )
        return Doctor(patient).examine()

    def require_store(self) -> None:
        """Refuse to go on where there is no store, so that none is made. Raises: StoreNotFound."""
        if not has_catalog(self._engine.settings.store):
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

        It is there whole, or not at all. A killed import is unseen, and this goes on where it stopped.

        Raises:
            PathNotFound, InvalidInput: no export. Conflict: the partition exists. StoreDamaged: the export is damaged.
        """
        export = Export(folder)
        parts = self._engine.parts
        importer = Importer(
            database=parts.database,
            index=parts.index,
            blobs=parts.blobs,
            embedder=parts.embedder,
            janitor=parts.janitor,
            for_search=parts.tokenizer.for_search,
        )
        return importer.run(export, check_partition(partition or export.partition))

    def reindex(self, files: Sequence[File]) -> list[Failure]:
        """Read, embed and index files again from their stored originals; return those that could not be.

        They are ordinary rereadings: ids and metadata stay, what a client has put since goes before, and what fails
        keeps what the index has of it.
        """
        from openrag_cli.ingest.refresh import RefreshRun

        return self._engine.refresher.refresh(files, RefreshRun()).failures
