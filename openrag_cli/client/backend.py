"""What an edge may ask of a store, wherever it is: `Engine` does it here, `RemoteEngine` over HTTP.

What only the machine with the store can do (maintenance, backup, export) is not in it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from openrag_cli.domain import Document, File, Hit, LogLine, Metadata, Partition, Session, Task, TaskState, Turn
from openrag_cli.ingest.report import Report
from openrag_cli.store.files.results import Results

if TYPE_CHECKING:
    from openrag_cli.answering.events import Event
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.refresh import RefreshRun
    from openrag_cli.ingest.report import Failure, Listener
    from openrag_cli.maintenance.checks.findings import Finding
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract
    from openrag_cli.store.files.filtered_files import KeyFacts
    from openrag_cli.store.searching.views import View
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome


class KeptSessions(Protocol):
    """The conversations that are kept: see `store.sessions.Sessions`."""

    def all(self) -> list[Session]:
        """Return every session, the one used last first."""

    def get(self, name: str) -> Session:
        """Return one session. Raises: SessionNotFound."""

    def last(self) -> Session:
        """Return the session used last. Raises: SessionNotFound."""

    def open(self, name: str | None, partitions: Sequence[str], scope: Metadata | None = None) -> Session:
        """Return the session of that name, made now if there is none; `scope` is set where one is given."""

    def turns(self, name: str) -> list[Turn]:
        """Return the messages of a session in order. Raises: SessionNotFound."""

    def append_answered(
        self,
        name: str,
        question: str,
        answer: str,
        citations: Sequence[Metadata] = (),
        *,
        replaces_last: bool = False,
    ) -> None:
        """Add a question with its answer, both or neither. Raises: SessionNotFound."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a session another name. Raises: SessionNotFound, InvalidInput, Conflict."""

    def delete(self, name: str) -> None:
        """Delete a session with its messages. Raises: SessionNotFound."""


class KeptViews(Protocol):
    """The named views: see `store.searching.views.Views`."""

    def all(self) -> "list[View]":
        """Return every view, by name."""

    def get(self, name: str) -> "View":
        """Return one view. Raises: ViewNotFound."""

    def create(self, name: str, partitions: Sequence[str], condition: str = "") -> "View":
        """Make a view. Raises: InvalidInput, PartitionNotFound, Conflict."""

    def delete(self, name: str) -> None:
        """Delete a view; its files stay. Raises: ViewNotFound."""


class Refreshing(Protocol):
    """Reading files again: see `ingest.refresh.Refresher`."""

    def named(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False
    ) -> "tuple[list[File], list[Failure]]":
        """Return the files of those ids, or all, and the ids that are not there. Raises: PartitionNotFound."""

    def count_outdated(self) -> int:
        """Return how many files were made by older readers, another chunker or another model."""

    def refresh(self, files: Sequence[File], run: "RefreshRun") -> Report:
        """Read `files` again; return how many were replaced, and which failed."""


class Backend(Protocol):
    """A store, here or behind a server. Each method is described at `Engine`."""

    def close(self) -> None:
        """Close the connections."""

    def partitions(self) -> list[Partition]:
        """Return every partition with its counts, by name."""

    def partition(self, name: str) -> Partition:
        """Return one partition. Raises: PartitionNotFound."""

    def create_partition(self, name: str) -> Partition:
        """Create an empty partition. Raises: InvalidInput, Conflict."""

    def delete_partition(self, name: str) -> int:
        """Delete a partition and its files; return how many it had. Raises: PartitionNotFound."""

    def files(
        self, partition: str, *, limit: int = -1, offset: int = 0, after: str = "", where: str = ""
    ) -> Results[File]:
        """Return files of a partition, by id. Raises: PartitionNotFound, InvalidInput."""

    def file_keys(self, partition: str) -> "list[KeyFacts]":
        """Return the keys of metadata of a partition. Raises: PartitionNotFound."""

    def file(self, partition: str, file_id: str) -> File:
        """Return one file. Raises: DocumentNotFound."""

    def document(self, partition: str, file_id: str) -> Document:
        """Return the converted text of a file. Raises: DocumentNotFound."""

    def original(self, partition: str, file_id: str) -> BinaryIO:
        """Open the stored bytes of a file. Raises: DocumentNotFound."""

    def edit_file(self, partition: str, file_id: str, changes: Metadata, *, remove: Sequence[str] = ()) -> File:
        """Change a file's metadata. Raises: DocumentNotFound."""

    def rename_file(self, partition: str, old: str, new: str) -> File:
        """Give a file another id. Raises: DocumentNotFound, InvalidInput, Conflict."""

    def delete_files(self, partition: str, file_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Delete files; return (deleted, not found). Raises: PartitionNotFound."""

    def add(
        self,
        sources: "Iterable[Source]",
        options: "AddOptions",
        *,
        detach: bool = False,
        on_queued: Callable[[int], None] = ...,
        listener: "Listener" = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> Report:
        """Store, queue and (unless `detach`) index local files; return what was done."""

    def sync(
        self,
        options: "SyncOptions",
        *,
        on_queued: Callable[[int], None] = ...,
        listener: "Listener" = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> "SyncOutcome":
        """Make a partition hold what a folder of this machine has. Raises: PathNotFound, StoreBusy, TooManyDeletions."""

    def drain(self, *, listener: "Listener" = ..., should_stop: Callable[[], bool] = ...) -> None:
        """Run all that is queued until nothing is unfinished."""

    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1, after: str = "") -> Results[Task]:
        """Return tasks, newest first. Raises: InvalidInput: `after` names no page."""

    def task(self, task_id: str) -> Task:
        """Return one task. Raises: TaskNotFound."""

    def task_traceback(self, task_id: str) -> list[str]:
        """Return the lines for an engineer of why a task failed. Raises: TaskNotFound."""

    def task_counts(self, batch: str | None = None) -> dict[TaskState, int]:
        """Return how many tasks are in each state."""

    def count_live(self, batch: str | None = None) -> int:
        """Return how many tasks are unfinished."""

    def task_log(self, task_id: str, *, last: int = -1) -> list[LogLine]:
        """Return a task's last log lines, oldest first. Raises: TaskNotFound."""

    def cancel_task(self, task_id: str) -> Task:
        """Cancel a live task. Raises: TaskNotFound, Conflict."""

    def retry_task(self, task_id: str) -> Task:
        """Queue a failed or cancelled task again. Raises: TaskNotFound, Conflict."""

    def wait_tasks(self, task_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Task]:
        """Return the tasks once all have finished. Raises: TaskNotFound, DeadlineReached."""

    def prune_tasks(self, *, older_than_s: float = 0.0, states: Iterable[TaskState] = ()) -> int:
        """Forget finished tasks; return how many."""

    def examine(self) -> "list[Finding]":
        """Return what is in order with the store and around it, and what is not."""

    @property
    def refresher(self) -> "Refreshing":
        """What reads files again from their kept originals."""

    def search(self, request: "SearchRequest") -> Results[Hit]:
        """Return the best hits for a query, best first."""

    def extract(self, chunk_id: str, *, context: int = 0) -> "Extract":
        """Return a chunk with its neighbours. Raises: ChunkNotFound."""

    def answer(self, request: "ChatRequest") -> "AsyncGenerator[Event, None]":
        """Return the events of an answer, `Retrieved` first and `Finished` last."""

    async def end_chat(self) -> None:
        """Close the connections to the LLM."""

    @property
    def llm(self) -> str | None:
        """The name of the LLM that answers; None when answers are extractive."""

    @property
    def sessions(self) -> KeptSessions:
        """The conversations that are kept."""

    @property
    def views(self) -> KeptViews:
        """The named views."""
