"""Reports of users about tools at the shell, each as it was told and in two more forms; the larger ones have files of
their own (test_sources, test_living_files, test_renamed_folders, test_users, test_homes, test_full_disks)."""

import os
import subprocess
import sys
import threading

import pytest
from machines import run_nameless

PROGRAM = [sys.executable, "-m", "openrag_cli"]


@pytest.fixture
def note(cli, tmp_path):
    """A file in partition `p`, in a folder of its own."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "h.md").write_text("Deployed commit on Monday\n")
    assert cli("file", "add", folder, "-p", "p").code == 0
    return folder


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('"Deployed commit"', 0),
        ('"Monday"', 0),
        ('""', 1),
        ('"a" or "b"', 1),
        ('deployed AND (commit OR "monday', None),
        ("+deployed -commit^2 ~1 {x TO y]", None),
        ("title:deployed\\", None),
        ("'; DROP TABLE file; -- monday", None),
    ],
)
def test_what_a_person_types_is_never_syntax_and_the_index_is_whole(cli, note, query, code):
    for arguments in (("search", "-p", "p", "--", query), ("ask", "-p", "p", "--no-llm", "--", query)):
        told = cli(*arguments)
        assert told.code == code if code is not None else told.code in {0, 1}, (arguments, told.err)
        assert "damaged" not in told.err


@pytest.mark.parametrize("way", ["below the folder", "through a link", "named by a list"])
def test_a_store_is_no_source_whatever_leads_to_it(cli, tmp_path, environment, way):
    (tmp_path / "o.md").write_text("orchard note\n")
    store = tmp_path / "kept"
    environment.setenv("OPENRAG_STORE", str(store))
    if way == "through a link":
        (tmp_path / "elsewhere").mkdir()
        store.symlink_to(tmp_path / "elsewhere")
    assert cli("file", "add", tmp_path / "o.md", "-p", "a").code == 0
    if way == "named by a list":
        (tmp_path / "list").write_text("".join(f"{path}\n" for path in [*store.rglob("*"), tmp_path / "o.md"]))
        added = cli("file", "add", "--files-from", tmp_path / "list", "-p", "b")
        assert (added.code, "which is no source" in added.err) == (3, True)
    else:
        assert cli("file", "add", tmp_path, "-p", "b", "--glob", "*.md", "--follow").code == 0
        assert cli("file", "sync", tmp_path, "-p", "c", "--glob", "*.md", "--follow").code == 0
        assert [file["file_id"] for file in cli("file", "list", "-p", "c", "--json").json["files"]] == ["o.md"]
    assert [file["file_id"] for file in cli("file", "list", "-p", "b", "--json").json["files"]] == ["o.md"]


@pytest.mark.parametrize(
    "home", [{}, {"HOME": "/proc"}, {"HOME": "/sys"}], ids=["none", "of processes", "of the system"]
)
def test_a_folder_is_remembered_in_the_store_where_there_is_no_home_for_it(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("The pump stands in the cellar.\n")
    env = {**home, "OPENRAG_STORE": str(tmp_path / "store")}
    first = run_nameless("file", "sync", "docs", "-p", "n", env=env)
    assert (first.returncode, b"not remembered" in first.stderr) == (0, False), first.stderr
    again = run_nameless("file", "sync", env=env)
    assert (again.returncode, b"1 unchanged" in again.stderr) == (0, True), again.stderr
    assert b"docs\tn\t" in run_nameless("file", "sync", "--list", env=env).stdout
    assert run_nameless("search", "pump", env=env).stdout.startswith(b"1  docs/a.md:1")
    opened = run_nameless("open", "1", "--print", env=env)
    assert opened.stdout.strip().endswith(b"docs/a.md"), opened.stderr


@pytest.mark.parametrize("folder", ["missing", "a file", "/proc"])
def test_a_folder_for_temporary_files_that_takes_none_is_named(process, tmp_path, folder):
    (tmp_path / "a file").touch()
    (tmp_path / "note.md").write_text("The pump stands in the cellar.\n")
    named = folder if folder.startswith("/") else str(tmp_path / folder)
    told = process("file", "add", "note.md", env={"TMPDIR": named})
    assert told.code == 0, told.err
    assert f"warning: TMPDIR is {named}, which " in told.err


@pytest.mark.parametrize("streams", ["1>&- 2>&-", "0<&- 1>&- 2>&-", ">/dev/full 2>/dev/full"])
def test_streams_that_nobody_reads_change_no_exit_code(environment, note, streams):
    for arguments, code in (("search zanzibar --mode text", 1), ("file show nothing", 66), ("file list -p p", 0)):
        line = f"{' '.join(PROGRAM)} {arguments} {streams}"
        done = subprocess.run(["sh", "-c", line], timeout=60, check=False)
        assert done.returncode == (74 if "full" in streams and code == 0 else code), line


def test_a_growing_log_is_one_file_of_a_synced_folder_too(cli, tmp_path):
    folder, stop = tmp_path / "logs", threading.Event()
    folder.mkdir()
    (folder / "app.log").write_text("pump ok\n" * 200)

    def grow():
        with (folder / "app.log").open("a") as log:
            while not stop.is_set():
                log.write("tick\n")
                log.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        synced = cli("file", "sync", folder, "-p", "p", "--json")
    finally:
        stop.set()
        writer.join()
    assert (synced.code, synced.json["added"]) == (0, 1)
    assert cli("file", "sync", folder, "-p", "p", "--json").json["replaced"] == 1
    assert cli("file", "sync", folder, "-p", "p", "--json").json["unchanged"] == 1


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("yaer = 2031", "did you mean year?"),
        ('year = "2031"', "has numbers here"),
        ('team = "Blue"', "did you mean Team?"),
        ("Taem exists", "did you mean Team?"),
        ("Team > 5", "Team"),
    ],
)
def test_a_scope_that_is_empty_says_why(cli, tmp_path, condition, why):
    (tmp_path / "k.md").write_text("keys rotate\n")
    assert cli("file", "add", tmp_path / "k.md", "-p", "f", "-m", "year=2031", "-m", "Team=Blue").code == 0
    for arguments in (("search", "keys"), ("ask", "keys?")):
        told = cli(*arguments, "-p", "f", "--filter", condition)
        assert (told.code, why in told.err) == (1, True), told.err


@pytest.mark.parametrize("text", [b"caf\xe9", b"\xff\xfet\x00", b"a\x00b", b"two\nlines"])
def test_a_secret_from_stdin_that_no_header_can_carry_is_not_written(process, tmp_path, text):
    before = (tmp_path / "none.toml").read_bytes()
    told = process("config", "set", "token", "-", stdin=text)
    assert (told.code, "Traceback" in told.err) == (78, False)
    assert (tmp_path / "none.toml").read_bytes() == before


def test_a_mark_before_what_stdin_brings_is_no_part_of_it(process, tmp_path, note):
    assert process("config", "set", "llm.model", "-", stdin=b"\xef\xbb\xbfmini\r\n").code == 0
    assert process("config", "get", "llm.model").out == "mini\n"
    assert process("search", "-", "-p", "p", "-l", stdin=b'\xef\xbb\xbf"Deployed commit"\n').out == "docs/h.md\n"


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself"])
@pytest.mark.parametrize("command", [("search", "x"), ("chat", "--no-llm"), ("config", "set", "top_k", "3")])
def test_settings_that_are_no_file_are_78_and_no_hang(process, tmp_path, kind, command):
    path = tmp_path / "none.toml"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    told = process(*command)
    assert (told.code, str(path.name) in told.err) == (78, True), told.err


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("search", "Monday", "-p", "p", "-l"), 0),
        (("grep", "Monday", "-p", "p", "-l"), 0),
        (("ask", "what was deployed?", "-p", "p"), 0),
        (("file", "add", "{docs}/h.md", "-p", "q"), 0),
        (("file", "add", "."), 66),
        (("file", "add", "h.md"), 66),
        (("file", "sync", "."), 66),
        (("backup", "b.tar"), 74),
        (("export", "-p", "p", "-o", "there"), 74),
    ],
)
def test_in_a_folder_that_was_deleted_all_that_needs_none_works(cli, note, tmp_path, monkeypatch, command, code):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = cli(*(word.format(docs=note) for word in command))
    assert told.code == code, told.err
    assert "Errno" not in told.err
    if code == 0 and "-l" in command:
        assert told.out == f"{note}/h.md\n"


def test_a_file_called_by_a_dash_is_named_with_its_folder(process, tmp_path):
    (tmp_path / "-").write_text("Deployed by crane\n")
    assert process("file", "add", f"{tmp_path}/-", "-p", "dash").code == 0
    for command in ("get", "show"):
        assert process("file", command, "./-", "-p", "dash").code == 0, command
    told = process("file", "delete", "./-", "-p", "dash", "--yes", stdin=b"other.md\n")
    assert told.code == 0, told.err
    assert process("file", "get", "./-", "-p", "dash").code == 66


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing"])
def test_what_is_to_take_a_files_place_is_a_file(cli, note, tmp_path, kind):
    path = tmp_path / "new"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    told = cli("file", "replace", "h.md", path, "-p", "p")
    assert (told.code, str(path) in told.err) == (66 if kind == "nothing" else 2, True), told.err
    assert cli("file", "get", "h.md", "-p", "p").out == "Deployed commit on Monday\n"


def test_a_pipe_may_be_asked_about_and_what_stdin_lacks_is_told_by_its_id(process, note, tmp_path):
    line = f"{' '.join(PROGRAM)} ask --no-llm 'when does the pump fail?' --with {tmp_path}/pipe"
    os.mkfifo(tmp_path / "pipe")
    script = f"echo 'The pump fails at noon.' > {tmp_path}/pipe & {line}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "fails at noon" in done.stdout) == (0, True), done.stderr
    empty = process("file", "add", "-", "--id", "e.md", stdin=b"")
    assert (empty.code, "failed: e.md: the file is empty" in empty.err) == (65, True), empty.err
