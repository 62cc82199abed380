"""Nothing leaves this machine that nobody asked for: no socket, no name looked up, no file of somebody else's."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from server.conftest import added, start
from sockets import foreign_sockets

from openrag_cli.contract.schemas import COMMANDS

GROUPS = {name.split(" ")[0] for name in COMMANDS if " " in name}

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

REST = [
    ["grep", "Rotate"], ["open", "ops/keys.md", "--print"], ["extract", "show", "0" * 32],
    ["file", "edit", "ops/keys.md", "-p", "p", "-m", "x=1"], ["file", "keys", "-p", "p"],
    ["file", "refresh", "ops/keys.md", "-p", "p"], ["file", "replace", "ops/keys.md", "docs/ops/keys.md", "-p", "p"],
    ["file", "rename", "ops/keys.md", "k.md", "-p", "p"], ["partition", "create", "new"], ["partition", "show", "p"],
    ["session", "show", "s"], ["session", "export", "s"], ["session", "search", "keys"],
    ["eval", "run", "questions.jsonl", "-p", "p"],
    ["view", "create", "v", "-p", "p"], ["view", "list"], ["view", "show", "v"], ["view", "delete", "v", "--yes"],
    ["session", "delete", "s", "--yes"], ["store", "optimize"],
    ["config", "get", "language"], ["config", "set", "language", "English"], ["config", "unset", "language"],
    ["config", "path"], ["config", "trust"], ["config", "untrust"], ["config", "validate"], ["completion", "bash"],
    ["task", "show", "0" * 48], ["task", "log", "0" * 48], ["task", "error", "0" * 48], ["task", "wait", "0" * 48],
    ["task", "retry", "0" * 48], ["task", "cancel", "0" * 48], ["task", "prune", "--older-than", "1d"], ["task", "run"],
]  # fmt: skip
"""The other commands but `serve`, which are run in one process."""

IN_ONE_PROCESS = (
    PROGRAM.partition("from openrag_cli.__main__")[0]
    + """
import json
from openrag_cli.cli import main
codes = [main.run(words) for words in json.loads(sys.argv[2])]
print("\\n" + json.dumps(codes))
"""
)


@pytest.fixture
def home(tmp_path, handbook):
    """An empty home and an empty folder for temporary files, with the documents of the example beside them."""
    handbook.rename(tmp_path / "docs")
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def _run(home: Path, mode: str, *arguments: str, program: str = PROGRAM) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
    return subprocess.run(
        [sys.executable, "-c", program, mode, *arguments],
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
    ours = tuple(f"home/{place}/openrag/" for place in (".local/share", ".cache", ".local/state", ".config"))
    return {name for name in found if not name.startswith(ours)}


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_no_command_opens_a_socket_or_leaves_a_file_of_somebody_elses(home):
    for arguments in SESSION:
        done = _run(home, "silent", *arguments)
        assert done.returncode in {0, 1}, (arguments, done.returncode, done.stderr.decode())
        assert _foreign(home) == set(), arguments


def test_every_command_is_among_them():
    named = {
        " ".join(words[:2]) if words[0] in GROUPS else words[0]
        for words in [*SESSION, *REST]
        if words[0] != "--store"
    }
    assert named == {name for name in COMMANDS if name} - {"serve", "restore"}


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_the_other_commands_open_no_socket_either(home):
    assert _run(home, "silent", "file", "add", "docs", "-p", "p").returncode == 0
    (home / "questions.jsonl").write_text(
        '{"question": "how often?", "relevant": ["ops/keys.md"], "answers": ["90"]}'
    )
    done = _run(home, "silent", json.dumps(REST), program=IN_ONE_PROCESS)
    assert done.returncode == 0, (done.returncode, done.stderr.decode())  # else the filter has killed it
    codes = json.loads(done.stdout.decode().splitlines()[-1])
    assert len(codes) == len(REST)
    assert not {2, 70} & set(codes), list(zip(codes, REST, strict=True))
    assert _foreign(home) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_without_our_variables_the_runtime_does_leave_files_so_that_the_test_above_can_fail(home):
    _run(home, "loud", *SESSION[0])
    assert _foreign(home)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are listed by Linux's /proc")
def test_a_server_has_only_its_listening_socket_and_its_clients(home, is_long):
    server = start(home / "store", env={"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")})
    port = int(server.url.rpartition(":")[2])
    over = threading.Event()
    threading.Timer(120 if is_long else 12, over.set).start()
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
