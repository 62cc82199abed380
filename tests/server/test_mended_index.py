"""`doctor --fix` beside a running server, of a damaged index of vectors."""

import os
import subprocess
import sys
from pathlib import Path

from harness import open_engine
from synthetic_store import Shape, fill

from openrag_cli.index.policy import Lists

from .conftest import start

QUERY = {"text": "w00001 w00020", "mode": "dense"}


def run(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the store in a process of its own."""
    environment = {**os.environ, "OPENRAG_CONFIG": os.devnull}
    command = [sys.executable, "-m", "openrag_cli", "--store", str(store), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_server_and_another_process_go_on_when_the_index_of_vectors_is_mended(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with open_engine(store) as engine:
        fill(engine, Shape(3000, 1, words_per_chunk=8))
        with engine.parts.database.write_lock():
            engine.parts.index.ensure_keys()
            engine.parts.index.sort_vectors(Lists(128))
    running = start(store)
    try:
        with running.client() as client:

            def found() -> tuple[int, list[str]]:
                answer = client.get("/search", params=QUERY)
                return answer.status_code, [hit["metadata"]["_id"] for hit in answer.json().get("documents", [])]

            status, wanted = found()
            assert (status, len(wanted)) == (200, 5)
            os.truncate(next((store / "lance").rglob("auxiliary.idx")), 3000)
            search = ("search", QUERY["text"], "--mode", "dense", "--all")
            damaged = run(store, *search)
            assert (damaged.returncode, "doctor --fix" in damaged.stderr) == (74, True), damaged.stderr
            mended = run(store, "doctor", "--fix")
            assert "made again from the stored texts and vectors" in mended.stdout + mended.stderr
            status, again = found()
            assert (status, len(again), again[0]) == (200, 5, wanted[0])
            after = run(store, *search)
            assert (after.stdout.count("-p big"), after.stderr) == (5, "")
            looked = run(store, "doctor").stdout
            assert "the index is damaged" not in looked
            assert "3,000 rows" in looked
    finally:
        assert running.stop() == 0
