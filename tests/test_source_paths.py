"""Where a file came from stays with it whatever its id becomes: hits, names, answers and `open` lead there, or say that
it is gone."""

import contextlib
import json
import os
import shlex
import sqlite3

import pytest
from harness import open_engine

from openrag_cli.cli.places import local_path
from openrag_cli.contract.schemas import schema_of

TEXT = "# Keys\n\nAn introduction.\n\nRotate the zebra keys every 90 days.\n"


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    (folder / "ops").mkdir(parents=True)
    (folder / "ops" / "keys.md").write_text(TEXT)
    return folder


def opened(cli, file_id, partition="default"):
    result = cli("open", file_id, "-p", partition, "--print")
    return result.out.strip() if result.code == 0 else result.err


def brought(cli, docs, how):
    """Bring the file as `how` says; return its id."""
    if how == "folder":
        cli("file", "add", docs)
        return "ops/keys.md"
    if how == "two folders":
        (docs.parent / "other").mkdir()
        (docs.parent / "other" / "a.md").write_text("Nothing.\n")
        cli("file", "add", docs, docs.parent / "other")
        return "docs/ops/keys.md"
    if how == "named":
        cli("file", "add", docs / "ops" / "keys.md")
        return "docs/ops/keys.md"
    if how == "an id":
        cli("file", "add", docs / "ops" / "keys.md", "--id", "night")
        return "night"
    cli("file", "sync", docs, "--prefix", "team")
    return "team/ops/keys.md" if cli("file", "show", "team/ops/keys.md").code == 0 else "ops/keys.md"


@pytest.mark.parametrize("how", ["folder", "two folders", "named", "an id", "sync"])
def test_a_renamed_file_is_opened_and_named_where_it_is(cli, docs, how):
    known = brought(cli, docs, how)
    assert opened(cli, known) == str(docs / "ops/keys.md")
    assert cli("file", "rename", known, "secret%20things.md").code == 0
    assert opened(cli, "secret%20things.md") == str(docs / "ops/keys.md")
    assert cli("search", "zebra keys", "-l").out == "docs/ops/keys.md\n"
    assert cli("search", "zebra keys", "--vimgrep").out.startswith("docs/ops/keys.md:5:")
    assert cli("grep", "-l", "zebra").out == "docs/ops/keys.md\n"
    hit = cli("search", "zebra keys", "--json").json["hits"][0]
    assert (hit["path"], hit["gone"]) == (str(docs / "ops/keys.md"), False)


@pytest.mark.parametrize(
    "name", ["a b.md", "50%25.md", "a%0Ab.md", "new\nline.md", "é.md", os.fsdecode(b"caf\xe9.md"), "-x.md"]
)
def test_names_of_every_kind_are_found_again_after_a_rename(cli, docs, tmp_path, name):
    (docs / "ops" / "keys.md").rename(docs / name)
    cli("file", "add", docs)
    [file] = cli("file", "list", "--json").json["files"]
    cli("file", "rename", "--", file["file_id"], "plain.md")
    with open_engine(tmp_path / "store") as engine:
        assert local_path(engine.file("default", "plain.md")) == docs / name


def test_a_source_that_is_gone_is_told_and_not_named_as_if_it_were_there(cli, docs):
    cli("file", "add", docs, "-p", "team")
    cli("file", "rename", "ops/keys.md", "secret.md", "-p", "team")
    (docs / "ops" / "keys.md").unlink()
    shown = cli("search", "zebra keys")
    assert "secret.md:5" in shown.out.splitlines()[0]
    assert "(its source is gone)" in shown.out.splitlines()[0]
    for command in ("search zebra -l", "search zebra --vimgrep", "grep zebra"):
        told = cli(*command.split())
        assert "secret.md: its source is gone" in told.err, command
        hint = next(line for line in told.err.splitlines() if line.startswith("hint: the stored text: "))
        assert cli(*shlex.split(hint.partition("text: ")[2])[1:]).out == TEXT
    hit = cli("search", "zebra keys", "--json").json["hits"][0]
    assert (hit["path"], hit["gone"]) == (None, True)
    failed = cli("open", "1")
    assert (failed.code, f"its source is gone: {docs}/ops/keys.md" in failed.err) == (66, True)
    answer = cli("ask", "how often do we rotate the zebra keys?")
    assert "secret.md:5" in answer.out
    assert "-p team (its source is gone)" in answer.out


def test_what_never_was_a_file_of_this_machine_is_not_gone(process, cli):
    process("file", "add", "-", "--id", "heron.md", stdin=b"The heron stands in the reeds.\n")
    hit = cli("search", "heron", "--json").json["hits"][0]
    assert (hit["path"], hit["gone"]) == (None, False)
    assert "gone" not in cli("search", "heron").out
    assert "did not come from a file of this machine" in opened(cli, "heron.md")


def test_a_file_renamed_here_and_there_is_found_by_its_content_alone(cli, docs):
    cli("file", "add", docs)
    cli("file", "rename", "ops/keys.md", "ops/new.md")
    (docs / "ops" / "keys.md").rename(docs / "ops" / "new.md")
    assert opened(cli, "ops/new.md") == str(docs / "ops" / "new.md")
    (docs / "ops" / "new.md").write_text(TEXT.replace("90", "30"))
    assert "its source is gone" in opened(cli, "ops/new.md")


def test_a_sync_that_finds_it_moved_tells_the_new_place(cli, docs):
    cli("file", "sync", docs)
    (docs / "ops" / "keys.md").rename(docs / "moved.md")
    assert cli("file", "sync", docs, "--json").json["moved"] == 1
    assert opened(cli, "moved.md") == str(docs / "moved.md")
    docs.rename(docs.with_name("renamed"))
    cli("file", "sync", docs.with_name("renamed"))
    assert opened(cli, "moved.md") == str(docs.with_name("renamed") / "moved.md")


def test_it_outlives_edits_refreshes_a_backup_and_an_export_and_follows_a_replacement(cli, docs, tmp_path):
    cli("file", "add", docs)
    cli("file", "rename", "ops/keys.md", "secret.md")
    place = str(docs / "ops" / "keys.md")
    cli("file", "edit", "secret.md", "-m", "year=2026")
    cli("file", "refresh", "secret.md")
    assert opened(cli, "secret.md") == place
    cli("backup", "b.tar")
    cli("--store", tmp_path / "again", "restore", "b.tar")
    assert cli("--store", tmp_path / "again", "open", "secret.md", "--print").out == f"{place}\n"
    cli("export", "-p", "default", "-o", "out")
    assert cli("import", "out", "-p", "copy").code == 0
    assert opened(cli, "secret.md", "copy") == place
    (tmp_path / "newer.md").write_text("Rotate the zebra keys every week.\n")
    cli("file", "replace", "secret.md", "newer.md")
    assert opened(cli, "secret.md") == str(tmp_path / "newer.md")


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({}, 0, True),
        ({"path": "../docs/ops/keys.md"}, 0, False),
        ({"path": "/etc/hostname", "root": "/"}, 0, False),
        ({"root": "docs"}, 0, False),
        ({"path": "none.md"}, 0, False),
        ({"path": 1}, 74, False),
        ({"kind": "elsewhere"}, 74, False),
    ],
)  # fmt: skip
def test_the_source_of_an_import_is_kept_where_such_a_file_is_there(cli, docs, tmp_path, change, code, path):
    cli("file", "add", docs)
    cli("export", "-p", "default", "-o", "out")
    lines = (tmp_path / "out" / "documents.jsonl").read_text()
    entry = json.loads(lines)
    entry["source"] |= change
    (tmp_path / "out" / "documents.jsonl").write_text(json.dumps(entry) + "\n")
    head = json.loads((tmp_path / "out" / "partition.json").read_text())
    from openrag_cli.maintenance.export_reader import sha256_of_file

    head["sha256"]["documents.jsonl"] = sha256_of_file(tmp_path / "out" / "documents.jsonl")
    (tmp_path / "out" / "partition.json").write_text(json.dumps(head))
    assert cli("import", "out", "-p", "copy").code == code
    if code == 0:
        hit = cli("search", "zebra", "-p", "copy", "--json").json["hits"][0]
        assert (hit["path"] is not None) == path


def test_a_store_of_before_opens_what_is_renamed_now(cli, docs, tmp_path):
    cli("file", "add", docs)
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "openrag.db", isolation_level=None)) as connection:
        connection.execute("UPDATE file SET source_path = NULL")
    assert opened(cli, "ops/keys.md") == str(docs / "ops" / "keys.md")
    cli("file", "rename", "ops/keys.md", "x.md")
    assert opened(cli, "x.md") == str(docs / "ops" / "keys.md")


# --- answers


def test_sources_of_an_answer_can_be_pasted_and_opened_by_their_number(cli, docs, environment):
    (docs / "leave.md").write_text("# Leave\n\nEverybody has thirty days of leave.\n")
    cli("file", "add", docs, "-p", "team")
    cli("file", "add", docs, "-p", "team two")
    answer = cli("ask", "how often are the zebra keys rotated?", "-p", "team")
    line = answer.out.splitlines()[-1]
    assert line.startswith("[1] docs/ops/keys.md:5")
    assert cli("open", "1", "--json").json | {"schema": 0} == {
        "schema": 0, "partition": "team", "file_id": "ops/keys.md", "path": str(docs / "ops/keys.md"), "line": 5, "page": None,
    }  # fmt: skip
    body = cli("ask", "how often are the zebra keys rotated?", "-p", "team", "--json").json
    assert [entry["path"] for entry in body["citations"]] == [str(docs / "ops/keys.md")]
    assert set(body["citations"][0]) >= set(schema_of("answer")["properties"]["citations"]["items"]["required"])
    cli("search", "leave", "-p", "team")
    assert cli("open", "1", "--json").json["file_id"] == "leave.md"


def test_a_source_without_a_path_has_the_options_that_find_it(process, cli):
    for partition in ("default", "team two"):
        process("file", "add", "-", "--id", "h.md", "-p", partition, stdin=b"The heron stands in the reeds.\n")
    for partition, pasted in (("default", "h.md"), ("team two", "h.md -p 'team two'")):
        line = cli("ask", "where does the heron stand?", "-p", partition).out.splitlines()[-1]
        name, _, option = line.removeprefix("[1] ").partition("  ")
        assert f"{name.partition(':')[0]} {option}".strip() == pasted
        assert cli("file", "get", *shlex.split(pasted)).out == "The heron stands in the reeds.\n"


# --- files of a folder that a rule leaves out by now


def test_add_tells_of_files_that_a_new_rule_leaves_out_and_how_to_delete_them(cli, docs):
    for n in range(3):
        (docs / f"{n}.log").write_text(f"line {n}\n")
    assert "ignored" not in cli("file", "add", docs).err
    (docs / ".openragignore").write_text("*.log\n")
    told = cli("file", "add", docs)
    assert "3 files are ignored now but still searchable; openrag file delete removes" in told.err
    hint = next(line for line in told.err.splitlines() if line.startswith("hint: "))
    assert hint == "hint: openrag file delete 0.log 1.log 2.log -p default"
    assert cli("file", "add", docs, "--json").json["ignored_now"] == 3
    assert cli("file", "add", docs, "--dry-run", "--json").json["ignored_now"] == 3
    assert cli(*shlex.split(hint)[2:], "--yes").code == 0
    assert "ignored" not in cli("file", "add", docs).err


@pytest.mark.parametrize(
    ("options", "n"),
    [([], 0), (["--glob", "*.md"], 0), (["--exclude", "ops/"], 1), (["--glob", "*.txt", "--exclude", "ops/"], 0)],
)
def test_what_an_exclude_leaves_out_is_told_and_what_a_glob_does_not_name_is_not(cli, docs, options, n):
    (docs / "a.txt").write_text("text\n")
    cli("file", "add", docs)
    assert cli("file", "add", docs, *options, "--json").json["ignored_now"] == n


def test_files_that_were_deleted_or_came_from_elsewhere_are_not_ignored(cli, docs, tmp_path):
    cli("file", "add", docs)
    (tmp_path / "other.log").write_text("line\n")
    cli("file", "add", "other.log")
    (docs / "ops" / "keys.md").unlink()
    (docs / "new.md").write_text("New.\n")
    assert cli("file", "add", docs, "--json").json["ignored_now"] == 0
