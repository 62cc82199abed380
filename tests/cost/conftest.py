"""One synthetic store of 100,000 files and 200,000 chunks, made once per run straight into catalog and index; and what
counts the costs.

Originals are not there: only what an operation needs of them is made by its test. Numbers are counted, never times:
statements, steps of SQLite's machine, rows read from the index, its versions, bytes written, descriptors.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness import open_engine
from synthetic_store import Shape, fill

from openrag_cli.engine import Engine
from openrag_cli.index.table import Index

N_FILES = 100_000
CHUNKS_PER_FILE = 2
SMALL = tuple(f"small{n}" for n in range(10))
SHARES = {"big": 890, "tenth": 100, **dict.fromkeys(SMALL, 1)}


@pytest.fixture(scope="session")
def big_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, made by whichever worker of the run comes first; copy it before changing it."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    with (shared / "big-store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "big-store").exists():
            with open_engine(shared / "making-big-store") as engine:
                fill(engine, Shape(N_FILES, CHUNKS_PER_FILE, SHARES, is_spread=False, words_per_chunk=20))
                engine.maintain()
            (shared / "making-big-store").rename(shared / "big-store")
    return shared / "big-store"


@pytest.fixture(scope="session")
def read_only(big_store: Path) -> Iterator[Engine]:
    """An engine on the store itself, for what only reads."""
    with open_engine(big_store) as engine:
        yield engine


@pytest.fixture
def big(big_store: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a copy of the store; the files of the index, which are never written to again, are links."""
    shutil.copytree(big_store, tmp_path / "store", ignore=shutil.ignore_patterns("lance"))
    shutil.copytree(big_store / "lance", tmp_path / "store" / "lance", copy_function=os.link)
    with open_engine(tmp_path / "store") as engine:
        yield engine


@dataclass
class Cost:
    """What a block cost: SQL statements, thousands of steps of SQLite's machine, rows read from the index and versions
    made of it, bytes written, descriptors left."""

    statements: list[str] = field(default_factory=list)
    kilosteps: int = 0
    index_rows: int = 0
    versions: int = 0
    bytes_written: int = 0
    descriptors: int = 0


def _written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def _count_rows(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the rows that an index gives to whoever asks."""
    look, rows = Index.look, Index._rows

    def looking(index: Index, ask: Any) -> Any:
        found = look(index, ask)
        cost.index_rows += len(found.rows)
        return found

    def reading(index: Index, *asked: Any) -> Any:
        found = rows(index, *asked)
        cost.index_rows += len(found)
        return found

    monkeypatch.setattr(Index, "look", looking)
    monkeypatch.setattr(Index, "_rows", reading)


@pytest.fixture
def counting() -> "Callable[[Engine], object]":
    """`with counting(engine) as cost` counts what this thread's connection does in the block."""
    if not Path("/proc/self/io").exists():
        pytest.skip("bytes written are counted by /proc/self/io, which is Linux's")

    @contextmanager
    def count(engine: Engine) -> Iterator[Cost]:
        cost = Cost()
        with engine.parts.database.snapshot() as connection:
            pass  # the connection of this thread
        version = engine.parts.index.version()  # the index is open from now on
        connection.set_trace_callback(cost.statements.append)

        def step() -> int:
            cost.kilosteps += 1
            return 0

        connection.set_progress_handler(step, 1000)
        written, descriptors = _written(), len(os.listdir("/proc/self/fd"))
        with pytest.MonkeyPatch.context() as monkeypatch:
            _count_rows(cost, monkeypatch)
            try:
                yield cost
            finally:
                cost.versions = engine.parts.index.version() - version
                cost.bytes_written = _written() - written
                cost.descriptors = len(os.listdir("/proc/self/fd")) - descriptors
                connection.set_trace_callback(None)
                connection.set_progress_handler(None, 1000)

    return count
