"""Several processes on one store: no torn read, no lost file, no double."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness import IS_LONG, Driver, check, contents, open_engine, put, submit

from openrag_cli.domain import Hit, SearchMode, TaskState
from openrag_cli.engine import Engine
from openrag_cli.errors import Conflict
from openrag_cli.index.looks import Snapshot
from openrag_cli.ingest.report import Progressed, TaskDone
from openrag_cli.retrieval.request import SearchRequest


def version_of(number: int) -> str:
    """Return version `number` of the file that is always being replaced: a few chunks that all name it."""
    return "\n\n".join(
        f"# Part {n}\n\n" + f"The beacon shines in version{number}. " * 40 for n in range(2 + number % 2)
    )


def note(number: int) -> str:
    return f"# Note\n\nThe beacon of note{number} is small."


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "steady", version_of(0))
        for n in range(3):
            put(engine, "p", f"note{n}", note(n))
        engine.drain()
        check(engine)
    return tmp_path / "store"


def replacing(first: int) -> Iterator[dict[str, Any]]:
    """Yield the work of a process that replaces `steady` again and again."""
    number = first
    while True:
        yield {"do": "put", "partition": "p", "file_id": "steady", "text": version_of(number)}
        yield {"do": "drain"}
        number += 2


def churning(choose: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the work of a process that adds, replaces and deletes notes, and compacts."""
    while True:
        file_id = f"note{choose.randrange(6)}"
        kind = choose.choices(["put", "drain", "delete", "maintain"], [5, 3, 2, 1])[0]
        if kind == "put":
            yield {"do": "put", "partition": "p", "file_id": file_id, "text": note(choose.randrange(10_000))}
        elif kind == "delete":
            yield {"do": "delete", "partition": "p", "file_ids": [file_id]}
        else:
            yield {"do": kind} | ({"force": True} if kind == "maintain" else {})


def work(store: Path, operations: Iterator[dict[str, Any]], n_operations: int) -> list[dict[str, Any]]:
    """Do so many operations in a process of their own; return the answers that are errors."""
    with Driver(store) as driver:
        assert driver.receive()
        replies = [driver.ask(**next(operations)) for _ in range(n_operations)]
        replies.append(driver.ask(do="drain"))
        assert None not in replies, "the process died"
        return [reply for reply in replies if reply and reply["error"]]


def assert_whole(hits: list[Hit], engine: Engine) -> None:
    """Assert that the hits of each file are one version of it, that of its metadata, and all of it."""
    by_file: dict[str, list[Hit]] = {}
    for hit in hits:
        by_file.setdefault(hit.file.file_id, []).append(hit)
    assert "steady" in by_file, "a file that is being replaced was not found"
    for found in by_file.values():
        assert len({hit.chunk.revision for hit in found}) == 1
        assert len(found) == found[0].file.chunk_count, "a version is not whole"
        assert len({hit.chunk.ordinal for hit in found}) == len(found), "a chunk is there twice"
        for hit in found:
            assert hit.chunk.revision == hit.file.revision
            text = hit.file.metadata["text"]
            assert hit.chunk.span.text == text[hit.chunk.span.start : hit.chunk.span.end]


@pytest.mark.timeout(0 if IS_LONG else 300)
def test_four_processes_write_while_a_fifth_searches_and_it_never_sees_half_a_version(store: Path) -> None:
    n_operations = 1000 if IS_LONG else 18
    choose = random.Random(7)
    works = [replacing(1), replacing(2), churning(random.Random(1)), churning(random.Random(2))]
    n_searches = 0
    versions = set()
    with open_engine(store) as engine, ThreadPoolExecutor(len(works)) as threads:
        jobs = [threads.submit(work, store, operations, n_operations) for operations in works]
        while not all(job.done() for job in jobs):
            file_ids = ["steady"] if choose.random() < 0.5 else []
            request = SearchRequest("beacon", ["p"], file_ids, 500, choose.choice(list(SearchMode)), collapse=False)
            hits = engine.search(request)
            assert_whole(hits, engine)
            versions |= {hit.chunk.revision for hit in hits if hit.file.file_id == "steady"}
            assert engine.chunks("p", "steady")
            n_searches += 1
        assert [job.result() for job in jobs] == [[], [], [], []]
        engine.drain()
        check(engine)
        assert contents(engine)["p", "steady"] in {version_of(n) for n in range(2 * n_operations)}
    assert n_searches > 20
    assert len(versions) > 3, "the searches met no replacement"


def test_the_old_version_is_found_until_the_new_one_is_complete(store: Path) -> None:
    seen: list[str] = []
    told: list[type] = []

    with open_engine(store) as engine, open_engine(store) as reader:

        def look() -> None:
            hits = reader.search(SearchRequest("beacon", ["p"], ["steady"], 50, SearchMode.TEXT, collapse=False))
            assert_whole(hits, reader)
            seen.append(hits[0].file.metadata["text"])

        real = engine.parts.queue.complete

        def look_then_complete(completions: Any) -> Any:
            look()  # the new chunks are in the index, and the catalog does not know them yet
            return real(completions)

        engine.parts.queue.complete = look_then_complete  # type: ignore[method-assign]
        put(engine, "p", "steady", version_of(5))
        look()

        def listen(progressed: Progressed) -> None:
            look()
            told.append(type(progressed))

        engine.drain(listener=listen)
    assert told.index(TaskDone) == len(told) - 1
    # put; then what is told until the task is done, and the look before the catalog knows it; then the new version
    assert seen == [version_of(0)] * (1 + len(told)) + [version_of(5)]


def test_a_version_that_comes_and_goes_during_a_search_is_not_taken_for_one_that_was_gone_before(store: Path) -> None:
    looked, published, opened, replaced = (threading.Event() for _ in range(4))

    def once(first: threading.Event, then: threading.Event) -> None:
        """Let a search that comes here first wait."""
        if not first.is_set():
            first.set()
            assert then.wait(60)

    with open_engine(store) as writer, open_engine(store) as reader, ThreadPoolExecutor(1) as threads:
        reader.search(SearchRequest("beacon"))
        real_read, real_open, real_complete = (
            reader.parts.catalog.files_by_revision,
            reader.parts.index.snapshot,
            writer.parts.queue.complete,
        )
        jobs: list[Future[Any]] = []

        def read(revisions: Any) -> Any:
            once(looked, published)  # the new version was not yet there for the look, and the old one is gone now
            return real_read(revisions)

        def open_again() -> Any:
            found = real_open()
            if published.is_set():
                once(opened, replaced)  # the new version is there, and gone before the catalog is asked
            return found

        def search_then_complete(completions: Any) -> Any:
            if not jobs:
                jobs.append(threads.submit(reader.search, SearchRequest("beacon", top_k=50, collapse=False)))
                assert looked.wait(60)
            return real_complete(completions)

        reader.parts.catalog.files_by_revision = read  # type: ignore[method-assign]
        reader.parts.index.snapshot = open_again  # type: ignore[method-assign]
        writer.parts.queue.complete = search_then_complete  # type: ignore[method-assign]
        put(writer, "p", "steady", version_of(1))
        writer.drain()
        published.set()
        assert opened.wait(60)
        put(writer, "p", "steady", version_of(2))
        writer.drain()
        replaced.set()
        hits = jobs[0].result()
        assert_whole(hits, reader)
    assert {hit.file.metadata["text"] for hit in hits if hit.file.file_id == "steady"} == {version_of(2)}


@pytest.mark.parametrize("mode", [SearchMode.DENSE, SearchMode.TEXT])
@pytest.mark.parametrize("file_ids", [[], ["steady"]])
@pytest.mark.parametrize(
    "place", ["before the index is opened", "before the index is read", "before the catalog is read"]
)
def test_a_search_that_replacements_overtake_finds_the_newest_version(
    store: Path, monkeypatch: pytest.MonkeyPatch, mode: SearchMode, file_ids: list[str], place: str
) -> None:
    with open_engine(store) as reader, open_engine(store) as writer:
        reader.search(SearchRequest("beacon", mode=mode))
        versions = iter(range(1, 3))

        def overtake() -> None:
            number = next(versions, None)
            if number is not None:
                put(writer, "p", "steady", version_of(number))
                writer.drain()  # and the old chunks are swept

        target, name = {
            "before the index is opened": (reader.parts.index, "snapshot"),
            "before the index is read": (Snapshot, "look"),
            "before the catalog is read": (reader.parts.titles, "of"),
        }[place]
        real = getattr(target, name)

        def overtaken(*arguments: Any, **named: Any) -> Any:
            overtake()
            return real(*arguments, **named)

        monkeypatch.setattr(target, name, overtaken)
        hits = reader.search(SearchRequest("beacon", ["p"], file_ids, 50, mode, collapse=False))
        assert_whole(hits, reader)
        assert next(versions, None) != 1, "nothing overtook the search"
        assert contents(reader)["p", "steady"] == hits[0].file.metadata["text"] or not file_ids
        if place == "before the catalog is read":
            assert {hit.file.metadata["text"] for hit in hits if hit.file.file_id == "steady"} == {version_of(2)}


def test_work_on_a_file_that_was_deleted_and_swept_before_its_commit_is_dropped(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_engine(store) as engine, open_engine(store) as other:
        put(engine, "p", "late", note(77))
        real = engine.parts.database.write_lock

        def late(timeout_s: float = 600.0) -> Any:
            other.delete_files("p", ["late"])
            other.maintain()
            return real(timeout_s)

        monkeypatch.setattr(engine.parts.database, "write_lock", late)
        engine.drain()
        monkeypatch.undo()
        check(engine)
        assert [task.state for task in engine.tasks() if task.upload.file_id == "late"] == [TaskState.CANCELLED]


def test_a_replacement_that_fails_leaves_the_old_version(store: Path) -> None:
    with open_engine(store) as engine:
        before = engine.search(SearchRequest("beacon", ["p"], ["steady"], 50))
        task_id = put(engine, "p", "steady", "  \n ")
        engine.drain()
        assert engine.task(task_id).state is TaskState.FAILED
        assert [hit.chunk for hit in engine.search(SearchRequest("beacon", ["p"], ["steady"], 50))] == [
            hit.chunk for hit in before
        ]
        check(engine)


def test_of_fifty_adds_of_one_id_from_five_processes_exactly_one_is_accepted(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for number in range(20 if IS_LONG else 3):
        with ExitStack() as stack:
            drivers = [stack.enter_context(Driver(store)) for _ in range(5)]
            for driver in drivers:
                assert driver.receive()
            for n, driver in enumerate(drivers):
                for m in range(10):
                    driver.send(do="add", partition="p", file_id=f"one{number}", text=f"from {n} {m}")
            replies = [driver.receive() for driver in drivers for _ in range(10)]
        errors = [reply["error"] for reply in replies if reply]
        assert len(errors) == 50
        assert errors.count(None) == 1
        assert set(errors) == {None, "conflict"}
    with open_engine(store) as engine:
        stored = [revision for revision, _ in engine.parts.blobs.stored()]
        assert len(stored) == len(engine.tasks()) == number + 1, "bytes of refused adds were kept"


def test_of_many_threads_of_one_engine_exactly_one_adds_a_file(tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:

        def add(n: int) -> bool:
            try:
                submit(engine, "p", "one", f"text {n}")
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(10) as threads:
            assert sum(threads.map(add, range(50))) == 1


def test_threads_search_one_engine_while_it_works(store: Path) -> None:
    with open_engine(store) as engine, ThreadPoolExecutor(4) as threads:
        for n in range(1, 4):
            put(engine, "p", "steady", version_of(n))
            job = threads.submit(engine.drain)
            while not job.done():
                for hits in threads.map(engine.search, [SearchRequest("beacon", ["p"], (), 500, collapse=False)] * 3):
                    assert_whole(hits, engine)
            job.result()
        check(engine)


def test_two_commands_that_add_one_folder_at_once_add_each_file_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.md").write_text(note(n))
    store = tmp_path / "store"
    add = {"do": "add_folder", "partition": "p", "folder": str(folder), "if_exists": "fail"}
    with Driver(store) as first, Driver(store) as second:
        for driver in (first, second):
            assert driver.receive()
            driver.send(**add)
        replies = [first.receive(), second.receive()]
    for reply in replies:
        assert reply is not None
        assert reply["error"] is None, reply
        assert reply["result"]["failed"] == []
    with open_engine(store) as engine:
        check(engine)
        assert len(engine.files("p")) == 12
        assert len([task for task in engine.tasks() if task.state is TaskState.COMPLETED]) == 12
