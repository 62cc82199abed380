"""The adapters and services of one store, put together; each is opened when it is first needed."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from openrag_cli.config.settings import Settings
from openrag_cli.domain import File
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.refresh_queue import RefreshQueue
from openrag_cli.store.searching.files import SearchableFiles
from openrag_cli.store.sessions import Sessions
from openrag_cli.store.task_queue import TaskQueue
from openrag_cli.store.task_records import TaskRecords

if TYPE_CHECKING:
    from pathlib import Path

    from openrag_cli.answering.in_hand import HandFile, Search
    from openrag_cli.answering.passages import DocumentOf
    from openrag_cli.answering.pipeline import Chat
    from openrag_cli.answering.quoting.asked import Question
    from openrag_cli.documents.sandbox.pool import ConverterPool
    from openrag_cli.documents.sandbox.protocol import Converted
    from openrag_cli.index.table import Index
    from openrag_cli.inference.onnx_embedder import Embedder
    from openrag_cli.ingest.add_files import Adder
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.pipeline import Converter, Ingester, PassageEmbedder
    from openrag_cli.ingest.refresh import Drain, Refresher
    from openrag_cli.ingest.worker import Worker
    from openrag_cli.maintenance.janitor import Janitor
    from openrag_cli.maintenance.titles import TitleKeeper
    from openrag_cli.maintenance.words import WordKeeper
    from openrag_cli.matching.grep import Grep
    from openrag_cli.retrieval.retriever import Retriever
    from openrag_cli.retrieval.scope import Scopes
    from openrag_cli.retrieval.tokens import Tokenizer
    from openrag_cli.store.searching.titles import Titles
    from openrag_cli.store.searching.views import Views
    from openrag_cli.store.searching.word_counts import WordCounts
    from openrag_cli.sync.outcome import SyncOptions
    from openrag_cli.sync.root import Root
    from openrag_cli.sync.runner import Syncer

MAX_CONVERTERS = 4
Value = TypeVar("Value")
_guard = threading.Lock()


class built_once(Generic[Value]):  # noqa: N801 - a decorator, written as `property` is
    """A property that is made when it is first asked for, and once, however many threads ask at the same time.

    `functools.cached_property` takes no lock from Python 3.12 on, and one for all objects of a class before that. Here it
    is one for each property of an object; one may ask for others that do not ask for it. After an error the next tries.
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...
    def __get__(self, owner: object | None, kind: type) -> Self | Value:
        """Return the value; only who comes before it is made gets here."""
        if owner is None:
            return self
        kept: dict[str, Any] = owner.__dict__
        with _guard:
            lock = kept.setdefault(f"_lock_of_{self._name}", threading.RLock())
        with lock:
            value: Value = kept[self._name] if self._name in kept else kept.setdefault(self._name, self._make(owner))
            return value


class Components:
    """What an engine is made of. Safe across threads, as its members are."""

    def __init__(self, settings: Settings, *, creates: bool = True) -> None:
        self.settings = settings
        self._creates = creates

    def close(self) -> None:
        """Close the connections; the parts may be used again."""
        if "database" in self.__dict__:
            self.database.close()

    @built_once
    def database(self) -> Database:
        """The SQLite file."""
        return Database(self.settings.store / "openrag.db", creates=self._creates)

    @built_once
    def catalog(self) -> Catalog:
        """Partitions, files and documents."""
        return Catalog(self.database)

    @built_once
    def queue(self) -> TaskQueue:
        """The work to be done."""
        return TaskQueue(self.database, max_live=self.settings.max_queued_tasks)

    @built_once
    def ledger(self) -> TaskRecords:
        """What became of tasks."""
        return TaskRecords(self.database)

    @built_once
    def refresh_queue(self) -> RefreshQueue:
        """The files to be read again."""
        return RefreshQueue(self.database)

    def sessions_of(self, owner: str) -> Sessions:
        """Return the conversations of one principal."""
        return Sessions(self.database, owner)

    @built_once
    def views(self) -> "Views":
        """The named views."""
        from openrag_cli.retrieval import filters
        from openrag_cli.store.searching.views import Views

        return Views(self.database, filters.parse)

    @built_once
    def blobs(self) -> BlobStore:
        """The stored originals."""
        return BlobStore(self.settings.store)

    @built_once
    def scopes(self) -> "Scopes":
        """What narrows a request to some files."""
        from openrag_cli.retrieval.scope import Scopes

        return Scopes(self.catalog)

    @built_once
    def embedder(self) -> "Embedder":
        """The embedding model of the settings. Raises: ConfigError; StoreMismatch: the store is of another."""
        self.catalog.check_model(self.model.identity)
        return self.model

    @built_once
    def model(self) -> "Embedder":
        """The embedding model of the settings, whatever model the store is of. Raises: ConfigError."""
        from openrag_cli.inference.onnx_embedder import OnnxEmbedder, default_model_dir

        folder = self.settings.embed_model or default_model_dir()
        return OnnxEmbedder(folder, threads=self.settings.threads, cache_dir=self.settings.cache)

    @built_once
    def index(self) -> "Index":
        """The chunks and vectors, mended if a crash left them behind the catalog. Raises: StoreError, StoreMismatch."""
        from openrag_cli.maintenance.index_recovery import mend

        index = self.open_index()
        mend(self.database, self.catalog, index)
        return index

    def open_index(self) -> "Index":
        """Return the index as it is, damaged or not. Raises: StoreMismatch."""
        from openrag_cli.index.table import Index

        return Index(self.settings.store / "lance", dimension=self.embedder.dimension)

    @built_once
    def tokenizer(self) -> "Tokenizer":
        """What makes the words that are searched, in the store's language."""
        from openrag_cli.retrieval.tokens import Tokenizer

        language = self.catalog.meta("language")
        if language is None and not self.database.is_read_only:
            language = self.catalog.set_once("language", self.settings.language)
        return Tokenizer(language or self.settings.language)

    @built_once
    def word_counts(self) -> "WordCounts":
        """In how many chunks each word stands."""
        from openrag_cli.index.words import WORDS_VERSION
        from openrag_cli.store.searching.word_counts import WordCounts

        return WordCounts(self.database, WORDS_VERSION)

    @built_once
    def retriever(self) -> "Retriever":
        """What searches."""
        from openrag_cli.retrieval.retriever import Retriever

        return Retriever(
            catalog=self.catalog,
            searchable=SearchableFiles(self.database),
            titles=self.titles,
            index=self.index,
            embedder=lambda: self.embedder,
            tokenizer=self.tokenizer,
            counts=self.word_counts,
            views=self.views,
        )

    def refresher(self, drain: "Drain") -> "Refresher":
        """What reads files again; `drain` runs their tasks."""
        from openrag_cli.ingest.refresh import Refresher

        return Refresher(
            catalog=self.catalog, queue=self.refresh_queue, ledger=self.ledger, blobs=self.blobs, drain=drain
        )

    def syncer(self, options: "SyncOptions", root: "Root | None" = None) -> "Syncer":
        """What syncs one folder, once: that of the options, or of a client."""
        from openrag_cli.sync.prefix import FolderPrefix
        from openrag_cli.sync.root import local_root
        from openrag_cli.sync.runner import Syncer
        from openrag_cli.sync.state import SyncState

        root = root or local_root(options.folder)
        return Syncer(
            catalog=self.catalog,
            queue=self.queue,
            ledger=self.ledger,
            memory=SyncState(self.database, options.partition, root),
            prefix=FolderPrefix(self.database, options.partition, root),
            options=options,
            new_adder=self.sync_adder,
        )

    def sync_adder(self, options: "AddOptions") -> "Adder":
        """Return what stores and queues the files of a sync, of which the settings say how large they may be."""
        settings = self.settings
        limited = replace(options, max_bytes=settings.max_file_bytes, max_markup_bytes=settings.max_markup_bytes)
        return self.adder(limited)

    def adder(self, options: "AddOptions") -> "Adder":
        """Return what stores and queues the files of one command."""
        from openrag_cli.ingest.add_files import Adder

        return Adder(catalog=self.catalog, queue=self.queue, ledger=self.ledger, blobs=self.blobs, options=options)

    @built_once
    def chat(self) -> "Chat":
        """What answers. It belongs to the event loop that first uses it. Raises: ConfigError, for a wrong prompt."""
        from openrag_cli.answering.quoting.asked import read_question

        read = partial(read_question, tokenizer=self.tokenizer, counts=self.word_counts)
        return self._chat(self.retriever.search, self.catalog.document, lambda: self.embedder, read)

    def about(self, files: "Sequence[HandFile]", *, with_store: bool) -> "Chat":
        """Return what answers from files that are not stored, or from them and the store. Raises: see `InHand`."""
        from openrag_cli.answering.in_hand import InHand
        from openrag_cli.answering.quoting.asked import read_question
        from openrag_cli.retrieval.tokens import Tokenizer

        embedder = self.embedder if with_store else self.model
        tokenizer = self.tokenizer if with_store else Tokenizer(self.settings.language)
        beside = (self.retriever.search, self.catalog.document) if with_store else None
        with contextlib.ExitStack() as held:

            def convert(path: "Path", filename: str) -> "Converted":
                """Read a file in a process of its own, begun with the first one."""
                pool = held.enter_context(self._converters(embedder, 1, path.parent))
                return pool.convert(path, filename)

            in_hand = InHand(files, convert=convert, embedder=embedder, tokenizer=tokenizer, beside=beside)
        counts = self.word_counts if with_store else in_hand.counts
        read = partial(read_question, tokenizer=tokenizer, counts=counts)
        return self._chat(in_hand.search, in_hand.document_of, lambda: embedder, read)

    def _chat(
        self,
        search: "Search",
        document_of: "DocumentOf",
        embedder: "Callable[[], Embedder]",
        read: "Callable[[str], Question]",
    ) -> "Chat":
        from openrag_cli.answering.extractive import ExtractiveModel
        from openrag_cli.answering.llm.client import HttpChatModel
        from openrag_cli.answering.messages import Composer
        from openrag_cli.answering.pipeline import Chat, Window
        from openrag_cli.answering.prompts import Prompts

        settings = self.settings
        return Chat(
            search=search,
            document_of=document_of,
            llm=HttpChatModel(settings) if settings.llm_base_url or settings.llm_model else None,
            extractive=ExtractiveModel(embedder, read),
            composer=Composer(Prompts.load(settings.prompts), settings.llm_profile),
            window=Window(settings.llm_context_tokens, settings.llm_max_tokens),
        )

    async def end_chat(self) -> None:
        """Close the connections to the LLM, if any were made."""
        if "chat" in self.__dict__:
            await self.chat.end_chat()

    @built_once
    def janitor(self) -> "Janitor":
        """What keeps the index in order."""
        from openrag_cli.maintenance.janitor import Janitor, Keeping

        janitor = Janitor(
            database=self.database,
            catalog=self.catalog,
            index=self.index,
            blobs=self.blobs,
            words=self.words_of(self.index),
            titles=self.title_keeper,
        )
        keep_s = self.settings.tasks_keep_days * 86_400.0
        janitor.keeping = Keeping(keep_s, self.settings.tasks_keep)
        return janitor

    @built_once
    def grep(self) -> "Grep":
        """What looks for patterns in stored texts."""
        from openrag_cli.matching.grep import Grep
        from openrag_cli.store.searching.grams import Grams

        return Grep(self.catalog, Grams(self.database), self.scopes, self.views)

    @built_once
    def titles(self) -> "Titles":
        """The titles of files."""
        from openrag_cli.index.words import WORDS_VERSION
        from openrag_cli.store.searching.titles import Titles

        return Titles(self.database, WORDS_VERSION)

    @built_once
    def title_keeper(self) -> "TitleKeeper":
        """What makes titles."""
        from openrag_cli.maintenance.titles import TitleKeeper

        return TitleKeeper(self.titles, lambda: self.embedder, self.tokenizer.for_search, self._first_headings)

    def retitled(self, file: File) -> File:
        """Return a file that was edited or renamed, after its title has been made again."""
        self.title_keeper.fill()
        return file

    def _first_headings(self, revisions: Sequence[str]) -> dict[str, str]:
        index: Index = self.__dict__.get("index") or self.open_index()  # as it is: a title needs no whole index
        return index.first_headings(revisions)

    def words_of(self, index: "Index") -> "WordKeeper":
        """Return what keeps the words of an index."""
        from openrag_cli.maintenance.words import WordKeeper

        return WordKeeper(self.database, index, self.word_counts, self.tokenizer.for_search)

    @contextlib.contextmanager
    def working(self, batch: str | None) -> "Iterator[Worker]":
        """Give the block a worker of one batch, or of all, with its converters; they end with the block."""
        from openrag_cli.ingest.worker import Worker

        embedder = self.embedder
        n_converters = min(self.settings.threads, MAX_CONVERTERS)
        with self._converters(embedder, n_converters, (self.settings.store / "blobs").absolute()) as pool:
            yield Worker(self.queue, self.ingester(embedder, pool, n_converters), batch=batch)

    def _converters(self, embedder: "PassageEmbedder", n_workers: int, documents: "Path") -> "ConverterPool":
        """Return converters that may read what is in a folder."""
        from openrag_cli.documents.readers.base import Limits
        from openrag_cli.documents.sandbox.pool import ConverterPool

        settings = self.settings
        return ConverterPool(
            workers=n_workers,
            tokenizer_path=embedder.tokenizer_path,
            max_tokens=embedder.max_tokens,
            keeps_hidden=settings.documents_hidden_text,
            documents=documents,
            limits=Limits(max_bytes=settings.max_file_bytes, max_markup_bytes=settings.max_markup_bytes),
        )

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
            for_search=self.tokenizer.for_search,
        )
