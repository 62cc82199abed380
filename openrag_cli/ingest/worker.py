"""A worker: claims tasks, keeps its leases alive, runs them, and keeps the index in order."""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from openrag_cli.domain import Task
from openrag_cli.errors import OpenRAGError
from openrag_cli.ingest.pipeline import Ingester, Listener
from openrag_cli.store.task_queue import HEARTBEAT_S, TaskQueue

logger = logging.getLogger(__name__)

POLL_S: Final = 0.2
MAX_REST_S: Final = 60.0
PATIENCE: Final = 2
"""How often the store or the machine may stop a task before a command that waits for it gives up."""

TIDY_EVERY = 64
"""Tasks run alone between two looks at the index: each is a commit, and commits upon commits slow the next ones."""


def worker_name() -> str:
    """Return a new worker's name: host, process and 8 random hex characters."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_dead(worker: str) -> bool:
    """Whether a worker of this host certainly runs no more; the leases of others run out by themselves."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Worker:
    """Runs tasks of one store; `batch` limits it to the tasks of one command."""

    def __init__(self, queue: TaskQueue, ingester: Ingester, *, batch: str | None = None) -> None:
        self.name = worker_name()
        self._queue = queue
        self._ingester = ingester
        self._batch = batch

    def drain(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], object]) -> None:
        """Run tasks until none is unfinished (tasks that other workers hold included), or `should_stop`.

        What is not finished then is given back to the queue. `maintain` is called after many commits of one file.

        Raises:
            StoreError, ConverterUnavailable and kin: the store or the machine goes on stopping tasks that are not at
                fault; they wait in the queue.
        """
        with self._alive():
            while not should_stop():
                self._queue.expire(is_dead)
                self._run(listener, should_stop, maintain)
                if not self._queue.has_live(batch=self._batch):
                    return
                trouble = self._ingester.trouble
                if trouble is not None and trouble.n_paused > PATIENCE:
                    raise trouble.error
                time.sleep(POLL_S)

    def serve(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], object]) -> None:
        """Run tasks as they come, until `should_stop`; call `maintain` after each time of work."""
        with self._alive():
            pause_s = POLL_S
            while not should_stop():
                self._queue.expire(is_dead)
                if self._queue.has_claimable():
                    self._run(listener, should_stop, maintain)
                    maintain()
                    pause_s = self._rest(pause_s, should_stop)
                else:
                    time.sleep(POLL_S)

    def _rest(self, pause_s: float, should_stop: Callable[[], bool]) -> float:
        """Wait after trouble, so that a queue is not run through at full speed; return how long to wait the next time."""
        trouble = self._ingester.trouble
        if trouble is None:
            return POLL_S
        logger.warning("%s; the tasks go on in %.1f s", trouble.error.message, pause_s)
        until = time.monotonic() + pause_s
        while not should_stop() and time.monotonic() < until:
            time.sleep(POLL_S)
        return min(pause_s * 2, MAX_REST_S)

    def _run(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], object]) -> None:
        self._ingester.run(self._claim, listener, should_stop)
        n_alone = 0
        while not should_stop() and (suspect := self._queue.claim_suspect(self.name, batch=self._batch)):
            self._run_alone(suspect, listener, should_stop)
            n_alone += 1
            if n_alone % TIDY_EVERY == 0:
                maintain()

    def _run_alone(self, suspect: list[Task], listener: Listener, should_stop: Callable[[], bool]) -> None:
        left = [suspect]
        self._ingester.run(lambda _: left.pop() if left else [], listener, should_stop)

    def _claim(self, limit: int) -> list[Task]:
        return self._queue.claim(self.name, limit=limit, batch=self._batch)

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(HEARTBEAT_S):
                try:
                    self._queue.heartbeat(self.name)
                except OpenRAGError as exc:  # a full, busy or unreachable store: the next beat may succeed
                    logger.warning("the leases were not renewed: %s", exc.message)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            self._queue.release(self.name)
