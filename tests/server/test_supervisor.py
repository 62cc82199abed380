"""The supervisor by itself, with workers that only sleep; and what workers that do not say in the log."""

import json
import re
import sys
import time

import pytest

from openrag_cli.server.supervisor import Supervisor

from .conftest import start

SLEEP = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def _until(is_so, what):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_it_goes_on_after_its_notes_could_not_be_written(tmp_path, caplog):
    (tmp_path / "supervisor.new").mkdir()  # in the way, as a full disk would be
    supervisor = Supervisor(tmp_path, command=SLEEP, n_workers=1)
    supervisor.start()
    try:
        _until(lambda: "again in" in caplog.text, "nothing was logged")
        assert supervisor.status()["running"] == 0
        (tmp_path / "supervisor.new").rmdir()
        _until(lambda: supervisor.status()["running"] == 1, "no worker is running")
    finally:
        supervisor.stop()
    assert not supervisor._thread.is_alive()


def test_it_waits_for_a_lock_that_cannot_be_opened_and_ends_when_told(tmp_path, caplog):
    (tmp_path / "supervisor.lock").mkdir()  # in the way, as a store that can only be read would be
    supervisor = Supervisor(tmp_path, command=SLEEP, n_workers=1)
    supervisor.start()
    try:
        _until(lambda: "no workers until" in caplog.text, "nothing was logged")
        (tmp_path / "supervisor.lock").rmdir()
        _until(lambda: supervisor.status()["running"] == 1, "no worker is running")
    finally:
        supervisor.stop()
    assert not supervisor._thread.is_alive()
    assert caplog.text.count("no workers until") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_tells_of_each_file_and_of_workers(tmp_path, form):
    server = start(tmp_path / "store", env={"OPENRAG_LOG_FORMAT": form})
    log = tmp_path / "server.log"
    try:
        with server.client() as client:
            for name, content in (("a.md", b"# Heron\n\nThe heron stands.\n"), ("b.pdf", b"%PDF-1.4\nnothing\n")):
                client.post(f"/indexer/partition/p/file/{name}", files={"file": (name, content)}).raise_for_status()
        _until(lambda: "indexed p/a.md: 1 chunks" in log.read_text(), "an indexed file was not told")
        _until(lambda: "failed: p/b.pdf: " in log.read_text(), "a failed file was not told")
        _until(lambda: re.search(r"worker \d+ starts", log.read_text()) is not None, "no worker was told")
    finally:
        assert server.stop() == 0
    assert re.search(r"worker \d+ stops", log.read_text())
    if form == "json":
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert any(line.get("message", "").startswith("indexed p/a.md") for line in lines)
