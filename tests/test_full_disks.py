"""A disk that is full, under each folder that a command uses: one sentence, the exit code of the table, nothing lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machines import namespaces

PROGRAM = f"{sys.executable} -m openrag_cli"
FULL = """
set -e
cp -a "$full" "$copy"
mount -t tmpfs -o size=$(( $(du -sk "$copy" | cut -f1) + 200 ))k tmpfs "$full"
cp -a "$copy/." "$full/"
dd if=/dev/zero of="$full/filler" bs=1k 2> "$copy.log" || true
cd "$work"
"$@"
"""


@pytest.fixture
def machine(tmp_path, handbook):
    """Run a command where one of the folders `store`, `tmp`, `home` and `cache` lies on a disk that is full."""
    for name in ("tmp", "home", "cache"):
        (tmp_path / name).mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "OPENRAG_STORE": str(tmp_path / "store"),
        "OPENRAG_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(Path(__file__).resolve().parent.parent)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run(f"{PROGRAM} -q file add {handbook} -p h", shell=True, env=env, check=True, timeout=120)

    def run(full, command):
        work = {"full": str(tmp_path / full), "copy": str(tmp_path / "copy"), "work": str(tmp_path)}
        script = [*namespaces(), "sh", "-c", FULL, "sh", *PROGRAM.split(), *command]
        done = subprocess.run(script, env=env | work, capture_output=True, text=True, timeout=120, check=False)
        shutil.rmtree(tmp_path / "copy")
        assert "Traceback" not in done.stderr
        assert "a bug" not in done.stderr
        return done

    return run


@pytest.mark.parametrize(
    "command",
    [
        ["file", "add", "handbook", "-p", "new"],
        ["file", "sync", "handbook", "-p", "new"],
        ["file", "delete", "ops/keys.md", "-p", "h", "--yes"],
        ["store", "optimize"],
    ],
    ids=" ".join,
)
def test_what_writes_to_a_full_store_is_one_sentence(machine, command):
    told = machine("store", command)
    assert told.returncode == 74, told.stderr
    assert told.stderr.count("no space left for the store") == 1
    assert machine("home", ["search", "rotate api keys", "-p", "h", "-l"]).stdout == "handbook/ops/keys.md\n"


@pytest.mark.parametrize(
    "command",
    [["search", "rotate api keys", "-p", "h"], ["ask", "how often do we rotate api keys?", "-p", "h"],
     ["file", "get", "ops/keys.md", "-p", "h"], ["file", "list", "-p", "h"]],
    ids=" ".join,
)  # fmt: skip
def test_a_full_store_can_still_be_read(machine, command):
    told = machine("store", command)
    assert told.returncode == 0, told.stderr
    assert "keys" in told.stdout


@pytest.mark.parametrize("full", ["tmp", "home", "cache"])
def test_work_is_done_or_the_full_folder_is_named(machine, full):
    told = machine(full, ["file", "add", "handbook", "-p", "new"])
    assert told.returncode == 0 or (told.returncode == 74 and full in told.stderr), told.stderr
    assert machine(full, ["search", "rotate api keys", "-p", "h", "-k", "1"]).returncode == 0


def test_settings_that_cannot_be_written_are_named(machine):
    told = machine("home", ["config", "set", "threads", "2"])
    assert told.returncode == 74, told.stderr
    assert "config.toml" in told.stderr
