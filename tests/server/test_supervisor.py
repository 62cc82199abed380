"""The supervisor by itself, with workers that only sleep."""

import sys
import time

from openrag_cli.server.supervisor import Supervisor

SLEEP = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def _until(is_so, what):
    deadline = time.monotonic() + 30
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
