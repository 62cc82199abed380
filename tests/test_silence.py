"""Nothing leaves this machine that nobody asked for: no socket, no name looked up, no file of somebody else's."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from server.conftest import added, start
from sockets import foreign_sockets

PROGRAM = """
import sys
from openrag_cli.config import silence
from openrag_cli.documents.sandbox.no_network import forbid_network
forbid_network(kill=True)
if sys.argv[1] == "loud":
    silence.SILENCE.clear()
from openrag_cli.__main__ import main
sys.argv = ["openrag", *sys.argv[2:]]
main()
"""
SESSION = [
    ["file", "add", "docs", "-p", "p"],
    ["search", "rotate api keys", "-p", "p"],
    ["search", "rotate api keys", "--mode", "text", "--json"],
    ["ask", "how often are keys rotated?", "-p", "p"],
    ["chat", "-p", "p"],
    ["file", "sync", "docs", "-p", "synced"],
    ["file", "list", "-p", "p"],
    ["file", "show", "ops/keys.md", "-p", "p"],
    ["file", "get", "ops/keys.md", "-p", "p"],
    ["partition", "list"],
    ["task", "list"],
    ["session", "list"],
    ["doctor"],
    ["config", "show"],
    ["schema", "search"],
    ["help", "filters"],
    ["export", "-p", "p", "-o", "out"],
    ["import", "out", "-p", "copy"],
    ["backup", "store.tar"],
    ["--store", "other", "restore", "store.tar"],
    ["file", "delete", "ops/keys.md", "-p", "p", "--yes"],
    ["partition", "delete", "copy", "--yes"],
]


@pytest.fixture
def home(tmp_path, handbook):
    """An empty home and an empty folder for temporary files, with the documents of the example beside them."""
    handbook.rename(tmp_path / "docs")
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def _run(home: Path, mode: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, mode, *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        input=b"how often are keys rotated?\n",
        timeout=120,
        check=False,
    )


def _foreign(home: Path) -> set[str]:
    """Return the files below the home and the temporary folder that are not ours."""
    found = {
        path.relative_to(home).as_posix()
        for name in ("home", "tmp")
        for path in (home / name).rglob("*")
        if path.is_file()
    }
    ours = ("home/.local/share/openrag/", "home/.cache/openrag/", "home/.local/state/openrag/")
    return {name for name in found if not name.startswith(ours)}


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_no_command_opens_a_socket_or_leaves_a_file_of_somebody_elses(home):
    for arguments in SESSION:
        done = _run(home, "silent", *arguments)
        assert done.returncode in {0, 1}, (arguments, done.returncode, done.stderr.decode())
        assert _foreign(home) == set(), arguments


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_without_our_variables_the_runtime_does_leave_files_so_that_the_test_above_can_fail(home):
    _run(home, "loud", *SESSION[0])
    assert _foreign(home)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are listed by Linux's /proc")
def test_a_server_has_only_its_listening_socket_and_its_clients(home, is_long):
    server = start(home / "store", env={"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")})
    port = int(server.url.rpartition(":")[2])
    over = threading.Event()
    threading.Timer(120 if is_long else 30, over.set).start()
    others: set[str] = set()
    try:
        with server.client() as client:
            added(client, "/indexer/partition/p/file/a.md", "Rotate the keys every 90 days.")
            while not over.wait(0.05):
                client.get("/search", params={"text": "keys"})
                others |= foreign_sockets(server.process.pid, port)
    finally:
        server.stop()
    assert not others
    assert _foreign(home) == set()
