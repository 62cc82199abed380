"""Opening a store: reading never makes one, works where nothing can be written, and what writes says so."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from harness import open_engine, put

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.config.settings import load
from openrag_cli.engine import Engine
from openrag_cli.errors import Forbidden, StoreNotFound
from openrag_cli.store import database

READING = (
    "search heron", "ask heron", "file list", "file show a.md", "file get a.md", "partition list", "partition show p",
    "task list", "session list", "export -p p -o out", "backup b.tar", "file refresh a.md",
)  # fmt: skip
WRITING = (
    "file add new.md -p p", "file sync docs -p p", "file delete a.md -p p --yes", "file edit a.md -p p -m x=1",
    "partition create q", "partition delete p --yes", "file refresh -p p", "task prune",
)  # fmt: skip


@pytest.fixture
def store(tmp_path, environment):
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "a.md", "The heron stands in the reeds.")
        engine.drain()
    (tmp_path / "new.md").write_text("new")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("one")
    return tmp_path / "store"


# --- nothing there


@pytest.mark.parametrize("command", READING)
def test_reading_makes_no_store_and_says_how_to_make_one(cli, tmp_path, command):
    result = cli(*command.split())
    assert (result.code, result.out) == (ExitCode.NOT_FOUND, "")
    assert f"there is no store at {tmp_path / 'store'}" in result.err
    assert "hint: openrag file add" in result.err
    assert not (tmp_path / "store").exists()


def test_the_library_makes_none_either_when_it_is_told_to_read(tmp_path, environment):
    settings = load({"store": str(tmp_path / "none")}, {}).settings
    with Engine(settings, creates=False) as engine, pytest.raises(StoreNotFound):
        engine.files("p")
    assert not (tmp_path / "none").exists()


# --- a mount that cannot be written


def files_of(store):
    return {str(p): p.stat().st_mtime_ns for p in sorted(store.rglob("*")) if p.is_file()}


def can_unshare():
    probe = ["unshare", "-rm", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def on_read_only_mount(store, tmp_path):
    """Run commands in one mount namespace where the store is mounted read-only; return what each said."""
    if not can_unshare():
        pytest.skip("no mount namespace can be made here, and root may write whatever the mode says")
    script = f"""
import json, os, subprocess, sys
sys.path[:0] = {sys.path!r}
from openrag_cli.cli import main
for command in json.loads(sys.argv[1]):
    out, err = os.dup(1), os.dup(2)
    with open("out.txt", "wb") as o, open("err.txt", "wb") as e:
        os.dup2(o.fileno(), 1); os.dup2(e.fileno(), 2)
        code = main.run(command.split())
        sys.stdout.flush(); sys.stderr.flush()
        os.dup2(out, 1); os.dup2(err, 2)
    print(json.dumps([command, code, open("out.txt").read(), open("err.txt").read()]), flush=True)
"""
    (tmp_path / "commands.py").write_text(script)

    def run(*commands):
        mount = f'mount --bind {store} {store} && mount -o remount,bind,ro {store} && exec {sys.executable} commands.py "$0"'
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", mount, json.dumps(commands)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line)[1:] for line in done.stdout.splitlines()]

    return run


def test_a_read_only_mount_is_searched_asked_listed_exported_and_examined(on_read_only_mount, store):
    before = files_of(store)
    search, ask, listed, text, exported, doctor, alone = on_read_only_mount(
        "search heron -p p --json", "ask heron -p p", "file list -p p", "file get a.md -p p",
        "export -p p -o out --json", "doctor --json", "--json",
    )  # fmt: skip
    assert (search[0], "heron stands" in search[1]) == (0, True), search
    assert (ask[0], "[1]" in ask[1]) == (0, True), ask
    assert (listed[0], "a.md" in listed[1]) == (0, True), listed
    assert (text[0], text[1]) == (0, "The heron stands in the reeds.\n")
    assert (exported[0], '"files": 1' in exported[1] or '"files":1' in exported[1]) == (0, True), exported
    assert (doctor[0], '"status": "failed"' in doctor[1]) == (0, False), doctor
    assert alone[0] == 0, alone
    assert files_of(store) == before


def test_what_writes_to_a_read_only_store_says_so_in_one_sentence(on_read_only_mount, store):
    before = files_of(store)
    for command, (code, _out, err) in zip(WRITING, on_read_only_mount(*WRITING), strict=True):
        assert code == ExitCode.FORBIDDEN, (command, err)
        lines = err.strip().splitlines()
        assert lines[0].endswith(f"the store {store} can only be read here, and this command writes to it"), command
        assert [line.startswith("hint: ") for line in lines[1:]] == [True], (command, err)
    assert files_of(store) == before


def test_what_a_killed_writer_left_in_the_wal_is_read_on_a_read_only_mount(on_read_only_mount, store):
    writer = sqlite3.connect(store / "openrag.db")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE file SET metadata = '{\"year\": 1999}'")
    writer.commit()
    kept = {name: (store / name).read_bytes() for name in ("openrag.db", "openrag.db-wal")}
    writer.close()
    for name, content in kept.items():
        (store / name).write_bytes(content)
    (store / "openrag.db-shm").unlink(missing_ok=True)
    [shown] = on_read_only_mount("file show a.md -p p")
    assert (shown[0], "1999" in shown[1]) == (0, True), shown


# --- after chmod a-w


def test_a_store_without_write_permission_is_read(store):
    limits = "-dac_override,-dac_read_search"
    bound = ["setpriv", f"--bounding-set={limits}", f"--inh-caps={limits}"] if os.geteuid() == 0 else []
    if bound and shutil.which("setpriv") is None:
        pytest.skip("the mode of a file does not bind root, and there is no setpriv to give that up")
    for path in [*store.rglob("*"), store]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = files_of(store)

    def run(*arguments):
        command = [*bound, sys.executable, "-m", "openrag_cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    listed = run("file", "list", "-p", "p")
    assert (listed.returncode, "a.md" in listed.stdout) == (0, True), listed.stderr
    found = run("search", "heron", "-p", "p")
    assert (found.returncode, "heron" in found.stdout) == (0, True), found.stderr
    assert run("partition", "create", "q").returncode == ExitCode.FORBIDDEN
    assert files_of(store) == before
    (store / "openrag.db").chmod(0)
    hidden = run("search", "heron", "-p", "p")
    assert (hidden.returncode, "openrag.db cannot be opened\n" in hidden.stderr) == (ExitCode.FORBIDDEN, True)
    for path in [store, *store.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


# --- stores of an older format


def test_a_migration_keeps_a_copy_of_the_catalog(tmp_path):
    path = tmp_path / "store" / "openrag.db"
    path.parent.mkdir()
    made = sqlite3.connect(path)
    for script in sorted((Path(database.__file__).parent / "schema").glob("*.sql"))[:3]:
        made.executescript(script.read_text())
    made.execute("INSERT INTO partition (name, created_at) VALUES ('p', 0)")
    made.execute("PRAGMA user_version = 3")
    made.commit()
    made.close()
    opened = database.Database(path)
    assert opened.format() == database.FORMAT
    opened.close()
    kept = sqlite3.connect(path.with_name("openrag.db.format3"))
    assert kept.execute("PRAGMA user_version").fetchone()[0] == 3
    assert kept.execute("SELECT name FROM partition").fetchall() == [("p",)]
    kept.close()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["openrag.db", "openrag.db.format3"]


def test_a_write_in_a_read_only_store_is_forbidden_in_the_library_too(store, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_engine(store) as engine:
        assert engine.file("p", "a.md").file_id == "a.md"
        with pytest.raises(Forbidden, match="can only be read here"):
            engine.edit_file("p", "a.md", {"x": 1})
