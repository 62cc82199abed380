"""The engine: everything that openrag can do with a store, for both edges. Adapters are opened when first needed."""

import copy
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Self

from typing_extensions import override

from openrag_cli.access.principal import ADMIN, Principal, asking
from openrag_cli.access.rights import FREE, NEEDS
from openrag_cli.config.settings import Settings
from openrag_cli.domain import (
    DEFAULT_PARTITION,
    Chunk,
    Document,
    File,
    Hit,
    LogLine,
    Metadata,
    Partition,
    Task,
    TaskKind,
    TaskState,
    Upload,
)
from openrag_cli.errors import Conflict, DocumentNotFound, PartitionNotFound
from openrag_cli.ingest.report import Report
from openrag_cli.library.answers import AnswerLoop
from openrag_cli.library.library import LocalStore
from openrag_cli.store.blobs import open_original
from openrag_cli.store.files.results import Results
from openrag_cli.store.metadata import check_metadata
from openrag_cli.store.names import check_new_id, check_partition
from openrag_cli.wiring import Components

if TYPE_CHECKING:
    import numpy as np

    from openrag_cli.answering.events import Event
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.refresh import Refresher
    from openrag_cli.ingest.report import Listener
    from openrag_cli.maintenance.checks.findings import Finding
    from openrag_cli.maintenance.janitor import Tidied
    from openrag_cli.maintenance.service import Maintenance
    from openrag_cli.matching.grep import Found, GrepRequest
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract
    from openrag_cli.store.files.filtered_files import KeyFacts
    from openrag_cli.store.searching.views import Views
    from openrag_cli.store.sessions import Sessions
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome


@asking(NEEDS, FREE)
class Engine(LocalStore):
    """One store and what can be done with it. Safe across threads; other processes may work on the same store.

    Without `creates`, a store that is not there is StoreNotFound. One that cannot be written is read; writing is Forbidden.
    """

    def __init__(self, settings: Settings, *, creates: bool = True) -> None:
        self.settings, self.principal = settings, ADMIN
        self.loop = AnswerLoop(self.end_chat)
        self.parts = Components(settings, creates=creates)

    @override
    def close(self) -> None:
        self.loop.close()
        self.parts.close()

    def asked_by(self, principal: Principal) -> Self:
        """Return the same engine as this one may use it: what that one may not do is Forbidden, sessions are its own."""
        other = copy.copy(self)
        other.principal = principal
        return other

    # --- partitions

    @override
    def create_partition(self, name: str) -> Partition:
        return self.parts.catalog.create_partition(check_partition(name))

    @override
    def partitions(self) -> list[Partition]:
        return [found for found in self.parts.catalog.partitions() if self.principal.sees(found.name)]

    @override
    def partition(self, name: str) -> Partition:
        return self.parts.catalog.partition(name)

    @override
    def delete_partition(self, name: str) -> int:
        janitor = self.parts.janitor  # refuses a store of another model before anything is deleted
        n_files = self.parts.catalog.delete_partition(name)
        janitor.sweep_if_free()
        return n_files

    # --- files

    @override
    def files(
        self,
        partition: str = DEFAULT_PARTITION,
        *,
        limit: int = -1,
        offset: int = 0,
        after: str = "",
        filter: str = "",
    ) -> Results[File]:
        return self.parts.scopes.files(partition, filter, limit=limit, offset=offset, after=after)

    @override
    def file_keys(self, partition: str) -> "list[KeyFacts]":
        return self.parts.scopes.keys(partition)

    @override
    def file(self, partition: str, file_id: str) -> File:
        return self.parts.catalog.file(partition, file_id)

    @override
    def document(self, partition: str, file_id: str) -> Document:
        return self.parts.catalog.current_document(partition, file_id)[1]

    @override
    def original(self, partition: str, file_id: str) -> BinaryIO:
        return self.open_file(partition, file_id)[1]

    def open_file(self, partition: str, file_id: str) -> tuple[File, BinaryIO]:
        """Return a file with its stored bytes, checked, both of one version. Raises: DocumentNotFound, StoreDamaged."""
        return open_original(self.parts.catalog, self.parts.blobs, partition, file_id)

    @override
    def edit_file(self, partition: str, file_id: str, changes: Metadata, *, remove: Sequence[str] = ()) -> File:
        edited = self.parts.catalog.edit_metadata(partition, file_id, check_metadata(changes), remove=remove)
        return self.parts.retitled(edited)

    @override
    def rename_file(self, partition: str, old: str, new: str) -> File:
        return self.parts.retitled(self.parts.catalog.rename_file(partition, old, check_new_id(new)))

    @override
    def delete_files(self, partition: str, file_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        janitor = self.parts.janitor
        outcome = self.parts.catalog.delete_files(partition, file_ids)
        janitor.sweep_if_free()
        return outcome

    def delete_file(self, partition: str, file_id: str) -> None:
        """Delete one file. Raises: DocumentNotFound, also when there is no such partition."""
        try:
            deleted, _ = self.delete_files(partition, [file_id])
        except PartitionNotFound:
            deleted = []
        if not deleted:
            raise DocumentNotFound(file_id, partition)

    # --- adding

    def submit(
        self, upload: Upload, source: BinaryIO, *, kind: TaskKind = TaskKind.ADD, batch: str | None = None
    ) -> Task:
        """Store one upload and queue it; when this returns, both are on the disk. `upload` needs no size or hash yet.

        Raises:
            InvalidInput: an id, the partition or the metadata. UnsupportedFormat, TooLarge: the bytes.
            Conflict: an added file exists. DocumentNotFound: a replaced file does not.
        """
        from openrag_cli.ingest.upload import Uploader

        self.parts.database.require_writable()
        uploader = Uploader(
            catalog=self.parts.catalog, queue=self.parts.queue, ledger=self.parts.ledger, blobs=self.parts.blobs
        )
        return uploader.submit(upload, source, kind=kind, batch=batch or upload.revision, settings=self.settings)

    @override
    def add_sources(
        self,
        sources: Iterable["Source"],
        options: "AddOptions",
        *,
        detach: bool = False,
        on_queued: Callable[[int], None] = lambda _: None,
        listener: "Listener" = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Report:
        began = time.monotonic()
        check_partition(options.partition)
        check_metadata(options.metadata)
        self.parts.database.require_writable()
        adder = self.parts.adder(options)
        adder.submit(sources, should_stop)
        on_queued(len(adder.task_ids))
        if adder.task_ids and not detach and not should_stop():
            self.drain(batch=options.batch, listener=listener, should_stop=should_stop)
        report = adder.finish()
        report.seconds = round(time.monotonic() - began, 3)
        return report

    @override
    def sync_folder(
        self,
        options: "SyncOptions",
        *,
        on_queued: Callable[[int], None] = lambda _: None,
        listener: "Listener" = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> "SyncOutcome":
        from openrag_cli.ingest.refresh import RefreshRun
        from openrag_cli.sync.folder import sync_folder

        check_partition(options.partition)
        run = RefreshRun(options.batch, on_queued, listener, should_stop)
        return sync_folder(self, self.parts.syncer(options), options, run)

    # --- working

    @override
    def drain(
        self,
        *,
        batch: str | None = None,
        listener: "Listener" = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        with self.parts.working(batch) as worker:
            worker.drain(listener, should_stop, self.maintain)
            if not should_stop():
                self.maintain()

    @override
    def work(self, *, listener: "Listener" = lambda _: None, should_stop: Callable[[], bool]) -> None:
        with self.parts.working(None) as worker:
            worker.serve(listener, should_stop, self.maintain)

    @override
    def maintain(self, *, force: bool = False) -> "Tidied":
        return self.parts.janitor.tidy(force=force)

    # --- tasks

    @override
    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1, after: str = "") -> Results[Task]:
        return self.parts.ledger.page(states, limit=limit, after=after)

    @override
    def task(self, task_id: str) -> Task:
        return self.parts.ledger.task(task_id)

    @override
    def task_traceback(self, task_id: str) -> list[str]:
        error = self.task(task_id).error
        return list(error.traceback) if error else []

    @override
    def task_counts(self, batch: str | None = None) -> dict[TaskState, int]:
        return self.parts.ledger.counts(batch=batch)

    @override
    def count_live(self, batch: str | None = None) -> int:
        return sum(n for state, n in self.task_counts(batch).items() if not state.is_final)

    @override
    def task_log(self, task_id: str, *, last: int = -1) -> list[LogLine]:
        return self.parts.ledger.log(task_id, last=last)

    @override
    def cancel_task(self, task_id: str) -> Task:
        return self.parts.ledger.cancel(task_id)

    @override
    def retry_task(self, task_id: str) -> Task:
        task = self.parts.ledger.task(task_id)
        if task.state.is_final and not self.parts.blobs.has(task_id):
            raise Conflict(
                f"Task '{task_id}' cannot be retried: its file was not kept", hint="openrag file add, or file replace"
            )
        return self.parts.ledger.retry(task_id)

    @override
    def wait_tasks(self, task_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Task]:
        return self.parts.ledger.wait(task_ids, timeout_s=timeout_s)

    @override
    def prune_tasks(self, *, older_than_s: float = 0.0, states: Iterable[TaskState] = ()) -> int:
        wanted = list(states) or [state for state in TaskState if state.is_final]
        pruned = self.parts.ledger.prune(older_than_s=older_than_s, states=wanted)
        needed = self.parts.catalog.revisions()
        self.parts.blobs.discard(task_id for task_id in pruned if task_id not in needed)
        return len(pruned)

    # --- searching

    def check_model(self) -> None:
        """Refuse a store of another model. Raises: ConfigError, StoreMismatch."""
        _ = self.parts.embedder

    def warm(self) -> None:
        """Load the model and open the index now, so that the first search does not wait. Raises: ConfigError, StoreError."""
        self.parts.embedder.embed_query("warm")
        self.parts.index.statistics()

    @override
    def find(self, request: "SearchRequest") -> Results[Hit]:
        return self.parts.retriever.search(request)

    @override
    def grep(
        self, request: "GrepRequest", *, should_stop: Callable[[], bool] = lambda: False
    ) -> "Generator[Found, None, None]":
        return self.parts.grep.run(request, should_stop)

    @override
    def extract(self, chunk_id: str, *, context: int = 0) -> "Extract":
        return self.parts.retriever.extract(chunk_id, context=context)

    def chunks(self, partition: str, file_id: str) -> list[Chunk]:
        """Return the chunks of a file in order. Raises: DocumentNotFound."""
        return self.file_with_chunks(partition, file_id)[1]

    def file_with_chunks(self, partition: str, file_id: str) -> tuple[File, list[Chunk]]:
        """Return a file with its chunks in order, both of one version. Raises: DocumentNotFound."""
        return self.parts.retriever.current(self.file(partition, file_id))

    def partition_chunks(
        self, partition: str, *, limit: int, offset: int = 0, after: str = ""
    ) -> Results[tuple[File, Chunk]]:
        """Return a page of a partition's chunks, with their files. Raises: PartitionNotFound, InvalidInput."""
        return self.parts.retriever.chunk_page(partition, limit=limit, offset=offset, after=after)

    # --- asking

    def embed(self, texts: Sequence[str]) -> "tuple[np.ndarray, int]":
        """Return vectors of passages, float32[n, dimension], rows L2-normalised, and their tokens. Raises: InvalidInput."""
        embedder = self.parts.embedder
        return embedder.embed_passages(texts), sum(embedder.count_tokens(text) for text in texts)

    @property
    def embedding_model(self) -> str:
        """The name of the embedding model."""
        return self.parts.embedder.identity.partition("@")[0]

    @override
    def answer(self, request: "ChatRequest") -> "AsyncGenerator[Event, None]":
        return self.parts.chat.answer(request)

    def check_chat(self) -> None:
        """Read the prompts now. Raises: ConfigError."""
        _ = self.parts.chat

    @override
    async def end_chat(self) -> None:
        await self.parts.end_chat()

    @property
    @override
    def llm(self) -> str | None:
        return self.settings.llm_model or (str(self.settings.llm_base_url) if self.settings.llm_base_url else None)

    @property
    @override
    def maintenance(self) -> "Maintenance":
        from openrag_cli.maintenance.service import Maintenance

        return Maintenance(self)

    @override
    def examine(self) -> "list[Finding]":
        return self.maintenance.examine()

    @property
    @override
    def refresher(self) -> "Refresher":
        return self.parts.refresher(self.drain)

    @property
    @override
    def sessions(self) -> "Sessions":
        return self.parts.sessions_of(self.principal.name)

    @property
    @override
    def views(self) -> "Views":
        return self.parts.views
