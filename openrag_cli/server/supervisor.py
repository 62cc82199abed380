"""Worker processes: exactly one supervisor per store starts them, and starts them again when they die.

However many servers run on a store, the one that holds `supervisor.lock` supervises; another takes over when it goes.
A worker ends when its supervisor does, even by SIGKILL: its standard input is a pipe that then closes.
"""

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from openrag_cli.config.settings import child_environment

logger = logging.getLogger(__name__)

POLL_S = 0.25
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
HEALTHY_S = 60.0
STOP_S = 20.0
AGAIN_S = 1.0


@dataclass(slots=True)
class _Slot:
    """A place for one worker: its process, when it began, and when a dead one may be started again."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    not_before: float = 0.0
    n_deaths: int = 0


class Supervisor:
    """Runs in a thread of each server; acts only while it holds the store's supervisor lock."""

    def __init__(self, store: Path, *, command: list[str], n_workers: int) -> None:
        self._path = store / "supervisor.lock"
        self._notes = store / "supervisor.json"
        self._noted: dict[str, int] = {}
        self._command = command
        self._slots = [_Slot() for _ in range(n_workers)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._once: subprocess.Popen[bytes] | None = None
        self._once_lock = threading.Lock()
        self.is_in_charge = False

    def start(self) -> None:
        """Begin to supervise, or to wait for the chance."""
        self._thread.start()

    def stop(self) -> None:
        """Let workers finish or give back what they hold, then return; one that does not is killed after 20 s."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S + 5)

    def run_queue(self) -> None:
        """Let what is queued be run: by the workers, or where none is wanted by one that ends when nothing is left."""
        with self._once_lock:
            is_running = self._once is not None and self._once.poll() is None
            if not self.status()["wanted"] and not is_running and not self._stopped.is_set():
                self._close_once()
                command = [*self._command, "--once", "yes"]
                self._once = subprocess.Popen(command, stdin=subprocess.PIPE, env=child_environment())

    def _close_once(self) -> None:
        if self._once is not None and self._once.stdin:
            self._once.stdin.close()

    def status(self) -> dict[str, int]:
        """Return the supervisor's process and the numbers of workers wanted, running, and deaths so far.

        Any server answers for the one that supervises: it writes them down whenever they change.
        """
        try:
            known: dict[str, int] = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"supervisor": 0, "wanted": len(self._slots), "running": 0, "deaths": 0}
        return known

    def _note(self) -> None:
        status = {
            "supervisor": os.getpid(),
            "wanted": len(self._slots),
            "running": sum(slot.process is not None for slot in self._slots),
            "deaths": sum(slot.n_deaths for slot in self._slots),
        }
        if status != self._noted:
            fresh = self._notes.with_suffix(".new")
            fresh.write_text(json.dumps(status), encoding="utf-8")
            fresh.replace(self._notes)
            self._noted = status

    def _run(self) -> None:
        descriptor = self._opened()
        if descriptor is None:
            return
        try:
            while not self._stopped.wait(0 if not self.is_in_charge else POLL_S):
                try:
                    if self.is_in_charge:
                        self._tend()
                    else:
                        self._take_charge(descriptor)
                except OSError as exc:  # a full disk, no more processes: it may pass, and workers must be there then
                    logger.warning("supervising: %s; again in %g s", exc, AGAIN_S)
                    self._stopped.wait(AGAIN_S)
        finally:
            self._end_workers()
            os.close(descriptor)

    def _opened(self) -> int | None:
        """Return the lock's descriptor; None when the server ends before the store can be written to."""
        is_told = False
        while not self._stopped.is_set():
            try:
                return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            except OSError as exc:
                if not is_told:
                    logger.warning("no workers until %s can be opened: %s", self._path, exc.strerror)
                is_told = True
                self._stopped.wait(AGAIN_S)
        return None

    def _take_charge(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stopped.wait(1.0)
        else:
            self.is_in_charge = True
            self._tend()

    def _tend(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._bury(slot, now)
            if slot.process is None and now >= slot.not_before:
                slot.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=child_environment())
                slot.began = now
        self._note()

    @staticmethod
    def _bury(slot: _Slot, now: float) -> None:
        process = slot.process
        assert process is not None
        slot.pause_s = FIRST_PAUSE_S if now - slot.began > HEALTHY_S else min(slot.pause_s * 2, MAX_PAUSE_S)
        slot.not_before = now + slot.pause_s
        slot.n_deaths += 1
        slot.process = None
        if process.stdin:
            process.stdin.close()
        logger.warning("worker %d died with %s; a new one in %.1f s", process.pid, process.returncode, slot.pause_s)

    def _end_workers(self) -> None:
        with self._once_lock:
            ending = [*(slot.process for slot in self._slots), self._once]
        processes = [process for process in ending if process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()


def worker_command(store: Path, *, cache: Path, embed_model: Path | None, threads: int, log_format: str) -> list[str]:
    """Return the command of a worker process on a store."""
    command = [
        sys.executable,
        "-m",
        "openrag_cli.server.worker_process",
        "--store",
        str(store),
        "--cache",
        str(cache),
    ]
    command += ["--threads", str(threads), "--log-format", log_format]
    return [*command, *(["--embed-model", str(embed_model)] if embed_model else [])]
