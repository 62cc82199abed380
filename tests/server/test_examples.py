"""The guide for OpenAI clients, as a script and as a notebook, against a live server."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import start, wait_for

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "openai_guide.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")


@pytest.fixture(scope="module")
def handbook(tmp_path_factory):
    """A server with the example documents."""
    server = start(tmp_path_factory.mktemp("examples") / "store")
    with server.client() as client:
        for path in sorted((ROOT / "examples" / "handbook").rglob("*.*")):
            posted = client.post(f"/indexer/partition/handbook/file/{path.name}", files={"file": path.read_bytes()})
            assert wait_for(client, posted.json()["task_status_url"])["task_state"] == "COMPLETED"
    yield server
    assert server.stop() == 0


def test_the_script_runs_and_says_what_the_documents_say(handbook):
    environment = {**os.environ, "OPENRAG_URL": handbook.url}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "openrag-handbook" in done.stdout
    assert done.stdout.count("every 90 days") >= 3
    assert "2 vectors of 384 numbers" in done.stdout
    assert "sources: ['keys.md']" in done.stdout


def test_the_notebook_runs_and_is_the_script(handbook, monkeypatch):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from build_notebook import make
    finally:
        sys.path.pop(0)
    fresh = make(SCRIPT.read_text())
    kept = nbformat.read(NOTEBOOK, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.cell_type, cell.source) for cell in fresh.cells
    ]
    assert all(
        cell.outputs or "def " in cell.source or "import" in cell.source
        for cell in kept.cells
        if cell.cell_type == "code"
    )
    monkeypatch.setenv("OPENRAG_URL", handbook.url)
    NotebookClient(fresh, timeout=120, kernel_name="python3").execute()
    printed = "".join(output.get("text", "") for cell in fresh.cells for output in cell.get("outputs", ()))
    assert "every 90 days" in printed
