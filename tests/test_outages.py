"""What hangs, leaks or goes wrong for good when something around openrag fails for a while."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import find, open_engine, put

from openrag_cli.config.settings import Settings
from openrag_cli.documents.sandbox.protocol import Converted
from openrag_cli.engine import Engine
from openrag_cli.errors import Forbidden, IngestError, OpenRAGError, StoreFull
from openrag_cli.ingest import worker as ingest_worker
from openrag_cli.ingest.report import TaskDone
from openrag_cli.ingest.worker import Worker
from openrag_cli.store.database import Database
from openrag_cli.wiring import Components, built_once

PATIENCE_S = 10.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "store") as engine:
        yield engine


class SlowConverter:
    """A converter whose documents never end, but the first when `has_quick`, until it is closed."""

    def __init__(self, *, has_quick: bool) -> None:
        self._quick = ["quick"] if has_quick else []
        self._closed = threading.Event()
        self.was_waited_for = False

    def convert(self, path: Path, filename: str) -> Converted:
        if self._quick and self._quick.pop():
            raise IngestError("the first document ends at once", reason="corrupt")
        if not self._closed.wait(PATIENCE_S):
            self.was_waited_for = True
        raise Forbidden("closed")

    def close(self) -> None:
        self._closed.set()


def _second_ctrl_c() -> bool:
    raise KeyboardInterrupt


def _no_space(_: TaskDone) -> None:
    raise StoreFull("no space left")


@pytest.mark.parametrize("ends_by", ["a second Ctrl-C", "a full disk at the commit"])
def test_nobody_waits_for_a_slow_document_when_a_run_ends_at_once(engine: Engine, ends_by: str) -> None:
    for name in ("a", "b"):
        put(engine, "p", name, "text")
    is_full = ends_by.startswith("a full disk")
    converter = SlowConverter(has_quick=is_full)
    ingester = engine.parts.ingester(engine.parts.embedder, converter, 2)
    looks = iter([False, False])

    def stops() -> bool:
        return next(looks, None) is None and (not is_full and _second_ctrl_c())

    with pytest.raises(StoreFull if is_full else KeyboardInterrupt):
        ingester.run(
            lambda n: engine.parts.queue.claim("w", limit=n), _no_space if is_full else lambda _: None, stops
        )
    assert not converter.was_waited_for


def test_the_heartbeat_outlives_a_store_that_cannot_be_opened_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_worker, "HEARTBEAT_S", 0.001)

    class Queue:
        """A queue whose file cannot be opened once: no descriptor was free, or it was mounted again."""

        def __init__(self) -> None:
            self.n_beats = 0
            self.has_gone_on = threading.Event()

        def heartbeat(self, _: str) -> None:
            self.n_beats += 1
            if self.n_beats == 2:
                raise Forbidden("the catalog cannot be opened for writing")
            if self.n_beats > 2:
                self.has_gone_on.set()

        def release(self, _: str) -> None:
            """Nothing is held."""

    queue = Queue()
    with Worker(queue, None)._alive():  # type: ignore[arg-type]
        assert queue.has_gone_on.wait(PATIENCE_S)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_the_connections_of_threads_that_ended_are_closed(tmp_path: Path) -> None:
    database = Database(tmp_path / "store" / "openrag.db")
    database.rows("SELECT 1")

    def n_open() -> int:
        found = 0
        for entry in Path("/proc/self/fd").iterdir():
            try:
                found += os.readlink(entry).startswith(str(database.path))
            except OSError:
                continue
        return found

    def burst() -> None:
        everybody = threading.Barrier(20)

        def read() -> None:
            database.rows("SELECT 1")
            everybody.wait()

        threads = [threading.Thread(target=read) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    after = []
    for _ in range(4):
        burst()
        after.append(n_open())
    assert len(set(after[1:])) == 1, "SQLite keeps one burst's descriptors of the file itself and uses them again"
    database.close()
    assert n_open() == 0


def test_many_threads_at_once_build_each_part_once(tmp_path: Path) -> None:
    """Slowed down, so that every thread comes while the first one builds: on any Python."""

    class Slow(Components):
        n_built = 0

        @built_once
        def part(self) -> object:
            Slow.n_built += 1
            time.sleep(0.05)
            return object()

    def settings() -> Settings:
        with open_engine(tmp_path / "store") as engine:
            return engine.settings

    slow, other = Slow(settings()), Slow(settings())
    found: list[object] = []
    barrier = threading.Barrier(16)

    def ask() -> None:
        barrier.wait()
        found.append(slow.part)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Slow.n_built == 1
    assert set(map(id, found)) == {id(slow.part)}
    assert other.part is not slow.part


def test_the_first_searches_of_many_threads_share_one_index(tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "f", "the pump weighs two tons")
        engine.drain()
    with open_engine(tmp_path / "store") as engine:
        failures: list[OpenRAGError] = []
        indexes: set[int] = set()
        barrier = threading.Barrier(12)

        def search() -> None:
            barrier.wait()
            try:
                assert find(engine, "pump")
                indexes.add(id(engine.parts.index))
            except OpenRAGError as exc:
                failures.append(exc)

        threads = [threading.Thread(target=search) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(indexes) == 1


def test_only_a_newline_ends_an_id_that_is_read_from_stdin(process, tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "plain.md", "text")
        put(engine, "p", "e\u3000f.md", "text")
        engine.drain()
    done = process(
        "file", "delete", "-", "-p", "p", "--yes", "--json", stdin="plain.md\r\na\u2028b.md\ne\u3000f.md\n".encode()
    )
    assert done.json["deleted"] == 2
    assert [failure["file_id"] for failure in done.json["failures"]] == ["a\u2028b.md"]
