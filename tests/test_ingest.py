"""Ingestion through the engine: batches, failures that stay their own, commands that meet each other."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import check, contents, find, open_engine, put, submit
from starlette.testclient import TestClient

from openrag_cli.domain import File, TaskKind, TaskState, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.errors import (
    Conflict,
    DeadlineReached,
    DocumentNotFound,
    InvalidInput,
    TaskNotFound,
    TooLarge,
    UnsupportedFormat,
)
from openrag_cli.ingest.add_files import Adder
from openrag_cli.ingest.discovery import Source, collect
from openrag_cli.ingest.options import AddOptions, IfExists, QueuedUpload
from openrag_cli.ingest.report import Report
from openrag_cli.ingest.upload import new_upload
from openrag_cli.server.app import create_app
from openrag_cli.store.blobs import BlobStore, incoming
from openrag_cli.store.database import Database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "store") as engine:
        yield engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def add(engine: Engine, *paths: Path, if_exists: IfExists = IfExists.FAIL, **options: object) -> Report:
    detach = bool(options.pop("detach", False))
    chosen = AddOptions("p", new_task_id(), if_exists=if_exists, **options)  # type: ignore[arg-type]
    return engine.add_sources(collect(paths).sources, chosen, detach=detach)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.replaced, report.unchanged, report.failed


# --- batches


def test_many_files_are_one_index_commit(engine: Engine, folder: Path) -> None:
    for n in range(60):
        (folder / f"{n}.md").write_text(f"Page {n} tells of word{n}.")
    put(engine, "p", "first", "makes the index")
    engine.drain()
    before = engine.parts.index.version()
    report = add(engine, folder)
    assert (report.added, report.chunks) == (60, 60)
    assert engine.parts.index.version() - before <= 2  # the commit, and a compaction if it was due
    assert find(engine, "word37")[0][0] == "37.md"
    check(engine)


def test_a_bad_document_fails_alone(engine: Engine, folder: Path) -> None:
    (folder / "good.md").write_text("The heron stands.")
    (folder / "empty.txt").write_text("")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 not really")
    (folder / "picture.bin").write_bytes(os.urandom(3000))
    report = add(engine, folder)
    assert counts(report) == (1, 0, 0, 3)
    failures = {failure.file_id: failure for failure in report.failures}
    assert failures.keys() == {"empty.txt", "broken.pdf", "picture.bin"}
    for failure in failures.values():
        assert failure.path == str(folder / failure.file_id)
        assert failure.task_id is not None
        task = engine.task(failure.task_id)
        assert task.state is TaskState.FAILED
        assert task.error is not None
        assert task.error.message == failure.message
        assert "ERROR" in {line.level for line in engine.task_log(failure.task_id)}
    assert [name for name, _ in find(engine, "heron")] == ["good.md"]
    check(engine)


def test_a_user_file_that_breaks_while_it_is_read_fails_alone(engine: Engine, folder: Path) -> None:
    (folder / "good.md").write_text("The heron stands.")
    sources = [Source(Path("/proc/self/mem"), "memory.txt"), *collect([folder]).sources]
    report = engine.add_sources(sources, AddOptions("p", new_task_id()))
    assert counts(report) == (1, 0, 0, 1)
    assert report.failures[0].code == "unreadable"
    assert not list((engine.settings.store / "spool").iterdir())


# --- the same files again


def test_unchanged_files_are_left_alone_and_changed_ones_follow_if_exists(engine: Engine, folder: Path) -> None:
    for name in "abc":
        (folder / name).write_text(f"The {name * 3} text.")
    assert counts(add(engine, folder)) == (3, 0, 0, 0)
    revisions = {file.file_id: file.revision for file in engine.files("p")}
    (folder / "b").write_text("The new text.")
    failed = add(engine, folder)
    assert counts(failed) == (0, 0, 2, 1)
    assert failed.failures[0].code == "conflict"
    assert counts(add(engine, folder, if_exists=IfExists.SKIP)) == (0, 0, 3, 0)
    assert {file.file_id: file.revision for file in engine.files("p")} == revisions
    assert counts(add(engine, folder, if_exists=IfExists.REPLACE)) == (0, 1, 2, 0)
    changed = {file.file_id for file in engine.files("p") if file.revision != revisions[file.file_id]}
    assert changed == {"b"}
    assert contents(engine)["p", "b"] == "The new text."
    check(engine)


def test_content_of_the_same_size_but_other_bytes_is_a_change(engine: Engine, folder: Path) -> None:
    (folder / "a").write_text("one text")
    add(engine, folder)
    (folder / "a").write_text("two text")
    assert counts(add(engine, folder, if_exists=IfExists.REPLACE)) == (0, 1, 0, 0)


def test_metadata_is_kept_and_merged_into_unchanged_files_on_replace(engine: Engine, folder: Path) -> None:
    (folder / "a").write_text("some text")
    add(engine, folder, metadata={"year": 2024})
    add(engine, folder, metadata={"team": "x"})
    assert engine.file("p", "a").metadata == {"year": 2024}
    add(engine, folder, metadata={"team": "x"}, if_exists=IfExists.REPLACE)
    assert engine.file("p", "a").metadata == {"year": 2024, "team": "x"}


def test_a_file_over_the_limit_fails_alone(engine: Engine, folder: Path) -> None:
    (folder / "big.txt").write_text("x" * 1001)
    (folder / "small.txt").write_text("fits well")
    report = add(engine, folder, max_bytes=1000)
    assert counts(report) == (1, 0, 0, 1)
    assert report.failures[0].code == "too_large"


# --- commands that meet


def test_files_that_a_detached_command_queued_are_taken_over(engine: Engine, folder: Path) -> None:
    (folder / "a").write_text("some text")
    assert counts(add(engine, folder, detach=True)) == (0, 0, 0, 0)
    assert [task.state for task in engine.tasks()] == [TaskState.QUEUED]
    assert counts(add(engine, folder)) == (1, 0, 0, 0)
    assert len(engine.tasks()) == 1
    assert len(list(engine.parts.blobs.stored())) == 1
    check(engine)


def test_a_replacement_behind_a_queued_add_of_another_command_does_not_wait_for_ever(
    engine: Engine, folder: Path
) -> None:
    (folder / "a").write_text("old text")
    add(engine, folder, detach=True)
    (folder / "a").write_text("newer text")
    assert counts(add(engine, folder)) == (0, 0, 0, 1)
    assert counts(add(engine, folder, if_exists=IfExists.REPLACE)) == (0, 1, 0, 0)
    assert contents(engine) == {("p", "a"): "newer text"}
    check(engine)


def test_a_file_that_another_command_added_meanwhile_is_unchanged_or_a_conflict(engine: Engine, folder: Path) -> None:
    for name, text in (("same", "same text"), ("other", "one text")):
        (folder / name).write_text(text)

    class Overtaken(Adder):
        """Another command adds both files after this one has looked which are known."""

        def _stored(self, source: Source, known: File | None) -> QueuedUpload:
            if source.file_id == "other":
                put(engine, "p", "same", "same text")
                put(engine, "p", "other", "two text")
                engine.drain()
            return super()._stored(source, known)

    adder = Overtaken(
        catalog=engine.parts.catalog,
        queue=engine.parts.queue,
        ledger=engine.parts.ledger,
        blobs=engine.parts.blobs,
        options=AddOptions("p", new_task_id()),
    )
    adder.submit(collect([folder]).sources, lambda: False)
    report = adder.finish()
    assert counts(report) == (0, 0, 1, 1)
    assert report.failures[0].file_id == "other"
    assert len(list(engine.parts.blobs.stored())) == 2


@pytest.mark.parametrize("n_looks", [2, 4, 5, 6])
def test_stopping_keeps_what_is_done_and_leaves_the_rest_queued_for_the_next_run(
    engine: Engine, folder: Path, n_looks: int
) -> None:
    for n in range(6):
        (folder / f"{n}.md").write_text(f"text {n}")
    stops = iter([False] * n_looks)
    options = AddOptions("p", new_task_id())
    engine.add_sources(collect([folder]).sources, options, should_stop=lambda: next(stops, True))
    states = [task.state for task in engine.tasks()]
    assert len(states) == 6
    assert set(states) <= {TaskState.COMPLETED, TaskState.QUEUED}
    assert all(task.attempts == 0 for task in engine.tasks() if task.state is TaskState.QUEUED)
    report = add(engine, folder)
    assert report.added + report.unchanged == 6
    assert report.failures == []
    check(engine)


# --- one upload at a time


def test_an_upload_is_checked_before_it_is_queued_and_leaves_nothing(engine: Engine) -> None:
    put(engine, "p", "there", "text")
    for upload, kind, error in (
        (new_upload("p", "there", "a.md"), TaskKind.ADD, Conflict),
        (new_upload("p", "none", "a.md"), TaskKind.REPLACE, DocumentNotFound),
        (new_upload("p/q", "a", "a.md"), TaskKind.ADD, InvalidInput),
        (new_upload("p", "a\n", "a.md"), TaskKind.ADD, InvalidInput),
        (new_upload("p", "a", "a.md", {"x": float("nan")}), TaskKind.ADD, InvalidInput),
        (new_upload("p", "a", "a.exe"), TaskKind.ADD, UnsupportedFormat),
    ):
        content = b"MZ\x90\0" * 50 if upload.filename == "a.exe" else b"text"
        with pytest.raises(error):
            engine.submit(upload, io.BytesIO(content), kind=kind)
    assert len(list(engine.parts.blobs.stored())) == len(engine.tasks()) == 1


def test_an_upload_over_the_limit_leaves_nothing(tmp_path: Path) -> None:
    with open_engine(tmp_path / "store", max_file_bytes=10) as engine:
        with pytest.raises(TooLarge):
            submit(engine, "p", "a", "x" * 11)
        assert list(engine.parts.blobs.stored()) == []
        assert engine.tasks() == []


def test_a_replacement_is_accepted_while_the_add_is_still_waiting(engine: Engine) -> None:
    submit(engine, "p", "a", "one")
    submit(engine, "p", "a", "two", TaskKind.REPLACE)
    engine.drain()
    assert contents(engine) == {("p", "a"): "two"}
    check(engine)


def test_deleting_a_file_cancels_what_is_queued_for_it(engine: Engine) -> None:
    task_id = put(engine, "p", "a", "one")
    assert engine.delete_files("p", ["a", "b"]) == (["a"], ["b"])
    assert engine.task(task_id).state is TaskState.CANCELLED
    engine.drain()
    assert engine.files("p") == []
    check(engine)


def test_deleting_a_partition_leaves_no_trace_in_index_or_blobs(engine: Engine) -> None:
    for n in range(3):
        put(engine, "p", f"f{n}", f"text {n}")
    put(engine, "q", "kept", "kept text")
    engine.drain()
    assert engine.delete_partition("p") == 3
    check(engine)
    assert len(list(engine.parts.blobs.stored())) == 1
    put(engine, "p", "f0", "again")
    engine.drain()
    assert find(engine, "text", partitions=["p"]) == []
    check(engine)


def test_deleting_while_another_process_writes_waits_for_nobody_and_is_swept_later(engine: Engine) -> None:
    put(engine, "p", "a", "some text")
    engine.drain()
    with Database(engine.settings.store / "openrag.db").write_lock():
        assert engine.delete_files("p", ["a"]) == (["a"], [])
        assert find(engine, "text") == []
        assert len(engine.parts.index.revisions()) == 1
    engine.maintain()
    check(engine)
    assert list(engine.parts.blobs.stored()) == []


# --- tasks


def test_a_failed_task_can_be_retried_until_it_is_pruned(engine: Engine) -> None:
    task_id = put(engine, "p", "a", " ")
    engine.drain()
    assert engine.task(task_id).state is TaskState.FAILED
    assert engine.retry_task(task_id).state is TaskState.QUEUED
    engine.drain()
    assert engine.prune_tasks() == 1
    assert list(engine.parts.blobs.stored()) == []
    with pytest.raises(TaskNotFound):
        engine.retry_task(task_id)


def test_pruning_keeps_the_originals_of_visible_files(engine: Engine) -> None:
    put(engine, "p", "a", "some text")
    engine.drain()
    assert engine.prune_tasks() == 1
    check(engine)


def test_waiting_ends_when_all_have_finished_or_the_time_is_up(engine: Engine) -> None:
    task_id = put(engine, "p", "a", "some text")
    with pytest.raises(DeadlineReached):
        engine.wait_tasks([task_id], timeout_s=0)
    engine.drain()
    assert [task.state for task in engine.wait_tasks([task_id], timeout_s=0)] == [TaskState.COMPLETED]
    with pytest.raises(TaskNotFound):
        engine.wait_tasks(["0" * 48])


def test_a_task_without_its_original_cannot_be_retried(engine: Engine, folder: Path) -> None:
    (folder / "a.bin").write_bytes(bytes(range(256)) * 20)
    report = add(engine, folder)
    assert report.failures[0].task_id is not None
    with pytest.raises(Conflict, match="was not kept"):
        engine.retry_task(report.failures[0].task_id)


def test_a_file_that_came_into_the_spool_is_taken_over_and_one_that_cannot_be_is_copied(tmp_path, monkeypatch):
    store = BlobStore(tmp_path)
    (tmp_path / "spool").mkdir()
    for number, has_links in enumerate((True, False)):
        revision = f"{number:048x}"
        if not has_links:
            monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
        with incoming(tmp_path / "spool") as stream:
            stream.write(b"x" * 3_000_000)
            stream.seek(0)
            spooled = store.spool(revision, stream, max_bytes=1 << 30)
            inode = os.fstat(stream.fileno()).st_ino
        store.commit([revision])
        assert (spooled.size, spooled.sha256) == (3_000_000, hashlib.sha256(b"x" * 3_000_000).hexdigest())
        assert (store.path(revision).stat().st_ino == inode) == has_links
        assert store.path(revision).stat().st_mode & 0o777 == 0o600
        assert list((tmp_path / "spool").iterdir()) == []


def test_what_came_into_the_spool_of_a_shared_store_is_open_to_its_group(tmp_path):
    tmp_path.chmod(0o2770)
    (tmp_path / "spool").mkdir()
    with incoming(tmp_path / "spool") as stream:
        stream.write(b"x")
        stream.seek(0)
        BlobStore(tmp_path).spool("0" * 48, stream, max_bytes=10)
    assert (tmp_path / "spool" / ("0" * 48)).stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("route", ["POST file", "PUT sync"])
def test_an_upload_is_written_once(engine: Engine, monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    def copied(*_: object) -> None:
        raise AssertionError("copied")

    monkeypatch.setattr(BlobStore, "_fresh", copied)
    sent = {"file": ("note.md", b"# Note\n\nThe pump weighs 40 kg.\n" * 50_000)}
    with TestClient(create_app(engine), base_url="http://127.0.0.1") as client:
        if route == "POST file":
            answer = client.post("/indexer/partition/p/file/a.md", files=sent)
            assert answer.status_code == 201, answer.text
        else:
            fields = {"label": "docs", "batch": "0" * 48, "mtime_ns": "1700000000000000000"}
            answer = client.put(f"/indexer/partition/p/sync/{'0' * 32}/file/a.md", files=sent, data=fields)
            assert (answer.status_code, answer.json()["failure"]) == (200, None), answer.text
    assert [task.state for task in engine.tasks()] == [TaskState.QUEUED]
    with engine.parts.blobs.open(next(iter(engine.tasks())).id) as stream:
        assert stream.read() == sent["file"][1]


def test_a_file_that_came_and_is_too_large_leaves_nothing(tmp_path):
    store = BlobStore(tmp_path)
    (tmp_path / "spool").mkdir()
    with incoming(tmp_path / "spool") as stream:
        stream.write(b"x" * 3_000_000)
        stream.seek(0)
        with pytest.raises(TooLarge):
            store.spool("0" * 48, stream, max_bytes=2_000_000)
    assert list(store.stored()) == []
