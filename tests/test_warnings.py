"""What was not indexed of a document that was: told where a person, a program and an operator look."""

import contextlib
import json
import sqlite3

import jsonschema
import pytest

from openrag_cli.contract.schemas import schema_of
from openrag_cli.store import database

MAIL = b"""From: ada@example.org
Subject: The plan
Content-Type: multipart/mixed; boundary=cut

--cut
Content-Type: text/plain

The lock is mended on Monday.
--cut
Content-Type: application/octet-stream; name="plan.bin"
Content-Disposition: attachment; filename="plan.bin"

xyz
--cut--
"""
SENTENCE = "plan.bin"


@pytest.fixture
def mail(tmp_path):
    path = tmp_path / "box" / "plan.eml"
    path.parent.mkdir()
    path.write_bytes(MAIL)
    return path


def assert_warned(entries):
    (warning,) = entries
    assert warning["code"] == "attachments_left_out"
    assert SENTENCE in warning["message"]


@pytest.mark.parametrize("command", ["add", "sync"])
def test_add_and_sync_tell_what_was_left_out_of_a_file(cli, mail, command):
    said = cli("file", command, mail.parent)
    assert said.code == 0
    (line,) = [line for line in said.err.splitlines() if line.startswith("warning:")]
    assert "plan.eml" in line
    assert SENTENCE in line
    again = cli("file", command, mail.parent)
    assert "warning" not in again.err


@pytest.mark.parametrize("command", ["add", "sync"])
def test_a_report_in_json_holds_the_warnings_of_its_files(cli, mail, command):
    report = cli("file", command, mail.parent, "--json").json
    jsonschema.validate(report, schema_of("report"))
    assert_warned(report["warnings"])
    (warning,) = report["warnings"]
    assert (warning["file_id"], warning["path"]) == ("plan.eml", str(mail))
    assert_warned(cli("task", "show", warning["task_id"], "--json").json["warnings"])


def test_a_file_and_its_task_keep_the_warnings(cli, mail):
    cli("file", "add", mail)
    shown = cli("file", "show", "box/plan.eml", "--json").json
    jsonschema.validate(shown, schema_of("file"))
    assert_warned(shown["warnings"])
    lines = cli("file", "show", "box/plan.eml").out.splitlines()
    assert ["warning", shown["warnings"][0]["message"]] in [line.split(maxsplit=1) for line in lines]
    (task,) = cli("task", "list", "--json").json["tasks"]
    assert_warned(task["warnings"])
    assert SENTENCE in cli("task", "list").out
    assert SENTENCE in cli("task", "show", task["task_id"]).out
    assert SENTENCE in cli("task", "log", task["task_id"]).out


def test_a_replacement_has_its_own_warnings(cli, mail):
    cli("file", "add", mail)
    mail.write_text("Subject: The plan\n\nThe lock is mended on Tuesday.\n")
    cli("file", "add", mail, "--if-exists", "replace")
    assert cli("file", "show", "box/plan.eml", "--json").json["warnings"] == []


def test_an_export_and_its_import_keep_the_warnings(cli, mail, tmp_path):
    cli("file", "add", mail)
    cli("export", "-p", "default", "-o", tmp_path / "out")
    cli("import", tmp_path / "out", "-p", "copy")
    assert_warned(cli("file", "show", "box/plan.eml", "-p", "copy", "--json").json["warnings"])


def test_many_warned_files_are_counted_and_the_first_ones_named(cli, mail):
    for n in range(24):
        (mail.parent / f"{n:02}.eml").write_bytes(MAIL.replace(b"Monday", b"day %d" % n))
    said = cli("file", "add", mail.parent).err
    assert said.count("warning:") == 20
    assert "... and 5 more files with warnings" in said


def test_a_store_of_an_older_format_has_no_warnings_and_takes_new_ones(cli, mail, tmp_path, monkeypatch):
    with monkeypatch.context() as old:
        old.setattr(database, "FORMAT", 3)
        database.Database(tmp_path / "store" / "openrag.db").rows("SELECT 1")
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "openrag.db", isolation_level=None)) as connection:
        assert "warnings" not in [row[1] for row in connection.execute("PRAGMA table_info(file)")]
    cli("file", "add", mail)
    assert json.loads(cli("file", "show", "box/plan.eml", "--json").out)["warnings"]
