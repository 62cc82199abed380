"""A store and an export that 0.1.0 wrote: migrated with a copy of the catalog kept, and every command works on them.

`fixtures/` holds both as 0.1.0 made them: a partition of four kinds of files with metadata (one key of which is ours
today), one synced from a folder, a task that failed and one that waits, a session.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import check, contents, open_engine

from openrag_cli.cli.main import run
from openrag_cli.domain import TaskState

FIXTURES = Path(__file__).parent / "fixtures"


def unpack(name: str, folder: Path) -> Path:
    with tarfile.open(FIXTURES / f"{name}-0.1.0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


@pytest.fixture
def store(environment, tmp_path: Path) -> Path:
    """The store of 0.1.0, where the program looks for it."""
    return unpack("store", tmp_path)


def format_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_catalog_is_migrated_once_with_a_copy_kept_beside_it_and_said(cli, process, store: Path) -> None:
    assert format_of(store / "openrag.db") == 3
    first = process("partition", "list", "--json")
    assert first.code == 0
    assert first.err.count("is kept as") == 1
    assert str(store / "openrag.db.format3") in first.err
    assert {entry["partition"]: entry["files"] for entry in first.json["partitions"]} == {"handbook": 4, "notes": 2}
    assert format_of(store / "openrag.db.format3") == 3
    assert format_of(store / "openrag.db") > 3
    assert cli("partition", "list").err == ""
    assert format_of(store / "openrag.db.format3") == 3


READING = (
    ("file", "list", "-p", "handbook"),
    ("file", "list", "-p", "all"),
    ("file", "show", "keys.md", "-p", "handbook"),
    ("file", "get", "keys.md", "-p", "handbook"),
    ("file", "get", "notes/clés.txt", "-p", "handbook", "--raw"),
    ("partition", "show", "handbook"),
    ("search", "how often do the keys rotate", "-p", "handbook"),
    ("search", "--mode", "text", "gneiss"),
    ("search", "keys", "--filter", "year = 2024"),
    ("ask", "how often do the keys rotate?", "-p", "handbook"),
    ("task", "list"),
    ("session", "list"),
    ("session", "show", "keys"),
    ("doctor",),
)


def test_every_reading_command_works_on_it(cli, store: Path) -> None:
    for command in READING:
        result = cli(*command)
        assert result.code == 0, (command, result.err)
        assert result.out, command
    (hit, *_) = cli("search", "obsidian", "--mode", "text", "--json").json["hits"]
    assert hit["file_id"] == "stones.csv"
    assert cli("extract", "show", hit["chunk_id"]).code == 0


def test_every_writing_command_works_on_it(cli, store: Path, tmp_path: Path) -> None:
    failed = cli("task", "list", "--state", "failed", "--json").json["tasks"][0]
    assert cli("task", "log", failed["task_id"]).code == 0
    assert cli("task", "error", failed["task_id"]).code == 0
    assert cli("task", "retry", "--failed").code == 0
    assert cli("task", "run").code in {0, 3}  # what waited is indexed; what was empty is so still
    assert cli("file", "get", "waiting.md", "-p", "notes").out.strip() == "It waits in the queue."
    assert cli("file", "edit", "keys.md", "-p", "handbook", "-m", "reviewed=true").code == 0
    (tmp_path / "keys.md").write_text("# Keys\n\nThe keys rotate every thirty days.\n")
    assert cli("file", "replace", "keys.md", tmp_path / "keys.md", "-p", "handbook").code == 0
    assert cli("file", "delete", "page.html", "-p", "handbook", "--yes").code == 0
    assert cli("backup", tmp_path / "again.tar").code == 0
    assert cli("--store", tmp_path / "restored", "restore", tmp_path / "again.tar").code == 0
    assert cli("export", "-p", "handbook", "-o", tmp_path / "out").code == 0
    assert cli("import", tmp_path / "out", "-p", "copy").code == 0
    assert cli("doctor", "--fix").code == 0
    with open_engine(store) as engine:
        engine.maintain(force=True)
        check(engine)
        assert contents(engine)["copy", "keys.md"].endswith("thirty days.\n")
        assert {task.state for task in engine.tasks()} <= {TaskState.COMPLETED, TaskState.FAILED}


def test_an_export_of_it_is_taken_in(cli, tmp_path: Path) -> None:
    folder = unpack("export", tmp_path)
    assert cli("import", folder, "--json").json["files"] == 4
    (hit, *_) = cli("search", "how often do the keys rotate", "--json").json["hits"]
    assert hit["file_id"] == "keys.md"
    assert cli("file", "show", "keys.md", "-p", "handbook", "--json").json["metadata"]["year"] == 2024
    assert cli("doctor").code == 0


def test_a_store_of_it_can_be_refreshed(cli, store: Path) -> None:
    assert cli("file", "refresh", "--help").code == 0
    assert cli("file", "refresh", "-p", "handbook").code == 0
    with open_engine(store) as engine:
        assert all(file.made_by is not None for file in engine.files("handbook"))
    assert run(["doctor"]) == 0


WORDS = {
    "rotate ninety": "keys.md",
    "renouvelées": "notes/clés.txt",
    "sandstone": "page.html",
    "obsidian": "stones.csv",
    "gneiss": "gneiss.md",
    "slate": "slate.md",
}


@contextmanager
def searching(store: Path) -> Iterator[dict[str, object]]:
    """Let a process of its own search the store throughout; what it saw is in the dict afterwards."""
    wanted = [(words, mode, [file_id]) for words, file_id in WORDS.items() for mode in ("text", "hybrid")]
    wanted.append(("anything at all", "dense", sorted(WORDS.values())))
    program = [sys.executable, str(Path(__file__).with_name("searching.py")), str(store)]
    seen: dict[str, object] = {}
    client = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ))
    with client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(json.dumps(wanted).encode() + b"\n")
        client.stdin.flush()
        assert json.loads(client.stdout.readline()) == {"ready": True}
        yield seen
        client.stdin.close()
        seen |= json.loads(client.stdout.readline())
    assert client.returncode == 0


def test_it_is_brought_up_to_date_while_a_client_searches_and_finds_every_file(cli, process, store: Path) -> None:
    before = cli("file", "list", "-p", "all", "--json").json["files"]
    findings = {finding["name"]: finding for finding in cli("doctor", "--json").json["findings"]}
    assert findings["readers"]["text"].startswith("6 files were read by older readers")
    assert findings["readers"]["fix"] == "openrag file refresh --outdated -p all"
    with searching(store) as seen:
        assert process("doctor", "--fix").code == 0
        refreshed = process("file", "refresh", "--outdated", "-p", "all", "--json")
        assert refreshed.code == 0, refreshed.err
    assert seen["holes"] == []
    assert int(str(seen["rounds"])) > 1
    after = cli("file", "list", "-p", "all", "--json").json["files"]
    assert {(file["partition"], file["file_id"]) for file in after} == {
        (file["partition"], file["file_id"]) for file in before
    }
    assert all(file["chunk_count"] and file["made_by"] for file in after)
    assert process("file", "refresh", "--outdated", "-p", "all").code == 0
    with open_engine(store) as engine:
        assert engine.refresher.count_outdated() == 0
