"""Reading files of a server again: the server queues them, the client waits; what `Engine.refresher` is here."""

import time
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import LONG_AGO, path_of
from openrag_cli.domain import File, Task, TaskState
from openrag_cli.ingest.report import Failure, Report, WarnedFile

if TYPE_CHECKING:
    from openrag_cli.ingest.refresh import RefreshRun

Json = dict[str, Any]
POLL_S = 0.2
GROUP_FILES = 1000


class _Server(Protocol):
    def task(self, task_id: str) -> Task:
        """Return a task."""

    def file(self, partition: str, file_id: str) -> File:
        """Return a file."""


class RemoteRefresher:
    """Finds the files of a server that are outdated, and has them read again; see `Refresher`."""

    def __init__(self, server: _Server, connection: Connection) -> None:
        self._server = server
        self._connection = connection

    def count_outdated(self) -> int:
        """Return how many files of the server were made by older readers, another chunker or another model."""
        return int(self._connection.get("/overview")["outdated"])

    def named(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False
    ) -> tuple[list[File], list[Failure]]:
        """Return the files of those ids, or all, by their names alone, and the ids that are not there."""
        body = self._asked(partition, file_ids, is_outdated=is_outdated, is_dry_run=True)
        files = [_named(entry) for entry in body["files"]]
        return files, [Failure(**entry) for entry in body["failures"]]

    def _asked(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False, is_dry_run: bool = False
    ) -> Json:
        body = {"file_ids": list(file_ids), "is_outdated": is_outdated, "is_dry_run": is_dry_run}
        return self._connection.json("POST", path_of("indexer", "partition", partition, "refresh"), json=body)

    def refresh(self, files: Sequence[File], run: "RefreshRun") -> Report:
        """Have `files` read again; return how many were replaced, and which failed."""
        began = time.monotonic()
        report = Report()
        pending: list[str] = []
        for partition, owned in groupby(files, key=lambda file: file.partition):
            names = [file.file_id for file in owned]
            for at in range(0, len(names), GROUP_FILES):
                if run.should_stop():
                    break
                body = self._asked(partition, names[at : at + GROUP_FILES])
                report.failures += (Failure(**entry) for entry in body["failures"])
                report.unchanged += body["unchanged"]
                pending += body["task_ids"]
        run.on_queued(len(pending))
        if not run.is_detached:
            self._await(pending, report, run)
        report.seconds = round(time.monotonic() - began, 3)
        return report

    def _await(self, pending: Sequence[str], report: Report, run: "RefreshRun") -> None:
        from openrag_cli.ingest.pipeline import TaskDone

        for task_id in pending:
            task = self._server.task(task_id)
            while not task.state.is_final:
                if run.should_stop():
                    return
                time.sleep(POLL_S)
                task = self._server.task(task_id)
            upload, error = task.upload, task.error
            if task.state is TaskState.COMPLETED:
                report.replaced += 1
                report.chunks += self._server.file(upload.partition, upload.file_id).chunk_count
                if task.warnings:
                    report.warned.append(WarnedFile(upload.file_id, None, task_id, task.warnings))
            elif error:
                report.failures.append(Failure(upload.file_id, None, task_id, error.code, error.message, error.hint))
            run.listener(TaskDone(task, error=error))


def _named(entry: Json) -> File:
    return File(entry["partition"], entry["file_id"], "", "", "", 0, "", {}, 0, LONG_AGO, LONG_AGO)
