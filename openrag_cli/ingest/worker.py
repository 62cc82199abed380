"""A worker: claims tasks, keeps its leases alive, runs them, and keeps the index in order."""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from openrag_cli.domain import Task
from openrag_cli.errors import StoreError
from openrag_cli.failpoints import failpoint
from openrag_cli.index.table import Index
from openrag_cli.ingest.pipeline import Ingester, Listener
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.task_queue import HEARTBEAT_S, TaskQueue

POLL_S: Final = 0.2
MAX_FRAGMENTS = 24
MAX_UNINDEXED_ROWS = 2000
MAX_UNINDEXED_SHARE = 0.02
"""Beyond any of the three the index is put in order: searches are slower than they need be, and the weights of words
in rows that are not indexed depend on how these were committed. In a large index the share keeps the cost in bounds."""

TIDY_EVERY = 64
"""Tasks run alone between two looks at the index: each is a commit, and commits upon commits slow the next ones."""

ORPHAN_AGE_S = 3600.0
"""A stored original that no file and no task names is deleted when it is this old, in seconds."""


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

    def drain(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], None]) -> None:
        """Run tasks until none is unfinished (tasks that other workers hold included), or `should_stop`.

        What is not finished then is given back to the queue. `maintain` is called after many commits of one file.
        """
        with self._alive():
            while not should_stop():
                self._queue.expire(is_dead)
                self._run(listener, should_stop, maintain)
                if not self._queue.has_live(batch=self._batch):
                    return
                time.sleep(POLL_S)

    def serve(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], None]) -> None:
        """Run tasks as they come, until `should_stop`; call `maintain` after each time of work."""
        with self._alive():
            while not should_stop():
                self._queue.expire(is_dead)
                if self._queue.has_claimable():
                    self._run(listener, should_stop, maintain)
                    maintain()
                else:
                    time.sleep(POLL_S)

    def _run(self, listener: Listener, should_stop: Callable[[], bool], maintain: Callable[[], None]) -> None:
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
                with contextlib.suppress(StoreError):  # a full or busy store: the next beat may succeed
                    self._queue.heartbeat(self.name)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            self._queue.release(self.name)


class Janitor:
    """Keeps the index equal to the catalog, and fast."""

    def __init__(self, database: Database, catalog: Catalog, index: Index, blobs: BlobStore) -> None:
        self._database = database
        self._catalog = catalog
        self._index = index
        self._blobs = blobs

    def sweep(self, *, timeout_s: float = 600.0) -> int:
        """Delete the chunks and originals of retired revisions; return how many revisions."""
        if not self._catalog.tombstones():
            return 0
        with self._database.write_lock(timeout_s):
            retired = self._catalog.tombstones()
            failpoint("deleting")
            self._index.drop(retired)
            self._blobs.discard(self._catalog.clear_tombstones(retired))
        return len(retired)

    def optimize(self, *, force: bool = False) -> bool:
        """Compact the index when it needs it, or always; return whether it was done."""
        n_fragments, n_unindexed, n_rows = self._index.backlog()
        few = min(MAX_UNINDEXED_ROWS, n_rows * MAX_UNINDEXED_SHARE)
        if not force and n_fragments <= MAX_FRAGMENTS and n_unindexed <= few:
            return False
        with self._database.write_lock():
            failpoint("optimizing")
            self._index.optimize()
        return True

    def collect_orphans(self) -> int:
        """Delete originals that a crash left without a file or task; return how many."""
        limit = time.time() - ORPHAN_AGE_S
        old = [revision for revision, changed_at in self._blobs.stored() if changed_at < limit]
        needed = self._catalog.revisions()
        orphans = [revision for revision in old if revision not in needed]
        self._blobs.discard(orphans)
        return len(orphans)
