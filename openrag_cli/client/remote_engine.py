"""The engine's twin on a server: the same methods, over the HTTP API.

What an edge may ask of both is in `library.library`; what only the server's own machine can do is not here.
"""

import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from typing_extensions import override

from openrag_cli import errors
from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import body_of, path_of, to_key
from openrag_cli.config.settings import Settings
from openrag_cli.contract import to_json as render
from openrag_cli.contract.nouns import chunk as chunk_shapes
from openrag_cli.contract.nouns import file as file_shapes
from openrag_cli.contract.nouns import partition as partition_shapes
from openrag_cli.contract.nouns import task as task_shapes
from openrag_cli.domain import (
    DEFAULT_PARTITION,
    FINAL_STATES,
    Document,
    File,
    Hit,
    LogLine,
    Metadata,
    Page,
    Partition,
    Task,
    TaskState,
)
from openrag_cli.ingest.report import Report
from openrag_cli.library.answers import AnswerLoop
from openrag_cli.library.library import Library
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.retriever import Extract
from openrag_cli.store.files.filtered_files import KeyFacts
from openrag_cli.store.files.results import Results
from openrag_cli.store.names import check_partition

if TYPE_CHECKING:
    import httpx

    from openrag_cli.answering.events import Event
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.client.remote_answers import RemoteSessions
    from openrag_cli.client.remote_refresh import RemoteRefresher
    from openrag_cli.client.remote_views import RemoteViews
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.report import Listener
    from openrag_cli.maintenance.checks.findings import Finding
    from openrag_cli.matching.grep import Found, GrepRequest
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome

Json = dict[str, Any]
CONNECT_S = 10.0
READ_S = 120.0
MAX_PAGE = 1000
POLL_S = 0.2
BLOCK_BYTES = 1 << 20


def _never() -> bool:
    return False


class RemoteEngine(Library):
    """A store behind the HTTP API of `settings.server`. Safe across threads."""

    def __init__(self, settings: Settings) -> None:
        assert settings.server, "the URL of a server"
        self.settings = settings
        self.loop = AnswerLoop(self.end_chat)
        self._connection = Connection(settings.server, settings.token)

    @override
    def close(self) -> None:
        self.loop.close()
        self._connection.close()

    def _send(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        return self._connection.send(method, path, **arguments)

    def _get(self, path: str, **parameters: Any) -> Json:
        return self._connection.get(path, **parameters)

    # --- partitions

    def partitions(self) -> list[Partition]:
        """See `Library.partitions`; times are to the second."""
        return [partition_shapes.read(entry) for entry in self._get("/partition")["partitions"]]

    @override
    def create_partition(self, name: str) -> Partition:
        return partition_shapes.read(body_of(self._send("POST", path_of("partition", check_partition(name)))))

    @override
    def partition(self, name: str) -> Partition:
        found = next((partition for partition in self.partitions() if partition.name == name), None)
        if found is None:
            raise errors.PartitionNotFound(name)
        return found

    @override
    def delete_partition(self, name: str) -> int:
        n_files = self.partition(name).file_count
        self._send("DELETE", path_of("partition", name))
        return n_files

    # --- files

    def files(
        self,
        partition: str = DEFAULT_PARTITION,
        *,
        limit: int = -1,
        offset: int = 0,
        after: str = "",
        filter: str = "",  # noqa: A002
    ) -> Results[File]:
        """See `Library.files`; `all` is not known to a server."""
        optional = {"filter": filter} if filter.strip() else {}
        pages = self._pages(path_of("partition", partition), "files", limit, after, offset=offset, **optional)
        return Results(map(file_shapes.read, pages), pages.warnings, total=pages.total, next=pages.next)

    def _pages(self, path: str, name: str, limit: int, after: str, **asked: Any) -> Results[Json]:
        """Return up to `limit` entries of a list after the page that named `after`; a negative limit means all."""
        entries: list[Json] = []
        while True:
            wanted = MAX_PAGE if limit < 0 else max(1, min(MAX_PAGE, limit - len(entries)))
            body = self._get(path, limit=wanted, after=after, **asked)
            entries += body[name]
            is_full = len(body[name]) == wanted and "offset" in asked
            following = body.get("next", "" if is_full else None)  # servers before 0.2 go by `offset` alone
            if following is None or 0 <= limit <= len(entries):
                entries = entries[: None if limit < 0 else limit]
                return Results(
                    entries, file_shapes.read_warnings(body), total=body.get("total", len(entries)), next=following
                )
            after = following
            asked |= {"offset": asked["offset"] + wanted} if "offset" in asked else {}

    @override
    def file_keys(self, partition: str) -> list[KeyFacts]:
        return [to_key(entry) for entry in self._get(path_of("partition", partition, "keys"))["keys"]]

    @override
    def file(self, partition: str, file_id: str) -> File:
        return file_shapes.read(self._get(path_of("partition", partition, "file", file_id))["metadata"])

    @override
    def document(self, partition: str, file_id: str) -> Document:
        body = self._get(path_of("partition", partition, "text", file_id))
        pages = tuple(Page(page["number"], page["start"], page["end"]) for page in body["pages"])
        return Document(markdown=body["text"], pages=pages)

    def original(self, partition: str, file_id: str) -> BinaryIO:
        """See `Library.original`; the bytes are held in memory."""
        return BytesIO(self._send("GET", path_of("partition", partition, "content", file_id)).content)

    @override
    def edit_file(self, partition: str, file_id: str, changes: Metadata, *, remove: Sequence[str] = ()) -> File:
        form: Json = {"metadata": json.dumps(changes), "remove": list(remove)}
        self._send("PATCH", path_of("indexer", "partition", partition, "file", file_id), data=form)
        return self.file(partition, file_id)

    @override
    def rename_file(self, partition: str, old: str, new: str) -> File:
        body = {"file_id": old, "new_id": new}
        self._connection.json("POST", path_of("indexer", "partition", partition, "rename"), json=body)
        return self.file(partition, new)

    @override
    def delete_files(self, partition: str, file_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        body = {"file_ids": list(file_ids)}
        found = self._connection.json("POST", path_of("indexer", "partition", partition, "delete"), json=body)
        return list(found["deleted"]), list(found["missing"])

    @property
    @override
    def refresher(self) -> "RemoteRefresher":
        from openrag_cli.client.remote_refresh import RemoteRefresher

        return RemoteRefresher(self, self._connection)

    # --- adding

    def add_sources(
        self,
        sources: Iterable["Source"],
        options: "AddOptions",
        *,
        detach: bool = False,
        on_queued: Callable[[int], None] = lambda _: None,
        listener: "Listener" = lambda _: None,
        should_stop: Callable[[], bool] = _never,
    ) -> Report:
        """See `Library.add_sources`: files are sent one by one; then, unless `detach`, the server's workers are waited for."""
        from openrag_cli.client.remote_adding import RemoteAdder

        began = time.monotonic()
        adder = RemoteAdder(self, self._connection, options)
        adder.send(sources, should_stop)
        on_queued(adder.n_queued)
        if not detach:
            adder.wait(listener, should_stop)
        adder.report.seconds = round(time.monotonic() - began, 3)
        return adder.report

    def sync_folder(
        self,
        options: "SyncOptions",
        *,
        on_queued: Callable[[int], None] = lambda _: None,
        listener: "Listener" = lambda _: None,
        should_stop: Callable[[], bool] = _never,
    ) -> "SyncOutcome":
        """See `Library.sync_folder`; the folder is of this machine, and the server's workers are waited for."""
        from openrag_cli.client.remote_sync import RemoteSyncer
        from openrag_cli.ingest.refresh import RefreshRun

        outcome = RemoteSyncer(self, self._connection, options).run(on_queued, listener, should_stop)
        if options.n_refresh and not options.is_dry_run and not should_stop():
            run = RefreshRun(options.batch, on_queued, listener, should_stop)
            outcome = outcome.with_refreshed(self.refresher.refresh_some(options.partition, options.n_refresh, run))
        return outcome

    def run_queue(self) -> None:
        """See to it that the server runs what is queued, also where it was started without workers."""
        self._send("POST", "/queue/run")

    def drain(self, *, listener: "Listener" = lambda _: None, should_stop: Callable[[], bool] = _never) -> None:
        """See `Library.drain`: the server's workers run all that is queued, or one that it starts for it."""
        from openrag_cli.client.waiting import await_tasks
        from openrag_cli.domain import LIVE_STATES

        while not should_stop() and (live := self.tasks(LIVE_STATES)):
            pending: dict[str, str | None] = {task.id: None for task in reversed(live)}
            await_tasks(self, pending, Report(), listener=listener, should_stop=should_stop)

    # --- tasks

    @override
    def tasks(self, states: Iterable[TaskState] = (), *, limit: int = -1, after: str = "") -> Results[Task]:
        asked = {"task_status": [str(state) for state in states]}
        pages = self._pages("/queue/tasks", "tasks", limit, after, **asked)
        tasks = (task_shapes.read(entry) for entry in pages)
        return Results(tasks, total=pages.total, next=pages.next)

    @override
    def task(self, task_id: str) -> Task:
        return task_shapes.read(self._get(path_of("indexer", "task", task_id)))

    @override
    def task_traceback(self, task_id: str) -> list[str]:
        with contextlib.suppress(errors.NotFound):  # a cancelled task has an error, and none for an engineer
            return list(self._get(path_of("indexer", "task", task_id, "error"))["parts"])
        return []

    @override
    def task_counts(self, batch: str | None = None) -> dict[TaskState, int]:
        counts = self._get("/queue/info", **({"batch": batch} if batch else {}))["tasks"]
        finished = {state: counts[f"total_{state.lower()}"] for state in FINAL_STATES}
        return {state: finished.get(state, counts["active_statuses"].get(str(state), 0)) for state in TaskState}

    @override
    def count_live(self, batch: str | None = None) -> int:
        return sum(n for state, n in self.task_counts(batch).items() if not state.is_final)

    @override
    def task_log(self, task_id: str, *, last: int = -1) -> list[LogLine]:
        lines = self._get(path_of("indexer", "task", task_id, "logs"), max_lines=last if last > 0 else 100_000)[
            "logs"
        ]
        parts = [line.split(" - ", 2) for line in lines]
        return [LogLine(datetime.fromisoformat(at), level, message) for at, level, message in parts]

    @override
    def cancel_task(self, task_id: str) -> Task:
        self._send("DELETE", path_of("indexer", "task", task_id))
        return self.task(task_id)

    @override
    def retry_task(self, task_id: str) -> Task:
        self._send("POST", path_of("indexer", "task", task_id, "retry"))
        return self.task(task_id)

    @override
    def wait_tasks(self, task_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Task]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            tasks = [self.task(task_id) for task_id in task_ids]
            n_left = sum(not task.state.is_final for task in tasks)
            if not n_left:
                return tasks
            if deadline is not None and time.monotonic() >= deadline:
                raise errors.DeadlineReached(
                    f"{n_left} of {len(tasks)} tasks have not finished after {timeout_s:g} s"
                )
            time.sleep(POLL_S)

    @override
    def prune_tasks(self, *, older_than_s: float = 0.0, states: Iterable[TaskState] = ()) -> int:
        body = {"older_than_s": older_than_s, "states": [str(state) for state in states]}
        return int(self._connection.json("POST", "/indexer/prune", json=body)["tasks"])

    def examine(self) -> "list[Finding]":
        """See `Library.examine`: the server's own report."""
        from openrag_cli.client.from_json import to_finding

        return [to_finding(entry) for entry in self._get("/doctor")["findings"]]

    # --- asking

    @override
    def answer(self, request: "ChatRequest") -> "AsyncGenerator[Event, None]":
        from openrag_cli.client.remote_answers import answer

        return answer(self._connection, request)

    async def end_chat(self) -> None:
        """See `Library.end_chat`; each answer has closed its own connection."""

    @property
    @override
    def llm(self) -> str | None:
        answers = self._get("/readyz")["answers"]
        return None if answers == "extractive" else str(answers)

    @property
    @override
    def sessions(self) -> "RemoteSessions":
        from openrag_cli.client.remote_answers import RemoteSessions

        return RemoteSessions(self._connection)

    @property
    @override
    def views(self) -> "RemoteViews":
        from openrag_cli.client.remote_views import RemoteViews

        return RemoteViews(self._connection)

    # --- searching

    @override
    def find(self, request: SearchRequest) -> Results[Hit]:
        request.check()
        parameters: Json = {
            "text": request.text,
            "partitions": list(request.partitions),
            "files": list(request.file_ids),
            "top_k": request.top_k,
            "mode": str(request.mode),
            "filter": request.filter,
            "collapse": request.collapse,
        }
        optional = {"min_score": request.min_score, "per_file": request.per_file}
        parameters |= {name: value for name, value in optional.items() if value is not None}
        parameters |= {"context": request.context} if request.context else {}
        parameters |= render.dates_asked(request)
        body = self._get("/search", **parameters)
        hits = [chunk_shapes.read_hit(entry, is_grown=request.context > 0) for entry in body["documents"]]
        return Results(hits, file_shapes.read_warnings(body))

    @override
    def grep(
        self, request: "GrepRequest", *, should_stop: Callable[[], bool] = _never
    ) -> "Generator[Found, None, None]":
        from openrag_cli.client.remote_grep import grep

        return grep(self._connection, request, should_stop)

    @override
    def extract(self, chunk_id: str, *, context: int = 0) -> Extract:
        body = self._get(path_of("extract", chunk_id), context=context)
        chunk = chunk_shapes.read({"content": body["page_content"], "metadata": body["metadata"]})
        before, after = (tuple(map(chunk_shapes.read, body[side])) for side in ("before", "after"))
        return Extract(chunk, file_shapes.read(body["metadata"]), before, after)
