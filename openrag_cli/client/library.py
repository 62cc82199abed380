"""openrag as a Python library: `openrag_cli.open(...)` gives a `Library`, on a store of this machine or on a server."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from openrag_cli.client.answers import Answer, AnswerLoop
from openrag_cli.client.backend import Backend
from openrag_cli.config.secret import Secret, Url
from openrag_cli.config.settings import Settings, load
from openrag_cli.domain import (
    ALL_PARTITIONS,
    Document,
    File,
    Hit,
    Metadata,
    Partition,
    SearchMode,
    Task,
    TaskState,
    new_task_id,
)
from openrag_cli.store.files.results import Results

if TYPE_CHECKING:
    from openrag_cli.ingest.report import Report
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract

Names = str | Sequence[str]


def open(  # noqa: A001 - openrag_cli.open, as gzip.open
    where: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    token: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> "Library":
    """Open a store: a folder, or the URL of a server (`http://...`); without one that of the configuration.

    Nothing is read before the first call. With `create` a store that is not there is made; without it the first call
    raises StoreNotFound. `token` is the server's. `settings` go before environment and files: see `openrag config show`.

    Raises:
        ConfigError: a setting is wrong, or the URL is none.
    """
    flags: dict[str, Any] = dict(settings or {})
    is_url = isinstance(where, str) and "://" in where
    if where is not None:
        flags["server" if is_url else "store"] = os.fspath(where)
    resolved = load(flags).settings
    server = None if where is not None and not is_url else resolved.server
    if server is not None:
        from openrag_cli.client.remote_engine import RemoteEngine

        return Library(RemoteEngine(Url(server.reveal()), Secret(token) if token else resolved.token), resolved)
    from openrag_cli.engine import Engine

    return Library(Engine(resolved, creates=create), resolved)


class Library:
    """A store and what can be done with it: adding files, searching, asking. A context manager; safe across threads.

    Every error is an `openrag_cli.OpenRAGError` with a stable `code`, a sentence and maybe a `hint`. A partition that
    is not named is `default` for adding and looking at files, and every one for searching and asking.
    """

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self._backend = backend
        self._settings = settings
        self._loop = AnswerLoop(backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End answers that are under way, and close what is open."""
        self._loop.close()
        self._backend.close()

    # --- partitions and files

    def partitions(self) -> list[Partition]:
        """Return every partition with its counts, by name."""
        return self._backend.partitions()

    def create_partition(self, name: str) -> Partition:
        """Create an empty partition; `add` makes one by itself. Raises: InvalidInput, Conflict."""
        return self._backend.create_partition(name)

    def delete_partition(self, name: str) -> int:
        """Delete a partition and its files; return how many it had. Raises: PartitionNotFound."""
        return self._backend.delete_partition(name)

    def add(
        self,
        *paths: str | os.PathLike[str],
        partition: str = "default",
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
        from openrag_cli.errors import InvalidInput
        from openrag_cli.ingest.discovery import Choice, collect
        from openrag_cli.ingest.options import AddOptions, IfExists

        if if_exists not in set(IfExists):
            raise InvalidInput(f"if_exists is {if_exists!r}", hint=f"one of {', '.join(IfExists)}")
        own = () if self._settings.server else (self._settings.store,)
        found = collect([Path(path) for path in paths], Choice(excludes=tuple(exclude), own=own, skips_empty=True))
        options = AddOptions(
            partition=partition,
            batch=new_task_id(),
            metadata=dict(metadata or {}),
            if_exists=IfExists(if_exists),
            max_bytes=self._settings.max_file_bytes,
            max_markup_bytes=self._settings.max_markup_bytes,
        )
        report = self._backend.add(found.sources, options)
        report.failures[:0] = found.failures
        report.skip_unread_kinds({os.fspath(path) for path in paths})
        return report

    def sync(
        self,
        folder: str | os.PathLike[str],
        *,
        partition: str = "default",
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

        options = SyncOptions(
            Path(folder), partition, is_deleting=delete, max_delete=parse_limit(max_delete), excludes=tuple(exclude)
        )
        report = self._backend.sync(options).report
        report.skip_unread_kinds()
        return report

    def files(self, partition: str = "default", *, filter: str = "", limit: int = -1) -> Results[File]:  # noqa: A002
        """Return the files of a partition, or of `all`, by id; `filter` as `--filter` has it. Raises: PartitionNotFound."""
        return self._backend.files(partition, limit=limit, where=filter)

    def file(self, file_id: str, partition: str = "default") -> File:
        """Return one file. Raises: DocumentNotFound."""
        return self._backend.file(partition, file_id)

    def document(self, file_id: str, partition: str = "default") -> Document:
        """Return the text of a file as it was indexed, with its pages. Raises: DocumentNotFound."""
        return self._backend.document(partition, file_id)

    def original(self, file_id: str, partition: str = "default") -> bytes:
        """Return the stored bytes of a file. Raises: DocumentNotFound, StoreDamaged."""
        with self._backend.original(partition, file_id) as stream:
            return stream.read()

    def edit(
        self, file_id: str, changes: Metadata, partition: str = "default", *, remove: Sequence[str] = ()
    ) -> File:
        """Merge `changes` into a file's metadata and drop the keys in `remove`. Raises: DocumentNotFound."""
        return self._backend.edit_file(partition, file_id, changes, remove=remove)

    def rename(self, old: str, new: str, partition: str = "default") -> File:
        """Give a file another id; nothing is embedded again. Raises: DocumentNotFound, InvalidInput, Conflict."""
        return self._backend.rename_file(partition, old, new)

    def delete(self, file_ids: Names, partition: str = "default") -> list[str]:
        """Delete files; return the ids of those that were there. Raises: PartitionNotFound."""
        return self._backend.delete_files(partition, _names(file_ids))[0]

    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1) -> list[Task]:
        """Return the tasks that index files, newest first."""
        return self._backend.tasks(states, limit=limit)

    # --- searching and asking

    def search(
        self,
        query: str,
        *,
        partitions: Names = ALL_PARTITIONS,
        k: int = 5,
        filter: str = "",  # noqa: A002
        mode: str = "hybrid",
    ) -> Results[Hit]:
        """Return at most `k` hits, best first. `mode` is hybrid, dense or text; `filter` as `--filter` has it.

        Raises:
            InvalidInput: an argument. PartitionNotFound. StoreError and kin.
        """
        return self._backend.search(_request(query, partitions, k, filter, mode))

    def extract(self, chunk_id: str, *, context: int = 0) -> "Extract":
        """Return a chunk with up to `context` chunks of its file on either side. Raises: ChunkNotFound."""
        return self._backend.extract(chunk_id, context=context)

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
        return self._loop.answer(ChatRequest([*said, Message("user", question)], search=search))


def _names(given: Names) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _request(query: str, partitions: Names, k: int, condition: str, mode: str) -> "SearchRequest":
    from openrag_cli.errors import InvalidInput
    from openrag_cli.retrieval.request import SearchRequest

    if mode not in set(SearchMode):
        raise InvalidInput(f"the mode is {mode!r}", hint=f"one of {', '.join(SearchMode)}")
    return SearchRequest(
        query, partitions=_names(partitions), top_k=k, filter=condition, mode=SearchMode(mode)
    )  # fmt: skip
