"""`doctor --fix` beside a running server, of a damaged index of vectors."""

import os
import subprocess
import sys
from pathlib import Path

from harness import open_engine, put
from synthetic_store import Shape, fill

from openrag_cli.index.policy import Lists

from .conftest import start

QUERY = {"text": "How is the bilge pump of the trawler drained?", "mode": "dense"}
ANSWER = "The bilge pump of the trawler is drained by its lowest plug."
"""A passage nearer to the query by far than the vectors that are drawn: the lists, in which the approximate index sorts
them anew each time, cannot miss it."""


def run(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the store in a process of its own."""
    environment = {**os.environ, "OPENRAG_CONFIG": os.devnull}
    command = [sys.executable, "-m", "openrag_cli", "--store", str(store), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_server_and_another_process_go_on_when_the_index_of_vectors_is_mended(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with open_engine(store) as engine:
        fill(engine, Shape(3000, 1, words_per_chunk=8))
        put(engine, "big", "pump.md", ANSWER)
        engine.drain()
        with engine.parts.database.write_lock():
            engine.parts.index.ensure_keys()
            engine.parts.index.sort_vectors(Lists(128))
    running = start(store)
    try:
        with running.client() as client:

            def found() -> tuple[int, int, str]:
                answer = client.get("/search", params=QUERY)
                hits = answer.json().get("documents", [])
                return answer.status_code, len(hits), hits[0]["content"] if hits else ""

            assert found() == (200, 5, ANSWER)
            os.truncate(next((store / "lance").rglob("auxiliary.idx")), 3000)
            search = ("search", QUERY["text"], "--mode", "dense", "--all")
            damaged = run(store, *search)
            assert (damaged.returncode, "doctor --fix" in damaged.stderr) == (74, True), damaged.stderr
            mended = run(store, "doctor", "--fix")
            assert "made again from the stored texts and vectors" in mended.stdout + mended.stderr
            assert found() == (200, 5, ANSWER)
            after = run(store, *search)
            assert (after.stdout.count("-p big"), after.stderr) == (5, "")
            looked = run(store, "doctor").stdout
            assert "the index is damaged" not in looked
            assert "3,001 rows" in looked
    finally:
        assert running.stop() == 0
