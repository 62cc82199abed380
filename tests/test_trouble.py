"""What is wrong with the store or the machine is not charged to a document: its task waits, and nothing is lost."""

import errno
import os
from pathlib import Path

import pytest
from harness import check, contents, open_engine, put

from openrag_cli.documents.sandbox import pool
from openrag_cli.domain import TaskState
from openrag_cli.engine import Engine
from openrag_cli.errors import ConverterUnavailable, StoreError
from openrag_cli.ingest import worker
from openrag_cli.server.app import _Readiness
from openrag_cli.store.task_queue import MAX_PAUSE_S


@pytest.fixture
def engine(tmp_path: Path):
    with open_engine(tmp_path / "store") as opened:
        yield opened


def due_now(engine: Engine) -> None:
    """Let every pause be over."""
    with engine.parts.database.transaction() as connection:
        connection.execute("UPDATE task SET not_before = 0")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at the first trouble, so that no test waits."""
    monkeypatch.setattr(worker, "PATIENCE", 0)


def test_a_converter_that_cannot_start_fails_no_document_and_is_told_until_it_starts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    task_id = put(engine, "p", "a", "the text of a")
    monkeypatch.setattr(pool, "_BOOT", "import sys; sys.exit(3)")  # as when what it imports was changed under us
    for n in range(1, 4):
        with pytest.raises(ConverterUnavailable, match="could not start"):
            engine.drain()
        task = engine.task(task_id)
        assert (task.state, task.attempts) == (TaskState.QUEUED, 0)
        assert task.error is not None
        assert task.error.code == "converter_unavailable"
        assert engine.parts.ledger.paused()[0] == 1
        assert len([line for line in engine.task_log(task_id) if "given back" in line.message]) == n
        due_now(engine)
    readiness = _Readiness(engine, None)
    readiness._model_error = None
    assert [line.split(";")[0] for line in readiness()] == ["worker: the converter could not start (exit code 3)"]
    assert any("tasks wait because of the machine" in one.text for one in engine.maintenance.examine())
    monkeypatch.undo()
    engine.drain()
    assert readiness() == []
    assert engine.task(task_id).state is TaskState.COMPLETED
    assert engine.task(task_id).error is None
    check(engine)


def test_a_lost_mount_fails_no_task_and_stops_the_run(engine: Engine, tmp_path: Path, impatient: None) -> None:
    texts = {name: f"the text of {name}" for name in "abcdef"}
    ids = [put(engine, "p", name, text) for name, text in texts.items()]
    blobs = tmp_path / "store" / "blobs"
    blobs.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="folder of originals"):
        engine.drain()
    assert {engine.task(task_id).state for task_id in ids} == {TaskState.QUEUED}
    (tmp_path / "elsewhere").rename(blobs)
    due_now(engine)
    engine.drain()
    assert contents(engine) == {("p", name): text for name, text in texts.items()}
    check(engine)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOSPC, errno.EACCES])
def test_an_error_of_the_system_is_not_the_documents(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None, number: int
) -> None:
    bad, good = put(engine, "p", "a", "the text of a"), put(engine, "p", "b", "the text of b")
    real = engine.parts.blobs.open_checked

    def fail(revision: str, sha256: str):
        if revision == bad:
            raise OSError(number, os.strerror(number))
        return real(revision, sha256)

    monkeypatch.setattr(engine.parts.blobs, "open_checked", fail)
    with pytest.raises(StoreError):
        engine.drain()
    assert engine.task(good).state is TaskState.COMPLETED, "others go on"
    task = engine.task(bad)
    assert (task.state, task.attempts) == (TaskState.QUEUED, 0)
    monkeypatch.undo()
    due_now(engine)
    engine.drain()
    assert engine.task(bad).state is TaskState.COMPLETED
    check(engine)


def test_the_pause_grows_and_is_bounded(engine: Engine) -> None:
    from openrag_cli.domain import TaskError

    put(engine, "p", "a", "the text of a")
    pauses = []
    for _ in range(12):
        due_now(engine)
        (task,) = engine.parts.queue.claim("w", limit=1)
        engine.parts.queue.postpone(task, TaskError("the disk", "store_error"))
        assert engine.parts.queue.claim("w", limit=1) == []
        rows = engine.parts.database.rows("SELECT not_before - updated_at AS pause FROM task")
        pauses.append(rows[0]["pause"] // 1000)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == MAX_PAUSE_S


def test_a_damaged_original_is_still_the_documents_own(engine: Engine) -> None:
    task_id = put(engine, "p", "a", "the text of a")
    engine.parts.blobs.path(task_id).write_bytes(b"damaged")
    engine.drain()
    task = engine.task(task_id)
    assert task.state is TaskState.FAILED
    assert task.error is not None
    assert task.error.code == "store_damaged"
