"""Files that live, file systems that lack something, and names that are the same text in other bytes."""

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from openrag_cli.errors import IngestError
from openrag_cli.ingest.stable_read import read_steadily
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database

SHIM = Path(__file__).parent / "fixtures" / "netfs_shim.c"
NFC, NFD = "r\u00e9sum\u00e9.md", "re\u0301sume\u0301.md"


def test_a_file_that_only_grows_is_read_up_to_the_size_first_seen(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"first\n")

    def read(stream):
        content = stream.read()
        with log.open("ab") as more:
            more.write(b"more\n")
        return content

    content, state = read_steadily(log, read)
    assert content == b"first\n"
    assert (state.st_size, state.is_cut) == (6, True)


@pytest.mark.parametrize("change", [b"other than it was\n", b"x"], ids=["rewritten and longer", "shorter"])
def test_a_file_that_is_written_over_is_no_log(tmp_path, change):
    path = tmp_path / "notes.md"
    path.write_bytes(b"first\n")
    rounds = iter(range(1000))

    def read(stream):
        stream.read()
        path.write_bytes(b"%d " % next(rounds) + change)

    with pytest.raises(IngestError):
        read_steadily(path, read)


def test_a_growing_log_is_added_and_it_is_said(cli, tmp_path):
    log = tmp_path / "app.log"
    log.write_text("pump ok\n" * 300)
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfor _ in range(20000):\n with open(sys.argv[1], 'a') as f: f.write('tick\\n')",
            log,
        ]
    )
    try:
        added = cli("file", "add", log, "-p", "p", "--json")
    finally:
        writer.kill()
        writer.wait(60)
    assert added.code == 0
    assert added.json["added"] == 1
    assert {one["code"] for one in added.json["warnings"]} <= {"growing"}


def test_a_name_is_found_by_canonical_equivalence_and_the_exact_one_first(cli, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / NFD).write_text("decomposed, the pump\n")
    assert cli("file", "add", docs, "-p", "p").code == 0
    assert cli("file", "get", NFC, "-p", "p").out == "decomposed, the pump\n"
    assert cli("file", "show", NFC, "-p", "p", "--json").json["file_id"] == NFD
    assert cli("search", "pump", "-f", NFC, "-l").code == 0
    assert cli("file", "edit", NFC, "-p", "p", "-m", "year=2024").code == 0
    (docs / NFD).unlink()
    (docs / NFC).write_text("composed, the pump\n")
    assert cli("file", "add", docs, "-p", "p").code == 0
    assert cli("file", "get", NFC, "-p", "p").out == "composed, the pump\n"
    assert cli("file", "get", NFD, "-p", "p").out == "decomposed, the pump\n"


@pytest.mark.parametrize(
    ("made", "typed"), [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9"), ("\u1112\u1161\u11ab", "\ud55c")]
)
def test_a_partition_is_found_however_its_name_is_typed(cli, tmp_path, made, typed):
    (tmp_path / "a.md").write_text("the pump\n")
    (tmp_path / "b.md").write_text("the valve\n")
    assert cli("file", "add", tmp_path / "a.md", "-p", made).code == 0
    assert cli("file", "add", tmp_path / "b.md", "-p", typed).code == 0
    assert cli("partition", "create", typed).code == 73
    (only,) = cli("partition", "list", "--json").json["partitions"]
    assert (only["partition"], only["files"]) == (unicodedata.normalize("NFC", made), 2)
    for name in (made, typed):
        assert cli("search", "pump", "-p", name, "-l").code == 0
        assert cli("file", "get", "a.md", "-p", name).out == "the pump\n"
    assert cli("file", "sync", tmp_path, "-p", typed).code == 0
    assert cli("view", "create", "v", "-p", typed).code == 0
    assert cli("search", "pump", "-p", "v", "-l").code == 0
    assert cli("partition", "delete", typed, "--yes").code == 0
    assert cli("partition", "list", "--json").json["partitions"] == []


def test_names_that_an_older_openrag_kept_in_two_forms_are_one_form_each(tmp_path):
    database = Database(tmp_path / "openrag.db")
    with database.transaction() as connection:
        for name in ("caf\u00e9", "cafe\u0301", "re\u0301sume\u0301"):
            connection.execute("INSERT INTO partition (name, created_at) VALUES (?, 0)", (name,))
        connection.execute("ALTER TABLE folder DROP COLUMN device")
        connection.execute("ALTER TABLE folder_file DROP COLUMN inode")
        connection.execute("ALTER TABLE folder_file DROP COLUMN ctime_ns")
        connection.execute("ALTER TABLE file DROP COLUMN source_path")
        connection.execute("ALTER TABLE task DROP COLUMN source_path")
        connection.execute("DROP TABLE gram")
        connection.execute("PRAGMA user_version = 19")
    database.close()
    names = [partition.name for partition in Catalog(Database(tmp_path / "openrag.db")).partitions()]
    assert names == ["caf\u00e9", "caf\u00e9-2", "r\u00e9sum\u00e9"]


@pytest.mark.parametrize(
    "condition",
    [
        "{0} = 2024",
        "{0} exists",
        "{0} in (2024)",
        "not {0} != 2024",
        "ville = '{1}'",
        "ville like '{1}%'",
        "tags contains '{1}'",
        "ville in ('{1}')",
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_keys_and_texts_of_filters_are_found_however_they_are_typed(cli, tmp_path, condition, form):
    (tmp_path / "a.md").write_text("the pump\n")
    (tmp_path / "b.md").write_text("the pump\n")
    year, place = "ann\u00e9e", "Orl\u00e9ans"
    said = {year: 2024, "ville": unicodedata.normalize("NFD", place), "tags": [place]}
    pairs = [word for key, value in said.items() for word in ("-m", f"{key}={json.dumps(value)}")]
    assert cli("file", "add", tmp_path / "a.md", "-p", "p", *pairs).code == 0
    assert cli("file", "add", tmp_path / "b.md", "-p", "p").code == 0
    typed = unicodedata.normalize(form, condition.format(year, place))
    found = cli("search", "pump", "-p", "p", "--filter", typed, "--json")
    assert [hit["file_id"] for hit in found.json["hits"]] == ["a.md"], found.err
    assert "no file here" not in found.err
    assert (
        cli("file", "list", "-p", "p", "--filter", f"not ({typed})", "--json").json["files"][0]["file_id"] == "b.md"
    )


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library that answers as file systems do that lack something."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    made = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", made, SHIM, "-ldl"], check=True, timeout=60)
    return made


@pytest.mark.parametrize(
    ("lacks", "code", "words"),
    [
        ("SHIM_DIRFSYNC=22", 0, "fsync of a folder"),
        ("SHIM_FLOCK=37", 74, "has no file locks"),
        ("SHIM_FLOCK=38", 74, "has no file locks"),
        ("SHIM_FLOCK=95", 74, "has no file locks"),
        ("SHIM_CHMOD=1", 0, ""),
        ("SHIM_LINK=1", 0, ""),
    ],
)
def test_what_a_file_system_lacks_is_one_sentence_with_its_name(process, shim, tmp_path, lacks, code, words):
    (tmp_path / "n.md").write_text("a note\n")
    name, _, number = lacks.partition("=")
    told = process("file", "add", "n.md", env={"LD_PRELOAD": str(shim), name: number})
    assert told.code == code, told.err
    assert words in told.err
    assert told.err.count(words) == 1 or not words
    assert ("the file system of " in told.err) is bool(words)
    assert os.environ.get(name) is None
