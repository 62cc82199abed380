"""A worker: claims tasks, keeps its leases alive, runs them, and keeps the index in order."""

import contextlib
import functools
import hashlib
import logging
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from openrag_cli.domain import Task
from openrag_cli.errors import OpenRAGError
from openrag_cli.ingest.pipeline import Ingester
from openrag_cli.ingest.report import Listener, Work
from openrag_cli.store.task_queue import HEARTBEAT_S, TaskQueue

logger = logging.getLogger(__name__)

POLL_S: Final = 0.2
PATIENT_S: Final = 2.0
"""How long a command waits for other workers without a word."""
MAX_REST_S: Final = 60.0
PATIENCE: Final = 2
"""How often the store or the machine may stop a task before a command that waits for it gives up."""

TIDY_EVERY = 64
"""Tasks run alone between two looks at the index: each is a commit, and commits upon commits slow the next ones."""


def worker_name() -> str:
    """Return a new worker's name: host, process, what tells the process from others of its number, 8 random hex."""
    return f"{socket.gethostname()}:{os.getpid()}:{_life_of(os.getpid())}:{secrets.token_hex(4)}"


def is_dead(worker: str) -> bool:
    """Whether a worker of this host certainly runs no more; the leases of others run out by themselves."""
    host, pid, life = ([*worker.split(":"), "", ""])[:3]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    boot, space, begun = ([*life.split("."), "", ""])[:3]
    if begun and boot != _boot_id():
        return True  # the machine has been started again since
    if begun and space != _process_space():
        return False  # of another container with this name: its processes cannot be seen from here
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return bool(begun) and begun != _begin_of(int(pid))  # the number is another process's now


def _life_of(pid: int) -> str:
    return f"{_boot_id()}.{_process_space()}.{_begin_of(pid)}"


@functools.cache
def _boot_id() -> str:
    """Return what changes when the machine is started; nothing where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return _short(["sysctl", "-n", "kern.bootsessionuuid"])  # macOS


@functools.cache
def _process_space() -> str:
    """Return which processes are seen from here: in a container only its own."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _begin_of(pid: int) -> str:
    """Return when a process began, in a form that can only be compared; nothing where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return _short(["ps", "-o", "lstart=", "-p", str(pid)])


def _short(command: list[str]) -> str:
    """Return 8 hex characters that stand for what a command prints; nothing where it fails or prints nothing."""
    try:
        told = subprocess.run(command, capture_output=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return hashlib.sha256(told).hexdigest()[:8] if told else ""


class _Waiting:
    """Tells, once for each other worker, that it is waited for and how long at most."""

    def __init__(self, queue: TaskQueue, batch: str | None) -> None:
        self._queue = queue
        self._batch = batch
        self._told: set[str] = set()
        self._since = time.monotonic()

    def tell(self) -> None:
        """Tell of who holds what is left, unless it is soon done."""
        if time.monotonic() - self._since < PATIENT_S:
            return
        held = self._queue.holder(batch=self._batch)
        if held is None or held[0] in self._told:
            return
        worker, until = held
        self._told.add(worker)
        host, pid = worker.split(":")[:2]
        logger.warning(
            "waiting for another worker (process %s on %s) until %s, or for as long as it goes on with its files",
            pid, host, until.astimezone().strftime("%H:%M:%S"),
        )  # fmt: skip


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
        waiting = _Waiting(self._queue, self._batch)
        with self._alive():
            listener(Work(*self._queue.size_of_live(batch=self._batch)))
            while not should_stop():
                self._queue.expire(is_dead)
                self._run(listener, should_stop, maintain)
                if should_stop() or not self._queue.has_live(batch=self._batch):
                    return
                waiting.tell()
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
            """Renew the leases until the work ends."""
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
