"""Waiting for tasks that a server runs, and telling what became of them as a worker of this machine would."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from openrag_cli import errors
from openrag_cli.domain import Task, TaskKind, TaskState
from openrag_cli.ingest.report import Failure, Report, WarnedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openrag_cli.client.remote_engine import RemoteEngine
    from openrag_cli.ingest.report import Listener

POLL_S = 0.2
RUN_POLLS = 10


def await_tasks(
    server: RemoteEngine,
    pending: Mapping[str, str | None],
    report: Report,
    *,
    listener: Listener,
    should_stop: Callable[[], bool],
) -> None:
    """Wait until every task has ended, or `should_stop`; `pending` maps tasks to paths of this machine, `listener` is
    told of each one that ended, and `report` counts them."""
    from openrag_cli.ingest.report import TaskDone

    for task_id, path in pending.items():
        task = _ended(server, task_id, should_stop)
        if task is None:
            return
        upload, error = task.upload, task.error
        n_chunks = 0
        if task.state is TaskState.COMPLETED:
            n_chunks = _chunks_of(server, task)
            report.added += task.kind is TaskKind.ADD
            report.replaced += task.kind is TaskKind.REPLACE
            report.chunks += n_chunks
            if task.warnings:
                report.warned.append(WarnedFile(upload.file_id, path, task_id, task.warnings))
        elif error:
            report.failures.append(Failure(upload.file_id, path, task_id, error.code, error.message, error.hint))
        listener(TaskDone(task, n_chunks=n_chunks, error=error))


def _ended(server: RemoteEngine, task_id: str, should_stop: Callable[[], bool]) -> Task | None:
    """Return a task once it has ended; None when told to stop before."""
    n_polls = 0
    while not should_stop():
        task = server.task(task_id)
        if task.state.is_final:
            return task
        if task.state is TaskState.QUEUED and n_polls % RUN_POLLS == 0:
            server.run_queue()
        n_polls += 1
        time.sleep(POLL_S)
    return None


def _chunks_of(server: RemoteEngine, task: Task) -> int:
    """Return how many chunks the version has that a task made; none, when another has taken its place."""
    with contextlib.suppress(errors.NotFound):
        file = server.file(task.upload.partition, task.upload.file_id)
        return file.chunk_count if file.revision == task.id else 0
    return 0
