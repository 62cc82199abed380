"""What a person stumbles over: the other partition, long ids, a backup in the way, an address for a path, cron."""

import shlex

import pytest
from harness import open_engine

from openrag_cli.sync.root import local_root
from openrag_cli.sync.state import SyncState


def test_a_file_of_another_partition_is_said_to_be_there(cli, handbook):
    cli("file", "add", handbook, "-p", "my handbook")
    for command in (
        ("file", "get", "ops/keys.md"),
        ("file", "show", "ops/keys.md"),
        ("file", "delete", "ops/keys.md", "--yes"),
    ):
        result = cli(*command)
        assert result.code == 66
        assert "hint: it is in another partition: -p 'my handbook'" in result.err
    assert "Partition 'handbok' not found" in cli("file", "delete", "ops/keys.md", "-p", "handbok", "--yes").err
    assert "another partition" not in cli("file", "get", "nowhere.md").err


@pytest.mark.parametrize("name", ["it's", "two words", '"; touch x; "', "$(touch x)", "plain"])
def test_a_command_in_a_hint_can_be_pasted_whatever_a_partition_is_called(cli, handbook, name):
    assert cli("file", "add", handbook, "-p", name).code == 0
    assert cli("view", "create", f"view {name}").code == 0
    for refused in (
        cli("partition", "create", name),
        cli("file", "get", "nowhere.md", "-p", name),
        cli("view", "create", f"view {name}"),
    ):
        assert refused.code in {66, 73}
        command = refused.err.split("hint: openrag ")[1].splitlines()[0]
        assert cli(*shlex.split(command)).code == 0, command


def test_what_is_no_partition_is_said_to_be_a_view_or_is_nearly_one(cli, handbook):
    assert cli("file", "add", handbook, "-p", "handbook").code == 0
    assert cli("view", "create", "new", "-p", "handbook").code == 0
    for arguments in (("file", "list"), ("partition", "show"), ("export", "-o", "x")):
        told = cli(*arguments, *(("new",) if "show" in arguments else ("-p", "new")))
        assert told.code == 66
        assert "'new' is a view, and no partition" in told.err
        assert "openrag search -p new" in told.err
    for typo in ("handbok", "hand", "Handbook"):
        assert "did you mean -p handbook?" in cli("search", "keys", "-p", typo).err
    assert "openrag partition list" in cli("search", "keys", "-p", "zanzibar").err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("index", "docs"), "openrag file add"),
        (("query", "x"), "openrag search"),
        (("file", "rm", "x"), "openrag file delete"),
        (("task", "ls"), "openrag task list"),
    ],
)
def test_what_other_tools_call_a_command_is_understood(cli, typed, meant):
    told = cli(*typed)
    assert (told.code, f"did you mean '{meant}'?" in told.err) == (2, True), told.err


@pytest.mark.parametrize("typed", [("search", "-k", "abc", "x"), ("search", "--min-score", "abc", "x")])
def test_a_number_that_is_none_is_said_in_plain_words(cli, typed):
    told = cli(*typed)
    assert (told.code, "it is not a valid" in told.err, "parse" in told.err) == (2, True, False)


def test_a_folder_without_files_is_named(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    told = cli("file", "add", tmp_path / "empty")
    assert (told.code, f"no file to add in {tmp_path}/empty" in told.err) == (2, True)


def test_the_beginning_of_a_task_id_is_enough(cli, tmp_path):
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(name)
        cli("file", "add", name)
    one, two = (task["task_id"] for task in cli("task", "list", "--json").json["tasks"])
    n_same = next(at for at in range(48) if one[at] != two[at])
    assert cli("task", "show", one[: n_same + 1], "--json").json["task_id"] == one
    assert cli("task", "wait", two[: n_same + 1], "--json").json["tasks"][0]["task_id"] == two
    both = cli("task", "log", one[:n_same])
    assert (both.code, "2 tasks begin with" in both.err) == (2, True)
    assert cli("task", "show", "0000").code == 66
    all_begin = cli("task", "show", one[0])
    assert (all_begin.code, f"2 tasks begin with '{one[0]}'" in all_begin.err) == (2, True)


def test_any_beginning_of_a_chunk_id_is_enough_and_several_are_told(cli, tmp_path):
    (tmp_path / "a.md").write_text("The heron stands in the reeds.\n")
    cli("file", "add", "a.md")
    whole = cli("search", "heron", "--json").json["hits"][0]["chunk_id"]
    assert cli("extract", "show", whole[0], "--json").json["chunk_id"] == whole
    for n in range(17):  # one more than there are first characters
        (tmp_path / f"{n}.md").write_text(f"Heron {n}.\n")
    cli("file", "add", *(f"{n}.md" for n in range(17)))
    ids = [hit["chunk_id"] for hit in cli("search", "heron", "--all", "-k", "20", "--json").json["hits"]]
    first = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    several = cli("extract", "show", first)
    assert (several.code, f"several chunks begin with '{first}'" in several.err) == (2, True)
    assert cli("extract", "show", "zebra").code == 66


@pytest.mark.parametrize(
    "command", [("search", "heron"), ("ask", "where is the heron?", "--no-llm"), ("grep", "heron")]
)
def test_an_empty_store_or_partition_and_a_queue_are_told(cli, tmp_path, command):
    (tmp_path / "a.md").write_text("The zebra eats hay.\n")
    cli("partition", "create", "void")
    said = cli(*command)
    assert (said.code, "the store is empty: openrag file add FOLDER" in said.err) == (1, True)
    cli("file", "add", "a.md", "-p", "farm")
    assert "empty" not in cli(*command).err
    assert "partition void is empty: openrag file add FOLDER -p void" in cli(*command, "-p", "void").err
    (tmp_path / "b.md").write_text("The cow eats grass.\n")
    cli("file", "add", "b.md", "-p", "void", "--detach")
    assert "1 file waits to be indexed: openrag task run" in cli(*command, "-p", "void").err


def test_a_backup_replaces_nothing_unless_it_is_told_to(cli, handbook, tmp_path):
    cli("file", "add", handbook)
    (tmp_path / "b.tar").write_text("mine")
    refused = cli("backup", "b.tar")
    assert (refused.code, (tmp_path / "b.tar").read_text()) == (73, "mine")
    assert "--force" in refused.err
    assert cli("backup", "b.tar", "--force").code == 0
    assert (tmp_path / "b.tar").stat().st_size > 4


def test_the_address_of_a_file_is_told_as_its_path(cli):
    result = cli("file", "add", "file:///srv/my%20docs/a.md")
    assert result.code == 66
    assert "an address, and no path" in result.err
    assert "hint: openrag file add '/srv/my docs/a.md'" in result.err


def test_an_address_of_the_web_is_no_path_with_one_slash(cli):
    result = cli("file", "add", "https://example.org/docs/guide.html")
    assert result.code != 0
    assert "https://example.org/docs/guide.html: an address of the web" in result.err
    assert "curl -L https://example.org/docs/guide.html | openrag file add - --id guide.html" in result.err


@pytest.fixture
def notes(cli, tmp_path):
    folder = tmp_path / "notes"
    (folder / "old").mkdir(parents=True)
    for name in ("a.md", "b.txt", "old/c.md"):
        (folder / name).write_text(f"# Note\n\nText of {name}.\n")
    return folder


def _ids(cli):
    return [file["file_id"] for file in cli("file", "list", "--json").json["files"]]


def test_a_sync_takes_what_is_chosen_and_what_is_no_longer_chosen_is_gone(cli, notes):
    assert cli("file", "sync", notes, "--glob", "*.md", "--exclude", "old/").code == 0
    assert _ids(cli) == ["a.md"]
    cli("file", "sync", notes)
    assert _ids(cli) == ["a.md", "b.txt", "old/c.md"]
    cli("file", "sync", notes, "--exclude", "old", "--delete", "--max-delete", "1")
    assert _ids(cli) == ["a.md", "b.txt"]


def test_a_quiet_sync_says_in_one_line_why_it_still_fails(cli, notes):
    (notes / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    assert cli("file", "sync", notes, "-q").code == 3
    again = cli("file", "sync", notes, "-q")
    assert (again.code, again.out) == (3, "")
    assert again.err == "1 file failed earlier and did not change: openrag task list --state FAILED\n"


def test_a_quiet_sync_beside_another_says_nothing(cli, notes, tmp_path):
    cli("file", "sync", notes)
    with (
        open_engine(tmp_path / "store") as engine,
        SyncState(engine.parts.database, "default", local_root(notes)).lock(0),
    ):
        quiet = cli("file", "sync", notes, "-q")
        assert (quiet.code, quiet.out, quiet.err) == (75, "", "")
        assert "another sync" in cli("file", "sync", notes).err
