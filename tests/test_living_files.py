"""Files that live, file systems that lack something, and names that are the same text in other bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openrag_cli.errors import IngestError
from openrag_cli.ingest.stable_read import read_steadily

SHIM = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "shell" / "shim.c"
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


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library that answers as file systems do that lack something."""
    if shutil.which("gcc") is None or not SHIM.exists():
        pytest.skip(f"needs gcc and {SHIM}")
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
