"""No file is lost by its name: ids are paths, two sources never share one, and an id can be changed."""

import os
import sqlite3

import pytest
from harness import check, open_engine, submit

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.domain import TaskKind


@pytest.fixture
def place(tmp_path):
    """A folder, the working directory, with `a/x.md`, `b/x.md` and `c.md`; beside it `elsewhere/x.md`."""
    for name in ("work/a/x.md", "work/b/x.md", "work/c.md", "elsewhere/x.md", "other/x.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The text of {name}.")
    os.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def ids(cli):
    return lambda: [file["file_id"] for file in cli("file", "list", "-p", "p", "--json").json["files"]]


def text(cli, file_id):
    return cli("file", "get", file_id, "-p", "p").out.strip()


def test_files_named_one_by_one_have_their_paths_as_ids(cli, place, ids):
    done = cli("file", "add", "a/x.md", "b/x.md", "c.md", "-p", "p", "--json")
    assert (done.code, done.json["added"]) == (0, 3)
    assert ids() == ["a/x.md", "b/x.md", "c.md"]
    assert text(cli, "b/x.md") == "The text of work/b/x.md."


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a/../b/x.md"], ["b/x.md"]),
        (["a"], ["x.md"]),
        (["a/"], ["x.md"]),
        (["a", "b"], ["a/x.md", "b/x.md"]),
        (["a", "c.md"], ["c.md", "x.md"]),
        (["../elsewhere/x.md"], ["x.md"]),
        (["../elsewhere/x.md", "--root", ".."], ["elsewhere/x.md"]),
        (["../elsewhere", "--root", ".."], ["elsewhere/x.md"]),
        (["a/x.md", "--root", "a"], ["x.md"]),
        (["a/x.md", "a/x.md", "./a/x.md"], ["a/x.md"]),
        (["a/x.md", "--id", "mine"], ["mine"]),
    ],
)
def test_an_id_is_the_path_below_the_root_or_the_working_directory(cli, place, ids, arguments, expected):
    done = cli("file", "add", *arguments, "-p", "p")
    assert done.code == 0, done.err
    assert ids() == expected


def test_two_files_of_one_id_in_a_run_are_refused_before_anything_is_stored(cli, place):
    done = cli("file", "add", "c.md", "../elsewhere/x.md", "../other/x.md", "-p", "p")
    assert done.code == ExitCode.USAGE
    assert "2 files would have the id 'x.md'" in done.err
    assert "--root" in done.err
    assert not (place / "store").exists() or cli("partition", "list", "--json").json["partitions"] == []


def test_a_bare_name_never_takes_what_another_source_has(cli, place, ids):
    assert cli("file", "add", "../elsewhere/x.md", "-p", "p").code == 0
    for options in ([], ["--if-exists", "replace"]):
        refused = cli("file", "add", "c.md", "../other/x.md", "-p", "p", *options)
        assert refused.code == ExitCode.USAGE
        assert "'x.md' belongs to a file of another source" in refused.err
        assert f"--root {place / 'work' / '..'}" in refused.err or "--root .." in refused.err
    assert ids() == ["x.md"]
    assert text(cli, "x.md") == "The text of elsewhere/x.md."
    assert cli("file", "add", "../other/x.md", "-p", "p", "--root", "..").code == 0
    assert ids() == ["other/x.md", "x.md"]
    (place / "elsewhere" / "x.md").write_text("newer")
    assert cli("file", "add", "../elsewhere/x.md", "-p", "p", "--if-exists", "replace").code == 0
    assert text(cli, "x.md") == "newer"


def test_no_hint_proposes_to_replace_what_another_source_brought(cli, place):
    cli("file", "add", "a", "-p", "p")
    refused = cli("file", "add", "b", "-p", "p")
    assert refused.code == ExitCode.EXISTS
    assert "replace" not in refused.err
    assert "--root" in refused.err
    (place / "work" / "a" / "x.md").write_text("newer")
    assert "--if-exists replace" in cli("file", "add", "a", "-p", "p").err


def test_the_same_bytes_under_the_bare_name_of_an_older_openrag_are_unchanged(cli, place, ids):
    cli("file", "add", "a/x.md", "-p", "p", "--id", "x.md")
    connection = sqlite3.connect(place / "store" / "openrag.db")
    with connection:
        connection.execute("UPDATE file SET source_id = NULL")  # 0.1.0 did not write it down
    connection.close()
    done = cli("file", "add", "a/x.md", "b/x.md", "-p", "p", "--json")
    assert (done.json["added"], done.json["unchanged"]) == (1, 1)
    assert done.json["known_as"] == [{"file_id": "a/x.md", "known_as": "x.md"}]
    assert "a/x.md is there as x.md" in cli("file", "add", "a/x.md", "-p", "p").err
    assert cli("file", "rename", "x.md", "a/x.md", "-p", "p").code == 0
    assert ids() == ["a/x.md", "b/x.md"]
    assert "known" not in cli("file", "add", "a/x.md", "-p", "p").err


def test_a_file_named_from_its_own_folder_is_the_same_file_from_above(cli, place, ids):
    """The same bytes in another place are another file."""
    os.chdir(place / "work" / "a")
    assert cli("file", "add", "x.md", "-p", "p").code == 0
    os.chdir(place / "work")
    (place / "work" / "b" / "x.md").write_bytes((place / "work" / "a" / "x.md").read_bytes())
    done = cli("file", "add", "a/x.md", "-p", "p", "--json")
    assert done.json["known_as"] == [{"file_id": "a/x.md", "known_as": "x.md"}]
    assert ids() == ["x.md"]
    assert cli("file", "add", "b/x.md", "-p", "p", "--json").json["added"] == 1
    assert ids() == ["b/x.md", "x.md"]


@pytest.mark.parametrize("name", ["..", "../x.md", "a/../x.md", "a/.."])
def test_no_id_that_a_person_gives_holds_the_folder_above(cli, place, ids, name):
    assert cli("file", "add", "c.md", "-p", "p").code == 0
    refusals = [
        cli("file", "add", "a/x.md", "-p", "p", "--id", name),
        cli("file", "add", "-", "-p", "p", "--id", name),
        cli("file", "rename", "c.md", name, "-p", "p"),
    ]
    for refused in refusals:
        assert refused.code == ExitCode.USAGE
        assert f"error: the file id '{name}' holds '..'" in refused.err
    assert ids() == ["c.md"]
    assert cli("file", "rename", "c.md", "a..b/...md", "-p", "p").code == 0


def test_a_file_tells_its_source_and_never_its_root(cli, place):
    cli("file", "add", "a/x.md", "-p", "p")
    cli("file", "add", "b", "-p", "p")
    assert cli("file", "show", "a/x.md", "-p", "p", "--json").json["source"] == {"kind": "file", "label": "x.md"}
    assert cli("file", "show", "x.md", "-p", "p", "--json").json["source"] == {"kind": "folder", "label": "b"}
    assert str(place) not in cli("file", "show", "x.md", "-p", "p").out


def test_a_file_that_a_sync_adopts_has_its_folder_as_source(cli, place):
    assert cli("file", "add", "a/x.md", "-p", "p", "--id", "x.md").code == 0
    assert cli("file", "show", "x.md", "-p", "p", "--json").json["source"]["kind"] == "file"
    assert cli("file", "sync", "a", "-p", "p").code == 0
    assert cli("file", "show", "x.md", "-p", "p", "--json").json["source"] == {"kind": "folder", "label": "a"}


def test_a_file_keeps_its_source_when_it_is_replaced_by_hand_or_read_again(cli, place):
    cli("file", "add", "b", "-p", "p")
    cli("file", "refresh", "-p", "p")
    assert cli("file", "show", "x.md", "-p", "p", "--json").json["source"] == {"kind": "folder", "label": "b"}


# --- rename


def test_a_rename_moves_the_id_and_embeds_nothing(cli, place, ids):
    cli("file", "add", "a/x.md", "c.md", "-p", "p")
    with open_engine(place / "store") as engine:
        before, version = engine.file("p", "a/x.md"), engine.parts.index.version()
        done = cli("file", "rename", "a/x.md", "notes/y.md", "-p", "p", "--json")
        assert (done.code, done.json["file_id"], done.json["revision"]) == (0, "notes/y.md", before.revision)
        assert engine.parts.index.version() == version
        assert ids() == ["c.md", "notes/y.md"]
        assert [hit["file_id"] for hit in cli("search", "work/a", "-p", "p", "-k", "1", "--json").json["hits"]] == [
            "notes/y.md"
        ]
        check(engine)


def test_a_rename_to_what_is_taken_or_from_what_is_not_there_changes_nothing(cli, place, ids):
    cli("file", "add", "a/x.md", "c.md", "-p", "p")
    assert cli("file", "rename", "a/x.md", "c.md", "-p", "p").code == ExitCode.EXISTS
    assert cli("file", "rename", "none", "d.md", "-p", "p").code == ExitCode.NOT_FOUND
    assert cli("file", "rename", "c.md", "/bad", "-p", "p").code == ExitCode.USAGE
    assert cli("file", "rename", "c.md", "c.md", "-p", "p").code == 0
    assert ids() == ["a/x.md", "c.md"]


# --- several folders in one partition


def sync(cli, *arguments):
    return cli("file", "sync", *arguments, "-p", "p", "--json")


def test_two_folders_of_one_partition_keep_both_files(cli, place, ids):
    assert sync(cli, "a").json["added"] == 1
    assert sync(cli, "b").json["added"] == 1
    assert ids() == ["b/x.md", "x.md"]
    for folder in ("a", "b"):
        again = sync(cli, folder, "--delete")
        assert (again.code, again.json["unchanged"], again.json["added"]) == (0, 1, 0)
    assert cli("file", "show", "b/x.md", "-p", "p", "--json").json["source"] == {"kind": "folder", "label": "b"}


def test_folders_synced_by_one_command_are_one_report(cli, place, ids):
    done = sync(cli, "a", "b", "../elsewhere")
    assert (done.code, done.json["added"], done.json["files"]) == (0, 3, 3)
    assert ids() == ["b/x.md", "elsewhere/x.md", "x.md"]
    assert sync(cli, "../elsewhere", "a", "b").json["unchanged"] == 3
    assert cli("file", "sync", "a", "b", "-p", "p", "--prefix", "c").code == ExitCode.USAGE


def test_a_prefix_is_kept_and_a_taken_one_is_refused_with_the_line_to_type(cli, place, ids):
    sync(cli, "a", "--prefix", "first/")
    sync(cli, "b", "--prefix", "second")
    assert ids() == ["first/x.md", "second/x.md"]
    refused = cli("file", "sync", "../other", "-p", "p", "--prefix", "second")
    assert refused.code == ExitCode.USAGE
    assert "hint: openrag file sync ../other -p p --prefix second-2" in refused.err
    assert sync(cli, "../other", "--prefix", "second-2").json["added"] == 1
    for prefix in ("../x", "a/../b"):
        assert cli("file", "sync", "a", "-p", "p", "--prefix", prefix).code == ExitCode.USAGE
    assert ids() == ["first/x.md", "second-2/x.md", "second/x.md"]


def test_a_new_prefix_moves_the_files_and_embeds_nothing(cli, place, ids):
    sync(cli, "a")
    with open_engine(place / "store") as engine:
        version = engine.parts.index.version()
        moved = sync(cli, "a", "--prefix", "notes")
        assert (moved.code, moved.json["moved"], moved.json["added"]) == (0, 1, 0)
        assert engine.parts.index.version() == version
    assert ids() == ["notes/x.md"]
    assert sync(cli, "a").json["unchanged"] == 1


def test_the_hint_of_a_conflict_loses_nothing(cli, place, ids):
    cli("file", "add", "../elsewhere/x.md", "-p", "p")
    refused = cli("file", "sync", "a", "-p", "p")
    assert refused.code == ExitCode.PARTIAL
    assert "replace" not in refused.err
    assert cli(*refused.err.split("hint: keep both: openrag ")[1].replace("NAME", "a").split()).code == 0
    assert ids() == ["a/x.md", "x.md"]
    assert text(cli, "x.md") == "The text of elsewhere/x.md."


def test_a_folder_that_may_not_go_without_a_prefix_is_offered_its_name(cli, place, ids):
    sync(cli, "a")
    refused = cli("file", "sync", "b", "-p", "p", "--prefix", "")
    assert refused.code == ExitCode.USAGE
    assert "hint: openrag file sync b -p p --prefix b\n" in refused.err
    assert sync(cli, "b", "--prefix", "b").json["added"] == 1


def test_a_prefix_that_files_of_another_source_have_is_taken(cli, place):
    sync(cli, "../elsewhere")
    cli("file", "add", "b/x.md", "-p", "p")  # its id is b/x.md, and it came from the working directory
    assert cli("file", "sync", "../other", "-p", "p", "--prefix", "b").code == ExitCode.USAGE


def test_a_busy_file_stays_alone_when_its_folder_is_renamed(cli, place, ids):

    folder = place / "work" / "many"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.md").write_text(f"Page {n}.")
    sync(cli, ".", "--prefix", "w")
    with open_engine(place / "store") as engine:
        submit(engine, "p", "w/many/2.md", "A newer page.", TaskKind.REPLACE)
        folder.rename(place / "work" / "renamed")
        done = sync(cli, ".")
        assert (done.json["moved"], done.json["failed"], done.code) == (3, 1, ExitCode.PARTIAL)
        assert [failure["file_id"] for failure in done.json["failures"]] == ["w/renamed/2.md"]
        engine.drain()
        assert engine.document("p", "w/many/2.md").markdown == "A newer page."
        assert sync(cli, ".").code == 0
    assert [one for one in ids() if "renamed" in one] == [f"w/renamed/{n}.md" for n in range(4)]
