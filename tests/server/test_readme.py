"""What the README says of a server, typed as it is written: two processes, a port and a token."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import start

README = Path(__file__).resolve().parent.parent.parent / "README.md"
SERVER, TOKEN = "http://team.example:8080", "a-long-secret"


def test_the_session_of_a_newcomer_on_another_machine_works_as_it_is_written(tmp_path, handbook):
    section = README.read_text(encoding="utf-8").split("On another machine,")[1]
    typed = "\n".join(line.removeprefix("    ") for line in re.findall(r"^    \S.*$", section, re.MULTILINE)[:6])
    assert typed.splitlines()[0] == f"export OPENRAG_SERVER={SERVER} OPENRAG_TOKEN={TOKEN}"
    (tmp_path / "there").mkdir()
    running = start(tmp_path / "there" / "store", env={"AUTH_TOKEN": TOKEN})
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    shutil.copytree(handbook, home / "docs")
    shutil.copytree(handbook / "people", home / "notes")
    command = home / "bin" / "openrag"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m openrag_cli "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENRAG_", "XDG_", "AUTH_"))}
    environment = kept | {"HOME": str(home), "PATH": f"{home / 'bin'}:{kept['PATH']}"}
    try:
        done = subprocess.run(
            ["bash", "-ec", typed.replace(SERVER, running.url)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        unguarded = subprocess.run(
            ["bash", "-c", "openrag file list -p handbook"],
            env=environment | {"OPENRAG_SERVER": running.url},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        assert running.stop() == 0
    assert done.returncode == 0, (done.stdout, done.stderr)
    for words in ("ops/keys.md", "90 days", "[1]", "the store"):
        assert words in done.stdout + done.stderr, words
    assert re.search(r"indexed \d+ files", done.stderr)
    assert re.search(r"synced \d+ files", done.stderr)
    assert unguarded.returncode == 4
    assert not list(home.rglob("openrag.db")), "nothing is kept here"
