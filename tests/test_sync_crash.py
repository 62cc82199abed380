"""A sync killed with SIGKILL anywhere, then run twice: the second run changes nothing, and the store equals a clean one."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import CACHE, IS_LONG, check, open_engine

from openrag_cli.domain import SearchMode
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.sync.outcome import SyncOptions
from openrag_cli.sync.plan import DeleteLimit

FAILPOINTS = ("spooled", "stored", "queued", "converted", "committed", "completed", "renamed", "deleting", "settling")
N_RANDOM = 5


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def text_of(n: int) -> str:
    return f"# Note {n}\n\nThe animal number{n} lives here.\n\n## More\n\nAnd number{n} is fed daily.\n"


def build(folder: Path) -> None:
    write(folder, {f"{'ab'[n % 2]}/{n}.md": text_of(n) for n in range(24)})


def change(folder: Path) -> None:
    """Change the folder as the second sync finds it: files are added, replaced, moved and deleted."""
    write(folder, {"a/0.md": text_of(100), "new/1.md": text_of(101), "new/2.md": text_of(102)})
    (folder / "b").rename(folder / "c")
    for name in ("a/2.md", "a/4.md", "c/3.md"):
        (folder / name).unlink()


def options(folder: Path) -> SyncOptions:
    return SyncOptions(folder, "p", is_deleting=True, max_delete=DeleteLimit(100, is_percent=True))


def start(store: Path, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a sync as cron does."""
    command = [sys.executable, "-m", "openrag_cli", "-q", "--store", str(store), "file", "sync", str(folder)]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    fixed = {"OPENRAG_CACHE": str(CACHE), "OPENRAG_CONFIG": os.devnull, "OPENRAG_THREADS": "1", "LANCE_LOG": "error"}
    return subprocess.Popen(
        [*command, "-p", "p", "--delete", "--max-delete", "100%"],
        env=kept | fixed | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answers(engine: Engine, queries: list[str]) -> list[list[tuple[str, int, str, float]]]:
    """Return what a store answers, hit by hit; equal scores in the order of names."""
    found = []
    for query in queries:
        for mode in SearchMode:
            hits = engine.search(SearchRequest(query, mode=mode, top_k=100))
            parts = [(hit.file.file_id, hit.chunk.ordinal, hit.chunk.span.text, round(hit.score, 5)) for hit in hits]
            found.append(sorted(parts, key=lambda part: (-part[3], part)))
    return found


def assert_ends_clean(store: Path, folder: Path, clean: Engine, queries: list[str]) -> None:
    """Sync twice, and compare with a store that was built without a kill."""
    with open_engine(store) as engine:
        first = engine.sync_folder(options(folder))
        assert first.report.failures == []
        version, n_tasks = engine.parts.index.version(), len(engine.tasks())
        second = engine.sync_folder(options(folder))
        report = second.report
        assert (report.added, report.replaced, report.moved, report.deleted, report.failed) == (0, 0, 0, 0, 0)
        assert not second.plan.remember
        assert not second.plan.forget
        assert (engine.parts.index.version(), len(engine.tasks())) == (version, n_tasks)
        check(engine)
        expected = {file.file_id: (file.sha256, file.chunk_count) for file in clean.files("p")}
        assert {file.file_id: (file.sha256, file.chunk_count) for file in engine.files("p")} == expected
        assert answers(engine, queries) == answers(clean, queries)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has changed since its store was synced, that store, and a clean store of the folder as it is."""
    root = tmp_path_factory.mktemp("sync")
    build(root / "folder")
    with open_engine(root / "store") as engine:
        engine.sync_folder(options(root / "folder"))
    change(root / "folder")
    with open_engine(root / "clean") as engine:
        engine.sync_folder(options(root / "folder"))
    return root


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_sync_killed_at_each_boundary_is_finished_by_the_next_and_the_one_after_changes_nothing(
    template: Path, tmp_path: Path, failpoint: str
) -> None:
    store = tmp_path / "store"
    shutil.copytree(template / "store", store)
    process = start(store, template / "folder", OPENRAG_FAILPOINT=failpoint)
    assert process.wait(60) == -9, "the sync did not reach the failpoint"
    with open_engine(template / "clean") as clean:
        assert_ends_clean(store, template / "folder", clean, ["number100 lives here", "number7", "fed daily"])


def kill_and_compare(root: Path, folder: Path, queries: list[str], *, n_kills: int, longest_s: float) -> None:
    """Kill syncs of a folder one after another at random moments, then compare."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    for _ in range(n_kills):
        process = start(root / "store", folder)
        time.sleep(choose.uniform(0, longest_s))  # the kill falls anywhere: this waits for nothing
        process.kill()
        process.wait(60)
    with open_engine(root / "clean") as clean:
        clean.sync_folder(options(folder))
        assert_ends_clean(root / "store", folder, clean, queries)


def test_syncs_killed_at_random_moments_end_as_if_they_had_not_been(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template / "store", tmp_path / "store")
    kill_and_compare(tmp_path, template / "folder", ["number100", "number7"], n_kills=N_RANDOM, longest_s=3.0)


@pytest.mark.timeout(0)
@pytest.mark.skipif(not IS_LONG, reason="takes half an hour: pytest --long")
def test_syncs_of_real_documents_killed_at_random_moments_end_as_if_they_had_not_been(
    shared: Path, tmp_path: Path
) -> None:
    queries = [
        "list files in a folder",
        "how does a pipeline retrieve documents",
        "type hints",
        "compress an archive",
    ]
    kill_and_compare(tmp_path, shared / "docs", queries, n_kills=50, longest_s=20.0)
