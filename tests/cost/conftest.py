"""One synthetic store of 100,000 files, made once per run straight into the catalog; and what counts the costs.

Chunks and originals are not there: only what an operation needs of them is made by its test. Numbers are counted, never
times: statements, steps of SQLite's machine, rows, bytes written, descriptors.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import open_engine
from synthetic_store import Shape, fill

from openrag_cli.engine import Engine

N_FILES = 100_000
N_QUEUED = 20_000


@pytest.fixture(scope="session")
def big_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, made by whichever worker of the run comes first; copy it before changing it."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    with (shared / "big-store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "big-store").exists():
            with open_engine(shared / "making-big-store") as engine:
                fill(engine, Shape(N_FILES, chunks_per_file=1), with_index=False)
            (shared / "making-big-store").rename(shared / "big-store")
    return shared / "big-store"


@pytest.fixture
def big(big_store: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a copy of the store."""
    shutil.copytree(big_store, tmp_path / "store")
    with open_engine(tmp_path / "store") as engine:
        yield engine


@dataclass
class Cost:
    """What a block cost: SQL statements, thousands of steps of SQLite's machine, bytes written, descriptors left."""

    statements: list[str] = field(default_factory=list)
    kilosteps: int = 0
    bytes_written: int = 0
    descriptors: int = 0


def _written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


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
        connection.set_trace_callback(cost.statements.append)

        def step() -> int:
            cost.kilosteps += 1
            return 0

        connection.set_progress_handler(step, 1000)
        written, descriptors = _written(), len(os.listdir("/proc/self/fd"))
        try:
            yield cost
        finally:
            cost.bytes_written = _written() - written
            cost.descriptors = len(os.listdir("/proc/self/fd")) - descriptors
            connection.set_trace_callback(None)
            connection.set_progress_handler(None, 1000)

    return count
