"""`Library`: a store and what can be done with it, wherever it is.

It is what an edge calls, and what `openrag_cli.open` gives: `Engine` does it here, `RemoteEngine` over HTTP.
"""

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, TypeVar

from openrag_cli.domain import (
    ALL_PARTITIONS,
    DEFAULT_PARTITION,
    Document,
    File,
    Hit,
    LogLine,
    Metadata,
    Partition,
    SearchMode,
    Task,
    TaskState,
    new_task_id,
)
from openrag_cli.errors import InvalidInput
from openrag_cli.library.answers import Answer, AnswerLoop
from openrag_cli.library.kept import KeptSessions, KeptViews, Refreshing
from openrag_cli.store.files.results import Results

if TYPE_CHECKING:
    from openrag_cli.answering.events import Event
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.config.settings import Settings
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.report import Listener, Report
    from openrag_cli.library.conversation import Conversation
    from openrag_cli.maintenance.checks.findings import Finding
    from openrag_cli.maintenance.janitor import Tidied
    from openrag_cli.maintenance.service import Maintenance
    from openrag_cli.matching.grep import Found, GrepRequest
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract
    from openrag_cli.store.files.filtered_files import KeyFacts
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome

Names = str | Sequence[str]
StrPath = str | os.PathLike[str]
Choice = TypeVar("Choice", bound=StrEnum)


class Library(Protocol):
    """A store, here or behind a server: adding files, searching, asking. A context manager; safe across threads.

    Every error is an `openrag_cli.OpenRAGError` with a stable `code`, a sentence and maybe a `hint`. A partition that
    is not named is `default` for adding and looking at files, and every one for searching and asking.
    """

    settings: "Settings"
    loop: AnswerLoop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End answers that are under way, and close what is open; the library may be used again."""

    # --- partitions and files

    def partitions(self) -> list[Partition]:
        """Return every partition with its counts, by name."""

    def partition(self, name: str) -> Partition:
        """Return one partition with its counts. Raises: PartitionNotFound."""

    def create_partition(self, name: str) -> Partition:
        """Create an empty partition. Raises: InvalidInput, Conflict."""

    def delete_partition(self, name: str) -> int:
        """Delete a partition and its files; return how many it had. Raises: PartitionNotFound."""

    def files(
        self,
        partition: str = DEFAULT_PARTITION,
        *,
        limit: int = -1,
        offset: int = 0,
        after: str = "",
        filter: str = "",  # noqa: A002
    ) -> Results[File]:
        """Return files of a partition, or of `all`, by id; a negative limit means all, `filter` is as `--filter` has it.

        Raises: PartitionNotFound, InvalidInput.
        """

    def file_keys(self, partition: str) -> "list[KeyFacts]":
        """Return the keys of metadata that the files of a partition, or of `all`, have. Raises: PartitionNotFound."""

    def file(self, partition: str, file_id: str) -> File:
        """Return one file. Raises: DocumentNotFound."""

    def document(self, partition: str, file_id: str) -> Document:
        """Return the converted text of a file. Raises: DocumentNotFound, StoreDamaged."""

    def original(self, partition: str, file_id: str) -> BinaryIO:
        """Open the stored bytes of a file, checked. Raises: DocumentNotFound, StoreDamaged."""

    def edit_file(self, partition: str, file_id: str, changes: Metadata, *, remove: Sequence[str] = ()) -> File:
        """Merge `changes` into a file's metadata and drop the keys in `remove`. Raises: DocumentNotFound."""

    def rename_file(self, partition: str, old: str, new: str) -> File:
        """Give a file another id; its title alone is embedded again. Raises: DocumentNotFound, InvalidInput, Conflict."""

    def delete_files(self, partition: str, file_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Delete files, all in one commit, and cancel what is being done to them; return (deleted, not found).

        Raises: PartitionNotFound.
        """

    # --- adding

    def add(
        self,
        *paths: StrPath,
        partition: str = DEFAULT_PARTITION,
        metadata: Metadata | None = None,
        if_exists: str = "replace",
        exclude: Sequence[str] = (),
    ) -> "Report":
        """Index files and folders, and return what was done once they can be searched; what failed is in `failures`.

        A file that is there with the same content is left alone; with another it is replaced (`if_exists`: or `skip`,
        or `fail`). `exclude` are patterns as in .gitignore.

        Raises:
            InvalidInput: a name, the metadata, or `if_exists`. StoreFull, StoreError and kin: what was done is kept.
        """
        from openrag_cli.ingest.discovery import Choice as FileChoice
        from openrag_cli.ingest.discovery import collect
        from openrag_cli.ingest.options import AddOptions, IfExists

        own = () if self.settings.server else (self.settings.store,)
        found = collect(
            [Path(path) for path in paths], FileChoice(excludes=tuple(exclude), own=own, skips_empty=True)
        )
        options = AddOptions(
            partition=partition,
            batch=new_task_id(),
            metadata=dict(metadata or {}),
            if_exists=_one_of(IfExists, "if_exists", if_exists),
            max_bytes=self.settings.max_file_bytes,
            max_markup_bytes=self.settings.max_markup_bytes,
        )
        report = self.add_sources(found.sources, options)
        report.failures[:0] = found.failures
        report.skip_unread_kinds({os.fspath(path) for path in paths})
        return report

    def add_sources(
        self,
        sources: "Iterable[Source]",
        options: "AddOptions",
        *,
        detach: bool = False,
        on_queued: Callable[[int], None] = ...,
        listener: "Listener" = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> "Report":
        """Store, queue and (unless `detach`) index local files; return what was done.

        `on_queued(n)` is told the number of files to index, `listener` of each one that ends.

        Raises:
            StoreFull, StoreError and kin: what was committed stays, the rest waits in the queue.
        """

    def sync(
        self,
        folder: StrPath,
        *,
        partition: str = DEFAULT_PARTITION,
        delete: bool = False,
        max_delete: str = "20%",
        exclude: Sequence[str] = (),
    ) -> "Report":
        """Make a partition hold what a folder has, and return what was done; what was only moved is not read again.

        With `delete` what came from the folder and is gone from it is deleted, up to `max_delete`: files, or percent.

        Raises:
            PathNotFound: there is no such folder. TooManyDeletions: nothing was changed. StoreBusy: it is being synced.
        """
        from openrag_cli.sync.outcome import SyncOptions
        from openrag_cli.sync.plan import parse_limit

        limit = parse_limit(max_delete)
        options = SyncOptions(Path(folder), partition, is_deleting=delete, max_delete=limit, excludes=tuple(exclude))
        report = self.sync_folder(options).report
        report.skip_unread_kinds()
        return report

    def sync_folder(
        self,
        options: "SyncOptions",
        *,
        on_queued: Callable[[int], None] = ...,
        listener: "Listener" = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> "SyncOutcome":
        """Make a partition hold what a folder of this machine has; see sync/, and `add_sources` for the callbacks.

        Raises:
            PathNotFound: no such folder. StoreBusy: it is being synced. TooManyDeletions: nothing was changed.
            StoreFull, StoreError and kin: what was committed stays, the next sync goes on.
        """

    def drain(self, *, listener: "Listener" = ..., should_stop: Callable[[], bool] = ...) -> None:
        """Run queued tasks (of one batch, or all) in this process until none is unfinished, then tidy the index."""

    # --- tasks

    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1, after: str = "") -> Results[Task]:
        """Return tasks, newest first; no states means all, a negative limit all of them. Raises: InvalidInput."""

    def task(self, task_id: str) -> Task:
        """Return one task. Raises: TaskNotFound."""

    def task_traceback(self, task_id: str) -> list[str]:
        """Return the lines for an engineer of why a task failed. Raises: TaskNotFound."""

    def task_counts(self, batch: str | None = None) -> dict[TaskState, int]:
        """Return how many tasks, or how many of a batch, are in each state."""

    def count_live(self, batch: str | None = None) -> int:
        """Return how many tasks, or how many of a batch, are unfinished."""

    def task_log(self, task_id: str, *, last: int = -1) -> list[LogLine]:
        """Return a task's last log lines, oldest first; a negative number means all. Raises: TaskNotFound."""

    def cancel_task(self, task_id: str) -> Task:
        """Cancel a live task. Raises: TaskNotFound; Conflict: it has finished."""

    def retry_task(self, task_id: str) -> Task:
        """Queue a failed or cancelled task again. Raises: TaskNotFound, Conflict."""

    def wait_tasks(self, task_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Task]:
        """Return the tasks once all have finished. Raises: TaskNotFound, InvalidInput; DeadlineReached by `timeout_s`."""

    def prune_tasks(self, *, older_than_s: float = 0.0, states: Iterable[TaskState] = ()) -> int:
        """Forget finished tasks older than `older_than_s` seconds, with what was kept to retry them; return how many."""

    def examine(self) -> "list[Finding]":
        """Return what is in order with the store and around it, and what is not."""

    @property
    def refresher(self) -> "Refreshing":
        """What reads files again from their kept originals."""

    # --- searching

    def search(
        self,
        query: "str | SearchRequest",
        *,
        partitions: Names = ALL_PARTITIONS,
        k: int = 5,
        filter: str = "",  # noqa: A002
        mode: str = "hybrid",
    ) -> Results[Hit]:
        """Return at most `k` hits, best first. `mode` is hybrid, dense or text; `filter` as `--filter` has it.

        A `SearchRequest` in place of the query says all of this itself.

        Raises:
            InvalidInput: an argument. PartitionNotFound. StoreError and kin.
        """
        return self.find(_request(query, partitions, k, filter, mode) if isinstance(query, str) else query)

    def find(self, request: "SearchRequest") -> Results[Hit]:
        """Return the best hits, best first. Raises: InvalidInput, PartitionNotFound, DocumentNotFound; StoreError."""

    def grep(
        self, request: "GrepRequest", *, should_stop: Callable[[], bool] = ...
    ) -> "Generator[Found, None, None]":
        """Yield each file whose text has a match, and an end. Raises: InvalidInput, PartitionNotFound, DocumentNotFound."""

    def extract(self, chunk_id: str, *, context: int = 0) -> "Extract":
        """Return a chunk with up to `context` chunks of its file on either side. Raises: ChunkNotFound."""

    # --- asking

    def ask(
        self,
        question: str,
        *,
        partitions: Names = ALL_PARTITIONS,
        k: int = 8,
        filter: str = "",  # noqa: A002
        history: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """Return an answer: iterate it for its pieces as they come, or take its `text`, `citations` and `sources`.

        `history` is what was said before: pairs of a question and its answer. Without an LLM in the settings the
        answer is made of sentences of the documents.

        Raises:
            InvalidInput: an argument; all else where the answer is read: PartitionNotFound, UpstreamError and kin.
        """
        from openrag_cli.answering.conversation import Message
        from openrag_cli.answering.pipeline import ChatRequest

        said = [
            Message(role, text) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        search = _request("", partitions, k, filter, "hybrid")
        request = ChatRequest([*said, Message("user", question)], search=search)
        _ = request.question  # a mistake of the caller is told now
        return Answer(self.loop, self.answer(request))

    def chat(
        self,
        session: str | None = None,
        *,
        partitions: Names = (),
        k: int = 8,
        filter: str = "",  # noqa: A002
    ) -> "Conversation":
        """Return a conversation that is kept: go on with `session`, or begin it (None: a new one, with a name of its own).

        It searches `partitions`, or those that the session had before, or every one.

        Raises:
            InvalidInput: the name, or another argument.
        """
        from openrag_cli.library.conversation import Conversation

        opened = self.sessions.open(session, () if partitions == ALL_PARTITIONS else _names(partitions))
        search = _request("", opened.partitions or ALL_PARTITIONS, k, filter, "hybrid")
        return Conversation(self, opened.name, search)

    def answer(self, request: "ChatRequest") -> "AsyncGenerator[Event, None]":
        """Return the events of an answer, `Retrieved` first and `Finished` last; see `Chat.answer` for its errors.

        All answers of a library belong to one event loop; end it with `end_chat`.
        """

    async def end_chat(self) -> None:
        """Close the connections to the LLM."""

    @property
    def llm(self) -> str | None:
        """The name of the LLM that answers, or of its server; None when answers are extractive."""

    @property
    def sessions(self) -> KeptSessions:
        """The conversations that are kept."""

    @property
    def views(self) -> KeptViews:
        """The named views."""


class LocalStore(Library, Protocol):
    """A library whose store is on this machine: with it goes what only this machine can do."""

    def work(self, *, listener: "Listener" = ..., should_stop: Callable[[], bool]) -> None:
        """Run tasks as they come until `should_stop`: the body of a worker process."""

    def maintain(self, *, force: bool = False) -> "Tidied":
        """Delete what is retired, orphaned or old, and put index and catalog in order if they need it (or `force`)."""

    @property
    def maintenance(self) -> "Maintenance":
        """What looks after the store: examining, backing up, indexing again, exporting and importing."""


def _names(given: Names) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _one_of(kind: type[Choice], name: str, value: str) -> Choice:
    if value not in set(kind):
        raise InvalidInput(f"{name} is {value!r}", hint=f"one of {', '.join(kind)}")
    return kind(value)


def _request(query: str, partitions: Names, k: int, condition: str, mode: str) -> "SearchRequest":
    from openrag_cli.retrieval.request import SearchRequest

    chosen = _one_of(SearchMode, "mode", mode)
    return SearchRequest(query, partitions=_names(partitions), top_k=k, filter=condition, mode=chosen)
