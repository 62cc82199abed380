"""Folders that were synced before: synced again without a word, listed, forgotten, watched."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from openrag_cli.errors import ConfigError
from openrag_cli.sync.remembered import RememberedSyncs


@pytest.fixture
def folders(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(f"# {name}\n\nThe zebra of {name}.\n")
        (tmp_path / name / "draft.tmp.md").write_text("A draft.\n")
    return tmp_path


def _ids(cli, partition):
    return [file["file_id"] for file in cli("file", "list", "-p", partition, "--json").json["files"]]


def test_a_sync_without_a_folder_repeats_each_with_the_options_last_given(cli, folders):
    assert cli("file", "sync").code == 2
    assert cli("file", "sync", "one", "-p", "zoo").code == 0
    assert cli("file", "sync", "one", "-p", "zoo", "--exclude", "*.tmp.md", "--delete", "--max-delete", "5").code == 0
    assert cli("file", "sync", "two", "-p", "farm").code == 0
    (folders / "one" / "new.md").write_text("A new zebra.\n")
    (folders / "one" / "new.tmp.md").write_text("A new draft.\n")
    (folders / "two" / "two.md").unlink()
    again = cli("file", "sync")
    assert again.code == 0, again.err
    first, second = (line for line in again.err.splitlines() if "synced" in line)
    assert first.startswith(f"{folders / 'one'} -> zoo: synced")
    assert second.startswith(f"{folders / 'two'} -> farm: synced")
    assert _ids(cli, "zoo") == ["new.md", "one.md"]
    assert _ids(cli, "farm") == ["draft.tmp.md", "two.md"]  # without --delete what is gone stays
    assert cli("file", "sync", "-p", "farm").err.count("synced") == 1
    assert cli("-q", "file", "sync").err == ""
    assert cli("file", "sync", "--json").json["unchanged"] == 3


def test_a_sync_that_is_refused_is_not_remembered(cli, folders):
    """Else a sync without a folder would be refused for ever."""
    assert cli("file", "sync", "one", "-p", "zoo").code == 0
    for prefix in ("", "a/../b"):
        assert cli("file", "sync", "two", "-p", "zoo", "--prefix", prefix).code == 2
    assert [entry["folder"] for entry in _remembered(cli)] == [str(folders / "one")]
    assert cli("file", "sync", "two", "-p", "zoo", "--delete").code == 0
    before = _remembered(cli)
    assert cli("file", "sync", "two", "-p", "zoo", "--prefix", "../x").code == 2
    assert _remembered(cli) == before
    assert cli("file", "sync").code == 0


def _remembered(cli):
    return cli("file", "sync", "--list", "--json").json["syncs"]


def test_what_is_remembered_is_listed_and_forgotten(cli, folders):
    assert cli("file", "sync", "--list", "--json").json["syncs"] == []
    cli("file", "sync", "one", "-p", "zoo", "--dry-run")
    assert cli("file", "sync", "--list", "--json").json["syncs"] == []
    cli("file", "sync", "one", "-p", "zoo", "--glob", "*.md", "--refresh", "2")
    [entry] = cli("file", "sync", "--list", "--json").json["syncs"]
    assert (entry["folder"], entry["partition"]) == (str(folders / "one"), "zoo")
    assert entry["options"] == {"glob": ["*.md"], "refresh": 2}
    assert "--refresh 2 --glob '*.md'" in cli("file", "sync", "--list").out
    forgotten = cli("file", "sync", "--forget", "one")
    assert "its files stay" in forgotten.err
    assert _ids(cli, "zoo") == ["draft.tmp.md", "one.md"]
    assert cli("file", "sync", "--forget", "one").code == 66
    assert cli("file", "sync").code == 2


def test_one_folder_that_is_gone_stops_no_other(cli, folders):
    for name in ("one", "two"):
        cli("file", "sync", name, "-p", name)
    (folders / "one").rename(folders / "elsewhere")
    (folders / "two" / "more.md").write_text("More zebras.\n")
    again = cli("file", "sync")
    assert again.code == 66
    assert f"{folders / 'one'}: no such folder" in again.err
    assert "more.md" in _ids(cli, "two")


def test_each_store_has_its_own_folders_and_options_need_a_folder(cli, folders, environment):
    cli("file", "sync", "one", "-p", "zoo")
    assert cli("file", "sync", "--delete").code == 2
    assert cli("file", "sync", "one", "--list").code == 2
    assert cli("file", "sync", "one", "--watch", "--dry-run").code == 2
    environment.setenv("OPENRAG_STORE", str(folders / "other"))
    assert cli("file", "sync", "--list", "--json").json["syncs"] == []


def test_a_damaged_memory_is_named_and_a_sync_with_a_folder_goes_on(cli, folders):
    cli("file", "sync", "one", "-p", "zoo")
    [path] = list((folders / "state").rglob("syncs.json"))
    path.write_text("[{")
    assert cli("file", "sync").code == 78
    noted = cli("file", "sync", "one", "-p", "zoo")
    assert noted.code == 0
    assert "not remembered" in noted.err
    with pytest.raises(ConfigError):
        RememberedSyncs("x", folder=path.parent).all()


def test_an_idle_watch_stops_without_naming_a_document(environment, folders):
    watching = subprocess.Popen(
        [sys.executable, "-m", "openrag_cli", "file", "sync", "one", "-p", "zoo", "--watch"],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    with watching:
        assert _line(watching, "watching 1 folder")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=60) == 130
        assert watching.stderr.read().strip() == "stopping"


def test_a_watched_folder_is_synced_when_something_in_it_changes(environment, folders):
    cli = [sys.executable, "-m", "openrag_cli"]
    watching = subprocess.Popen(
        [*cli, "file", "sync", "one", "-p", "zoo", "--watch"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert _line(watching, "watching 1 folder")
        (folders / "one" / "later.md").write_text("# Later\n\nA zebra that came later.\n")
        assert _line(watching, "1 added")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=60) == 130
        watching.stderr.close()
    listed = subprocess.run([*cli, "file", "list", "-p", "zoo", "--json"], capture_output=True, check=True)
    assert "later.md" in [file["file_id"] for file in json.loads(listed.stdout)["files"]]


def _line(process, text):
    """Read the program's messages up to a line with a text; False when they end or 90 s have passed."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        line = process.stderr.readline()
        if not line:
            return False
        if text in line:
            return True
    return False
