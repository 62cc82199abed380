"""Several users of one machine: a store is its owner's, its group's where its folder says so, and never locked by root."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from machines import NAMELESS, as_user, run_as, run_nameless

from openrag_cli.store.access.permissions import umask_for

OTHER, GROUP = NAMELESS + 1, 777


@pytest.fixture
def place():
    """A folder that every user can reach."""
    as_user()
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    for name in ("pump", "valve", "boiler"):
        (folder / f"{name}.md").write_text(f"the {name} is serviced\n")
        (folder / f"{name}.md").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def owned(folder, uid, *, group=None, mode=0o700):
    folder.mkdir()
    os.chown(folder, uid, uid if group is None else group)
    folder.chmod(mode)
    return folder


def run(uid, place, store, *arguments):
    home = place / f"home{uid}"
    if not home.exists():
        owned(home, uid)
    return run_as(uid, "--store", store, *arguments, group=GROUP, env={"HOME": str(home)})


def kept(store):
    return sorted(
        path for path in store.rglob("*") if "cache" not in path.parts and not path.name.endswith(("-wal", "-shm"))
    )


def test_root_reads_anothers_store_and_writes_nothing_there(cli, place):
    store = owned(place / "store", NAMELESS)
    assert run(NAMELESS, place, store, "file", "add", place / "pump.md", "-p", "p").returncode == 0
    before = kept(store)
    for arguments in (
        ["file", "add", place / "valve.md", "-p", "p"],
        ["file", "sync", place, "-p", "q"],
        ["file", "delete", "pump.md", "-p", "p", "--yes"],
        ["store", "optimize"],
        ["serve", "--port", "0"],
    ):
        told = cli("--store", store, *arguments)
        assert told.code == 77, (arguments, told.err)
        assert f"belongs to #{NAMELESS}" in told.err
        assert f"sudo -u '#{NAMELESS}'" in told.err
    assert cli("--store", store, "search", "pump").code == 0
    told = cli("--store", store, "doctor")
    assert told.code == 0
    assert "root only reads it" in " ".join(told.out.split())
    assert kept(store) == before
    assert {os.lstat(path).st_uid for path in [store, *store.rglob("*")]} == {NAMELESS}
    assert run(NAMELESS, place, store, "file", "add", place / "valve.md", "-p", "p").returncode == 0
    assert run(NAMELESS, place, store, "search", "valve").returncode == 0


def test_root_makes_no_store_in_anothers_empty_folder(cli, place):
    store = owned(place / "store", NAMELESS)
    assert cli("--store", store, "file", "add", place / "pump.md").code == 77
    assert list(store.iterdir()) == []


def test_two_users_of_a_group_share_a_store_whose_folder_is_open_to_it(place):
    store = owned(place / "store", NAMELESS, group=GROUP, mode=0o2770)
    for uid, name in ((NAMELESS, "pump"), (OTHER, "valve"), (NAMELESS, "boiler")):
        done = run(uid, place, store, "file", "add", place / f"{name}.md", "-p", "p")
        assert done.returncode == 0, done.stderr
    assert run(OTHER, place, store, "file", "delete", "boiler.md", "-p", "p", "--yes").returncode == 0
    assert run(NAMELESS, place, store, "file", "edit", "valve.md", "-p", "p", "-m", "year=2024").returncode == 0
    assert run(OTHER, place, store, "store", "optimize").returncode == 0
    for uid in (NAMELESS, OTHER):
        assert run(uid, place, store, "search", "serviced", "-l").stdout.count(".md") == 2
        assert "may read and write the store" in run(uid, place, store, "doctor").stdout
    for uid, told in ((NAMELESS, "3 added"), (OTHER, "3 unchanged")):
        done = run(uid, place, store, "file", "sync", place, "-p", "synced", "--glob", "*.md")
        assert done.returncode == 0, done.stderr
        assert told in done.stderr
    for path in store.rglob("*"):
        mode = path.stat()
        assert mode.st_gid == GROUP, path
        assert mode.st_mode & stat.S_IWGRP, path
        assert not mode.st_mode & 0o007, path


def test_a_store_of_one_user_is_closed_to_all_others_whatever_the_umask(process, tmp_path):
    (tmp_path / "pump.md").write_text("the pump is serviced\n")
    old = os.umask(0o002)
    try:
        assert process("--store", tmp_path / "s", "file", "add", tmp_path / "pump.md").code == 0
    finally:
        os.umask(old)
    assert [path for path in (tmp_path / "s").rglob("*") if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o700, 0o077), (0o755, 0o077), (0o770, 0o007), (0o2770, 0o007), (0o2750, 0o027)]
)
def test_the_group_has_what_the_folder_gives_it_where_it_is_shared(tmp_path, mode, expected):
    tmp_path.chmod(mode)
    assert umask_for(tmp_path) == expected


@pytest.mark.parametrize("what", [".", "openrag.db", "lance", "lance/chunks.lance", "blobs"])
def test_doctor_tells_who_owns_what_cannot_be_read(tmp_path, what):
    (tmp_path / "pump.md").write_text("the pump is serviced\n")
    store = tmp_path / "store"
    assert run_nameless("--store", store, "file", "add", tmp_path / "pump.md", env={}).returncode == 0
    closed = store / what
    mode = closed.stat().st_mode
    closed.chmod(0)
    try:
        told = run_nameless("--store", store, "doctor", env={})
        searched = run_nameless("--store", store, "search", "pump", env={})
    finally:
        closed.chmod(mode)
    assert told.returncode == 1, told.stderr
    words = " ".join(told.stdout.decode().split())
    assert "cannot be read by" in words
    assert f"chmod -R u+rwX {store}" in words
    assert searched.returncode == (0 if what == "blobs" else 77), searched.stderr
    assert run_nameless("--store", store, "doctor", env={}).returncode == 0


@contextlib.contextmanager
def _without_privileges(folder):
    """Be nobody in particular for a while, who owns `folder`: root may look everywhere."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NAMELESS, NAMELESS)
    os.seteuid(NAMELESS)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("code", [77, 2], ids=["hidden", "too long"])
def test_a_path_that_cannot_be_looked_at_is_told_at_every_door(cli, monkeypatch, code):
    """Python's `is_dir` and its like raise where a folder on the way may not be entered; that is no bug of ours."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(variable, str(place))
        monkeypatch.setenv("OPENRAG_STORE", str(place / "store"))
        monkeypatch.setenv("OPENRAG_CONFIG", os.devnull)
        monkeypatch.chdir(place)
        (place / "pump.md").write_text("the pump is serviced")
        assert cli("file", "add", place / "pump.md", "-p", "p").code == 0
        assert cli("backup", place / "whole.tar").code == 0
        hidden = place / "hidden"
        hidden.mkdir()
        bad = hidden / ("x" if code == 77 else "x" * 300)
        with _without_privileges(place):
            hidden.chmod(0 if code == 77 else 0o700)
            try:
                _refused_everywhere(cli, bad, place / "whole.tar")
                monkeypatch.setenv("PATH", f"{bad}:{hidden}:{os.environ['PATH']}")
                assert cli("doctor").code == 0
                monkeypatch.setenv("OPENRAG_CONFIG", str(bad))
                assert cli("file", "list", "-p", "p").code == 78
            finally:
                hidden.chmod(0o700)


def _refused_everywhere(cli, bad, backup):
    for arguments in (
        ["file", "sync", bad, "-p", "p"],
        ["file", "sync", bad, "-p", "p", "--watch"],
        ["file", "add", bad, "-p", "p"],
        ["file", "replace", "pump.md", bad, "-p", "p"],
        ["import", bad],
        ["backup", bad],
        ["export", "-p", "p", "-o", bad],
        ["eval", "run", bad, "-p", "p"],
        ["restore", bad],
        ["--store", bad, "restore", backup],
        ["--store", bad, "search", "pump"],
        ["--store", bad, "doctor"],
        ["--store", bad, "file", "add", backup.parent / "pump.md"],
        ["ask", "what?", "--with", bad],
    ):
        told = cli(*arguments)
        assert told.code not in {0, 70}, (arguments, told.err)
        if bad.name == "x" and "doctor" not in arguments:
            assert told.code == 77, (arguments, told.err)
            assert "permission denied" in told.err.lower()
