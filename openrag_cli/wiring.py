"""The adapters and services of one store, put together; each is opened when it is first needed."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from openrag_cli.config.settings import Settings
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.sessions import Sessions
from openrag_cli.store.task_queue import TaskQueue
from openrag_cli.store.task_records import TaskRecords

if TYPE_CHECKING:
    from openrag_cli.answering.pipeline import Chat
    from openrag_cli.index.table import Index
    from openrag_cli.inference.onnx_embedder import Embedder
    from openrag_cli.ingest.pipeline import Converter, Ingester, PassageEmbedder
    from openrag_cli.ingest.worker import Worker
    from openrag_cli.maintenance.janitor import Janitor
    from openrag_cli.retrieval.retriever import Retriever
    from openrag_cli.sync.runner import Syncer, SyncOptions

MAX_CONVERTERS = 4


class Components:
    """What an engine is made of. Safe across threads, as its members are."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def close(self) -> None:
        """Close the connections; the parts may be used again."""
        if "database" in self.__dict__:
            self.database.close()

    @cached_property
    def database(self) -> Database:
        """The SQLite file."""
        return Database(self.settings.store / "openrag.db")

    @cached_property
    def catalog(self) -> Catalog:
        """Partitions, files and documents."""
        return Catalog(self.database)

    @cached_property
    def queue(self) -> TaskQueue:
        """The work to be done."""
        return TaskQueue(self.database)

    @cached_property
    def ledger(self) -> TaskRecords:
        """What became of tasks."""
        return TaskRecords(self.database)

    @cached_property
    def sessions(self) -> Sessions:
        """The conversations that are kept."""
        return Sessions(self.database)

    @cached_property
    def blobs(self) -> BlobStore:
        """The stored originals."""
        return BlobStore(self.settings.store)

    @cached_property
    def embedder(self) -> "Embedder":
        """The embedding model of the settings. Raises: ConfigError; StoreMismatch: the store is of another."""
        from openrag_cli.inference.onnx_embedder import OnnxEmbedder, default_model_dir

        folder = self.settings.embed_model or default_model_dir()
        embedder = OnnxEmbedder(folder, threads=self.settings.threads, cache_dir=self.settings.cache)
        self.catalog.check_model(embedder.identity)
        return embedder

    @cached_property
    def index(self) -> "Index":
        """The chunks and vectors, mended if a crash left them behind the catalog. Raises: StoreError, StoreMismatch."""
        from openrag_cli.maintenance.index_recovery import mend

        index = self.open_index()
        mend(self.database, self.catalog, index)
        return index

    def open_index(self) -> "Index":
        """Return the index as it is, damaged or not. Raises: StoreMismatch."""
        from openrag_cli.index.table import Index

        language = self.catalog.meta("language") or self.catalog.set_once("language", self.settings.language)
        return Index(self.settings.store / "lance", dimension=self.embedder.dimension, language=language)

    @cached_property
    def retriever(self) -> "Retriever":
        """What searches."""
        from openrag_cli.retrieval.retriever import Retriever

        return Retriever(self.catalog, self.index, lambda: self.embedder)

    def syncer(self, options: "SyncOptions") -> "Syncer":
        """What syncs one folder, once."""
        from openrag_cli.sync.runner import Syncer
        from openrag_cli.sync.state import SyncState

        return Syncer(
            catalog=self.catalog,
            queue=self.queue,
            ledger=self.ledger,
            blobs=self.blobs,
            memory=SyncState(self.database, options.partition, options.folder),
            options=options,
            max_bytes=self.settings.max_file_bytes,
        )

    @cached_property
    def chat(self) -> "Chat":
        """What answers. It belongs to the event loop that first uses it. Raises: ConfigError, for a wrong prompt."""
        from openrag_cli.answering.extractive import ExtractiveModel
        from openrag_cli.answering.llm import HttpChatModel
        from openrag_cli.answering.pipeline import Chat
        from openrag_cli.answering.prompts import Prompts

        settings = self.settings
        return Chat(
            search=self.retriever.search,
            document_of=self.catalog.document,
            llm=HttpChatModel(settings) if settings.llm_base_url or settings.llm_model else None,
            extractive=ExtractiveModel(lambda: self.embedder),
            prompts=Prompts.load(settings.prompts),
            window=(settings.llm_context_tokens, settings.llm_max_tokens),
        )

    async def end_chat(self) -> None:
        """Close the connections to the LLM, if any were made."""
        if "chat" in self.__dict__:
            await self.chat.aclose()

    @cached_property
    def janitor(self) -> "Janitor":
        """What keeps the index in order."""
        from openrag_cli.maintenance.janitor import Janitor

        return Janitor(self.database, self.catalog, self.index, self.blobs)

    @contextlib.contextmanager
    def working(self, batch: str | None) -> "Iterator[Worker]":
        """Give the block a worker of one batch, or of all, with its converters; they end with the block."""
        from openrag_cli.documents.sandbox.pool import ConverterPool
        from openrag_cli.ingest.worker import Worker

        embedder = self.embedder
        n_converters = min(self.settings.threads, MAX_CONVERTERS)
        with ConverterPool(
            workers=n_converters,
            tokenizer_path=embedder.tokenizer_path,
            max_tokens=embedder.max_tokens,
            keeps_hidden=self.settings.documents_hidden_text,
        ) as pool:
            yield Worker(self.queue, self.ingester(embedder, pool, n_converters), batch=batch)

    def ingester(self, embedder: "PassageEmbedder", converter: "Converter", n_converters: int) -> "Ingester":
        """Return what turns tasks into chunks, with these for its slow parts."""
        from openrag_cli.ingest.pipeline import Ingester

        return Ingester(
            database=self.database,
            catalog=self.catalog,
            queue=self.queue,
            index=self.index,
            blobs=self.blobs,
            embedder=embedder,
            pool=converter,
            n_converters=n_converters,
        )
