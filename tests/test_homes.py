"""Machines without a home, without a name, without room: a sentence and the exit code of the table, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from machines import run_nameless

PROGRAM = [sys.executable, "-m", "openrag_cli"]
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "."}], ids=["unset", "empty", "relative"])
def test_without_a_home_a_store_that_is_named_works_and_else_it_is_78(tmp_path, home, monkeypatch):
    monkeypatch.chdir(tmp_path)  # hits are named from the working directory
    (tmp_path / "note.md").write_text("# Pumps\n\nThe pump stands in the cellar.\n")
    alone = run_nameless("search", "pump", env=home)
    assert alone.returncode == 78, alone.stderr
    assert alone.stderr.decode().startswith("error: there is no home folder")
    assert b"--store" in alone.stderr
    env = {**home, "OPENRAG_STORE": str(tmp_path / "store")}
    added = run_nameless("file", "add", tmp_path / "note.md", env=env)
    assert added.returncode == 0, added.stderr
    assert b"Traceback" not in added.stderr
    found = run_nameless("search", "pump", "-l", env=env)
    assert (found.returncode, found.stdout) == (0, b"note.md\n"), found.stderr


def test_without_a_home_what_needs_none_works(tmp_path):
    for arguments in (("--version",), ("help", "output"), ("config", "get", "threads"), ("schema",)):
        done = run_nameless(*arguments, env={})
        assert done.returncode == 0, (arguments, done.stderr)
    remote = run_nameless("--server", "http://127.0.0.1:9", "search", "x", env={})
    assert remote.returncode == 69, remote.stderr
    for arguments in (
        ("config", "set", "threads", "2"),
        ("config", "path"),
        ("config", "trust"),
        ("serve",),
        ("doctor",),
    ):
        done = run_nameless(*arguments, env={})
        assert b"Traceback" not in done.stderr
        assert b"a bug" not in done.stderr, (arguments, done.stderr)
        assert done.returncode in {66, 78}, (arguments, done.returncode, done.stderr)


@needs_full
def test_stderr_that_cannot_be_written_changes_no_exit_code(environment, tmp_path):
    (tmp_path / "note.md").write_text("The pump stands in the cellar.\n")
    commands = {
        ("file", "add", "note.md"): 0,
        ("search", "pump", "-l"): 0,
        ("search", "zanzibar", "--mode", "text"): 1,
        ("file", "show", "nothing"): 66,
        ("file", "shwo"): 2,
        ("--verbose", "file", "list"): 0,
        ("--debug", "search", "x", "-p", "nowhere", "--json"): 66,
        ("config", "set", "threads", "none"): 78,
    }
    for arguments, code in commands.items():
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=full, timeout=60, check=False
            )
        assert done.returncode == code, arguments


def test_a_stderr_whose_reader_has_gone_changes_no_exit_code(environment, tmp_path):
    (tmp_path / "note.md").write_text("The pump stands in the cellar.\n")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROGRAM, "file", "add", "note.md"], stderr=write, timeout=60, check=False)
    os.close(write)
    assert done.returncode == 0


def test_a_folder_for_temporary_files_that_is_not_there_is_named(process, tmp_path):
    (tmp_path / "note.md").write_text("The pump stands in the cellar.\n")
    missing = str(tmp_path / "missing")
    told = process("file", "add", "note.md", env={"TMPDIR": missing})
    assert told.code == 0
    assert f"TMPDIR is {missing}, which does not exist" in told.err


def test_what_cannot_be_read_back_is_not_written(cli, tmp_path):
    written = (tmp_path / "none.toml").read_bytes()
    for key, value in (("prompts", "caf\udce9"), ("store", "\udcff"), ("llm.model", "a\udc80b")):
        refused = cli("config", "set", key, value)
        assert refused.code == 78
        assert "nothing was written" in refused.err
        assert (tmp_path / "none.toml").read_bytes() == written
    for value in ('quo"te', "back\\slash", "tab\there", "'''", "é", "\x01"):
        assert cli("config", "set", "llm.model", value).code == 0
        assert cli("config", "get", "llm.model", "--json").json["value"] == value


@pytest.mark.parametrize("kind", ["pipe", "endless", "large"])
@pytest.mark.parametrize("whose", ["openrag.toml", "none.toml"])
def test_only_a_regular_file_of_a_sane_size_is_read_for_settings(cli, tmp_path, kind, whose):
    path = tmp_path / whose
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"# " + b"x" * (2 << 20))
    for arguments in (("config", "get", "threads"), ("search", "x"), ("config", "validate")):
        refused = cli(*arguments)
        assert refused.code == 78
        assert whose in refused.err


def test_a_byte_order_mark_is_no_part_of_a_file_of_settings(cli, tmp_path):
    for path in (tmp_path / "none.toml", tmp_path / "openrag.toml"):
        path.write_bytes(b"\xef\xbb\xbf" + b"top_k = 7\n")
    assert cli("config", "get", "top_k").out == "7\n"
    assert cli("config", "set", "language", "French").code == 0
    assert cli("config", "get", "language").out == "French\n"
    assert cli("config", "get", "top_k").out == "7\n"


def test_a_file_of_settings_that_is_named_and_not_there_is_78_until_it_is_made(cli, tmp_path):
    (tmp_path / "none.toml").unlink()
    missing = cli("search", "x")
    assert missing.code == 78
    assert "OPENRAG_CONFIG names" in missing.err
    assert cli("config", "validate").code == 78
    assert cli("config", "set", "threads", "2").code == 0
    assert cli("config", "get", "threads").code == 0


def test_a_list_of_paths_may_have_a_mark_and_the_wrong_separator_is_told(cli, tmp_path):
    (tmp_path / "a.md").write_text("one\n")
    (tmp_path / "-").write_text("two\n")
    listed = tmp_path / "list"
    listed.write_bytes(b"\xef\xbb\xbfa.md\r\n-\r\n")
    assert cli("file", "add", "--files-from", listed, "--json").json["added"] == 2
    assert cli("file", "add", "./-", "-p", "q", "--json").json["added"] == 1
    for content, options, why in (
        (b"a.md\0-\0", (), "NUL bytes"),
        (b"a.md\n-\n", ("-0",), "no NUL byte"),
        ("a.md\n".encode("utf-16"), (), "UTF-16"),
    ):
        listed.write_bytes(content)
        refused = cli("file", "add", "--files-from", listed, *options)
        assert refused.code == 2
        assert why in refused.err


def test_a_pipe_is_refused_with_the_way_to_read_it_and_a_deleted_folder_is_not_there(cli, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    refused = cli("file", "add", tmp_path / "pipe")
    assert refused.code == 65
    assert "openrag file add - --id NAME" in refused.err
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for arguments in (("file", "add", "."), ("file", "sync", "."), ("file", "add", ".", "x.md")):
        told = cli(*arguments)
        assert told.code in {66, 3}, (arguments, told.err)
        assert "no such" in told.err


def test_global_flags_may_stand_in_a_cluster(cli, tmp_path):
    (tmp_path / "vq.md").write_text("The pump stands in the cellar.\n")
    assert cli("file", "add", "vq.md", "-qpvq").err == ""
    assert cli("search", "pump", "-lq").out == "vq.md\n"
    assert cli("search", "pump", "-ql").out == "vq.md\n"
    assert cli("search", "pump", "-lpvq").out == "vq.md\n"
    assert cli("search", "pump", "-vq", "-l").out == "vq.md\n"
    assert cli("search", "pump", "-lx").code == 2


def test_two_chats_on_one_session_are_one_too_many(process, cli, tmp_path):
    (tmp_path / "pump.md").write_text("What /etc/pump says: the pump stands in the cellar.\n")
    assert cli("file", "add", "pump.md").code == 0
    first = subprocess.Popen(
        [*PROGRAM, "chat", "--no-llm", "--session", "s", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(b"//etc/pump says what?\n")
        first.stdin.flush()
        assert b"/etc/pump says what?" in first.stdout.readline()
        second = process("chat", "--no-llm", "--session", "s", stdin=b"where?\n")
        assert second.code == 75
        assert "openrag chat --session NAME" in second.err
        assert process("chat", "--no-llm", "--session", "other", stdin=b"/nothing\n").code == 2
    finally:
        first.communicate(timeout=60)
    assert process("chat", "--no-llm", "--session", "s", stdin=b"/quit\n").code == 0
