"""Waiting for other workers is told, and ends: with their lives, their leases, or the truth about the clock."""

import logging
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from openrag_cli.domain import TaskKind, TaskState, Upload, new_task_id
from openrag_cli.ingest import worker as workers
from openrag_cli.ingest.worker import Worker, is_dead, worker_name
from openrag_cli.store.database import Database, now_ms
from openrag_cli.store.task_queue import LEASE_S, TaskQueue

HOST = socket.gethostname()


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "store" / "openrag.db")


@pytest.fixture
def queue(database):
    queue = TaskQueue(database)
    upload = Upload("p", "a.md", new_task_id(), "a.md", "text/markdown", 3, "0" * 64, {})
    queue.submit([upload], kind=TaskKind.ADD, batch="b")
    return queue


def test_a_living_worker_is_not_dead():
    assert not is_dead(worker_name())


def test_a_worker_of_another_host_is_left_to_its_lease():
    assert not is_dead(worker_name().replace(HOST, f"{HOST}x", 1))


def test_a_worker_whose_process_has_ended_is_dead():
    script = "from openrag_cli.ingest.worker import worker_name; print(worker_name())"
    name = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert is_dead(name)


@pytest.mark.skipif(sys.platform != "linux", reason="where /proc tells of processes")
@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        (0, "00000000", True),  # the machine was started again, and the number is another process's
        (1, "1", False),  # another container of the same name: nobody here can know
        (2, "1", True),  # the number of a process that ended is another one's
    ],
)
def test_the_number_of_a_process_is_not_taken_for_the_process(part, value, expected):
    host, pid, life, rest = worker_name().split(":")
    parts = life.split(".")
    parts[part] = value
    assert is_dead(":".join((host, pid, ".".join(parts), rest))) is expected


def test_names_that_an_older_openrag_wrote_are_read():
    assert not is_dead(f"{HOST}:{os.getpid()}:0a1b2c3d")
    assert is_dead(f"{HOST}:4194304:0a1b2c3d")
    assert not is_dead("gibberish")


@pytest.mark.parametrize("ahead_s", [86_400, 3600, LEASE_S + 30])
def test_a_lease_of_a_clock_that_was_ahead_is_void(database, queue, ahead_s):
    (task,) = queue.claim("elsewhere:1:x", limit=1)
    with database.transaction() as connection:
        connection.execute("UPDATE task SET lease_until = ?", (now_ms() + ahead_s * 1000,))
    assert queue.claim("me", limit=1) == []
    queue.expire(is_dead)
    assert [again.id for again in queue.claim("me", limit=1)] == [task.id]


def test_a_lease_of_its_proper_length_is_kept(queue):
    queue.claim("elsewhere:1:x", limit=1)
    queue.expire(is_dead)
    assert queue.claim("me", limit=1) == []


def test_a_pause_of_a_clock_that_was_ahead_is_void(database, queue):
    with database.transaction() as connection:
        connection.execute("UPDATE task SET n_paused = 1, not_before = ?", (now_ms() + 86_400_000,))
    assert queue.claim("me", limit=1) == []
    queue.expire(is_dead)
    assert len(queue.claim("me", limit=1)) == 1


def test_a_pause_of_its_proper_length_is_kept(database, queue):
    with database.transaction() as connection:
        connection.execute("UPDATE task SET n_paused = 1, not_before = ?", (now_ms() + 200_000,))
    queue.expire(is_dead)
    assert queue.claim("me", limit=1) == []


class NoWork:
    """An ingester that finds nothing to do."""

    trouble = None

    def run(self, claim, listener, should_stop):
        assert claim(1) == []


def test_a_command_that_stops_says_nothing_of_waiting(queue, monkeypatch, caplog):
    monkeypatch.setattr(workers, "PATIENT_S", 0.0)
    queue.claim("elsewhere:77:x", limit=1)
    asked = iter([False, True])
    with caplog.at_level(logging.WARNING):
        Worker(queue, NoWork()).drain(lambda _: None, lambda: next(asked, True), lambda: None)
    assert caplog.records == []


@pytest.mark.parametrize("batch", [None, "b"])
def test_a_command_that_waits_says_for_whom_and_until_when(queue, monkeypatch, caplog, batch):
    monkeypatch.setattr(workers, "PATIENT_S", 0.0)
    monkeypatch.setattr(workers, "POLL_S", 0.01)
    (task,) = queue.claim("elsewhere:77:x", limit=1)
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    with caplog.at_level(logging.WARNING):
        Worker(queue, NoWork(), batch=batch).drain(lambda _: None, stopped.is_set, lambda: None)
    told = [record.getMessage() for record in caplog.records]
    until = queue.holder()[1].astimezone()
    assert until > datetime.now(UTC)
    where = f"(process 77 on elsewhere) until {until:%H:%M:%S}"
    assert told == [f"waiting for another worker {where}, or for as long as it goes on with its files"]
    assert task.state is TaskState.SERIALIZING


def test_nobody_is_waited_for_who_holds_nothing_of_the_batch(queue):
    queue.claim("elsewhere:77:x", limit=1)
    assert queue.holder(batch="another") is None
    assert queue.holder(batch="b")[0] == "elsewhere:77:x"
