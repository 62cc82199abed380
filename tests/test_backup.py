"""Backups, restores, exports and imports: what comes back is what was there, whatever others did meanwhile."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading

import pytest
from harness import check, contents, open_engine, put

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.domain import ALL_PARTITIONS, TaskState
from openrag_cli.engine import Engine
from openrag_cli.errors import InvalidInput, StoreDamaged
from openrag_cli.maintenance import backup
from openrag_cli.maintenance.restore import restore
from openrag_cli.retrieval.request import SearchRequest

QUERIES = ("pump number 3", "how heavy is it?", "tons of steel")


def text_of(n: int) -> str:
    return f"# Note {n}\n\nThe pump number {n} weighs {n} tons.\n\n## Steel\n\nIt is made of {n * 7} tons of steel.\n"


def results(engine: Engine, partition: str = ALL_PARTITIONS) -> list:
    """Return what searches find: place, text and score, in order."""
    return [
        (hit.file.file_id, hit.chunk.ordinal, hit.chunk.span.text, round(hit.score, 5))
        for query in QUERIES
        for hit in engine.search(SearchRequest(query, partitions=(partition,), top_k=20))
    ]


@pytest.fixture
def filled(tmp_path, environment):
    with open_engine(tmp_path / "store") as engine:
        for n in range(8):
            put(engine, "été 1", f"dir/note {n}.md", text_of(n))
        engine.drain()
        engine.edit_file("été 1", "dir/note 3.md", {"year": 2024, "tag": "é"})
        engine.maintain(force=True)
        check(engine)
    return tmp_path / "store"


def back_up(store) -> bytes:
    target = io.BytesIO()
    with open_engine(store) as engine:
        engine.maintenance.back_up(target)
    return target.getvalue()


# --- backup


def test_a_backup_into_a_closed_pipe_ends_in_silence_with_141(filled):
    command = f"{sys.executable} -m openrag_cli backup - | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.CLOSED_PIPE, b"")


def test_a_restored_store_finds_the_same_with_the_same_ids_and_scores(filled, process, tmp_path):
    assert process("backup", "b.tar").code == 0
    assert process("restore", "b.tar", "--store", "again").code == 0
    with open_engine(filled) as old, open_engine(tmp_path / "again") as new:
        check(new)
        assert results(new) == results(old)
        assert contents(new) == contents(old)
        assert new.files("été 1") == old.files("été 1")
    assert not list(filled.glob(".backup-*"))
    assert (tmp_path / "b.tar").stat().st_mode & 0o077 == 0


def test_a_task_that_was_being_worked_on_is_queued_in_the_copy(filled, tmp_path):
    with open_engine(filled) as engine:
        put(engine, "busy", "held.md", text_of(1))
        assert engine.parts.queue.claim("a worker", limit=1)
        target = io.BytesIO()
        engine.maintenance.back_up(target)
        assert [task.state for task in engine.tasks([TaskState.SERIALIZING])] == [TaskState.SERIALIZING]
    restore(io.BytesIO(target.getvalue()), tmp_path / "again")
    with open_engine(tmp_path / "again") as new:
        (task,) = new.tasks([TaskState.QUEUED])
        assert task.attempts == 0
        new.drain()
        check(new)
        assert [file.file_id for file in new.files("busy")] == ["held.md"]


def test_a_file_that_is_deleted_while_it_is_backed_up_is_there_with_its_original(filled, tmp_path, monkeypatch):
    link_below = backup._link_below

    def link_after_a_deletion(*arguments):
        with open_engine(filled) as other:
            other.delete_files("été 1", ["dir/note 3.md"])
        link_below(*arguments)

    monkeypatch.setattr(backup, "_link_below", link_after_a_deletion)
    target = io.BytesIO(back_up(filled))
    monkeypatch.undo()
    restore(target, tmp_path / "again")
    with open_engine(tmp_path / "again") as new:
        check(new)
        with new.original("été 1", "dir/note 3.md") as stream:
            assert stream.read().decode() == text_of(3)


def test_a_backup_goes_through_pipes(filled, process, tmp_path):
    import subprocess
    import sys

    program = f"{sys.executable} -m openrag_cli"
    command = f"{program} backup - | gzip | gunzip | {program} restore - --store again --json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert json.loads(done.stdout)["schema"] == "openrag.restore/1", done.stderr
    with open_engine(tmp_path / "again") as new:
        check(new)


def test_a_backup_is_whole_while_others_add_replace_and_delete(filled, tmp_path):
    stop = threading.Event()

    def work() -> None:
        with open_engine(filled) as engine:
            n = 0
            while not stop.is_set():
                put(engine, "busy", f"f{n % 5}.md", text_of(n))
                engine.drain()
                if n % 3 == 2:
                    engine.delete_files("busy", [f"f{n % 5}.md"])
                n += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        copies = [back_up(filled) for _ in range(4)]
    finally:
        stop.set()
        thread.join()
    for number, content in enumerate(copies):
        restore(io.BytesIO(content), tmp_path / f"r{number}")
        with open_engine(tmp_path / f"r{number}") as engine:
            engine.drain()
            check(engine)
            assert len(engine.files("été 1")) == 8


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_backup_cut_short_is_refused_and_leaves_nothing(filled, tmp_path, share):
    content = back_up(filled)
    with pytest.raises((StoreDamaged, InvalidInput)):
        restore(io.BytesIO(content[: int(len(content) * share)]), tmp_path / "again")
    assert [path.name for path in tmp_path.iterdir() if "again" in path.name or "restore" in path.name] == []


def test_a_changed_byte_is_found(filled, tmp_path):
    content = bytearray(back_up(filled))
    at = content.index(b"The pump number 3")
    content[at] ^= 1
    with pytest.raises(StoreDamaged, match="not what its manifest says"):
        restore(io.BytesIO(bytes(content)), tmp_path / "again")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "lance/../../evil", "other/file"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path, name):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    target.seek(0)
    with pytest.raises(InvalidInput, match="not a backup"):
        restore(target, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_link_in_a_backup_is_refused(tmp_path):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("lance/link")
        member.type = tarfile.SYMTYPE
        member.linkname = "/etc/passwd"
        archive.addfile(member)
    target.seek(0)
    with pytest.raises(InvalidInput, match="no plain file"):
        restore(target, tmp_path / "again")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["restore", "nowhere.tar", "--store", "again"], ExitCode.NOT_FOUND),
        (["restore", "text.tar", "--store", "again"], ExitCode.USAGE),
        (["restore", "text.tar"], ExitCode.EXISTS),
        (["backup", "b.tar", "--store", "none"], ExitCode.NOT_FOUND),
        (["backup", "none/b.tar"], ExitCode.IO),
    ],
)
def test_what_cannot_be_done_is_one_line(filled, cli, tmp_path, arguments, code):
    (tmp_path / "text.tar").write_text("no tar")
    result = cli(*arguments)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") <= 2
    assert not (tmp_path / "again").exists()


# --- export and import


def test_an_import_keeps_files_chunks_vectors_and_results(filled, process, tmp_path):
    assert process("export", "-p", "été 1", "-o", "out").code == 0
    report = process("import", "out", "-p", "copy", "--json").json
    assert (report["files"], report["embedded"]) == (8, 0)
    with open_engine(filled) as engine:
        check(engine)
        assert results(engine, "copy") == results(engine, "été 1")
        old, new = engine.files("été 1"), engine.files("copy")
        assert [(f.file_id, f.filename, f.sha256, f.metadata) for f in new] == [
            (f.file_id, f.filename, f.sha256, f.metadata) for f in old
        ]
        for file in new:
            assert engine.document("copy", file.file_id) == engine.document("été 1", file.file_id)
            spans = [chunk.span for chunk in engine.chunks("copy", file.file_id)]
            assert spans == [chunk.span for chunk in engine.chunks("été 1", file.file_id)]


def test_an_export_can_be_read_by_anybody(filled, process, tmp_path):
    import pyarrow.parquet as pq

    process("export", "-p", "été 1", "-o", "out")
    documents = [json.loads(line) for line in (tmp_path / "out/documents.jsonl").read_text().splitlines()]
    chunks = [json.loads(line) for line in (tmp_path / "out/chunks.jsonl").read_text().splitlines()]
    vectors = pq.read_table(tmp_path / "out/vectors.parquet")
    assert [entry["file_id"] for entry in documents] == [f"dir/note {n}.md" for n in range(8)]
    assert documents[3]["metadata"]["year"] == 2024
    assert vectors.num_rows == len(chunks)
    assert vectors.column("ordinal").to_pylist() == [entry["ordinal"] for entry in chunks]
    for entry in chunks:
        text = next(document["text"] for document in documents if document["file_id"] == entry["file_id"])
        assert text[entry["start"] : entry["end"]] == entry["text"]
    assert (tmp_path / "out/originals" / documents[3]["sha256"]).read_text() == text_of(3)


def test_another_store_takes_an_export_in(filled, process, tmp_path):
    process("export", "-p", "été 1", "-o", "out")
    assert process("import", "out", "--store", "other").code == 0
    with open_engine(filled) as old, open_engine(tmp_path / "other") as new:
        check(new)
        assert results(new) == results(old)


@pytest.mark.parametrize("name", ["documents.jsonl", "chunks.jsonl", "vectors.parquet", "partition.json"])
def test_a_changed_export_is_refused_and_nothing_taken_in(filled, process, tmp_path, name):
    process("export", "-p", "été 1", "-o", "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes()[:-20])
    result = process("import", "out", "-p", "copy")
    assert result.code in {ExitCode.IO, ExitCode.USAGE}
    assert str(path) in result.err or name in result.err
    assert process("partition", "show", "copy").code == ExitCode.NOT_FOUND


def test_an_export_or_import_onto_something_is_refused(filled, process, tmp_path):
    process("export", "-p", "été 1", "-o", "out")
    assert process("export", "-p", "été 1", "-o", "out").code == ExitCode.EXISTS
    assert process("import", "out").code == ExitCode.EXISTS
    assert process("import", "nowhere").code == ExitCode.NOT_FOUND
    assert process("export", "-p", "none", "-o", "out2").code == ExitCode.NOT_FOUND
    shutil.rmtree(tmp_path / "out" / "originals")
    assert process("import", "out", "-p", "copy").code != 0
