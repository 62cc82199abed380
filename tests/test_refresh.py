"""Reading again: what made each file is known, what is outdated is found, and a refresh is an ordinary replacement."""

import sqlite3
from pathlib import Path

import pytest
from harness import check, find, open_engine, put, submit

from openrag_cli.documents import convert, versions
from openrag_cli.domain import MadeBy, TaskKind, TaskState
from openrag_cli.engine import Engine
from openrag_cli.ingest.refresh import RefreshRun

TEXT = versions.reader_of("text/plain")
CHUNKS = versions.chunker()
PDF = "application/pdf"


@pytest.fixture
def store(tmp_path, environment):
    """A store of three notes with metadata in partition p."""
    with open_engine(tmp_path / "store") as engine:
        for n in range(3):
            put(engine, "p", f"note{n}.md", f"The heron number {n} stands.")
        engine.drain()
    return tmp_path / "store"


def age(store: Path, where: str = "true", made_by: str = "") -> None:
    """Make files look as an older openrag left them: 0.1.0 wrote down nothing."""
    connection = sqlite3.connect(store / "openrag.db")
    with connection:
        connection.execute(f"UPDATE file SET made_by = ?, refresh_tried = '' WHERE {where}", (made_by,))
    connection.close()


def spoil(store: Path, file_id: str) -> None:
    """Make a file one that its reader no longer reads: an original that is empty, and known to be."""
    connection = sqlite3.connect(store / "openrag.db")
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with connection:
        connection.execute("UPDATE file SET sha256 = ?, size = 0 WHERE file_id = ?", (sha256, file_id))
        revision = connection.execute("SELECT revision FROM file WHERE file_id = ?", (file_id,)).fetchone()[0]
    connection.close()
    (store / "blobs" / revision[-2:] / revision).write_bytes(b"")


def revisions(engine: Engine) -> dict[str, str]:
    return {file.file_id: file.revision for file in engine.files("p")}


# --- what made a file


def test_every_file_knows_its_reader_its_chunker_and_its_model(store, cli):
    with open_engine(store) as engine:
        known = engine.file("p", "note0.md").made_by
        assert known == MadeBy(TEXT, CHUNKS, engine.parts.embedder.identity)
        assert engine.refresher.count_outdated() == 0
    shown = cli("file", "show", "note0.md", "-p", "p", "--json").json
    assert shown["made_by"] == {"reader": TEXT, "chunker": CHUNKS, "model": known.model}


def test_every_media_type_with_a_reader_has_a_version_of_it():
    assert convert._READERS.keys() == versions.READERS.keys()
    assert set(versions.READERS.values()) | {versions.TEXT} == versions.READER_VERSIONS.keys()


@pytest.mark.parametrize(
    ("made_by", "media_type", "is_current"),
    [
        (MadeBy(TEXT, CHUNKS, "m"), "text/plain", True),
        (MadeBy(versions.reader_of(PDF), CHUNKS, "m"), PDF, True),
        (None, "text/plain", False),
        (MadeBy("", "", "m"), "text/plain", False),
        (MadeBy("text@0", CHUNKS, "m"), "text/plain", False),
        (MadeBy("gone@1", CHUNKS, "m"), "text/plain", False),
        (MadeBy(TEXT, "chunks@0", "m"), "text/plain", False),
        (MadeBy(TEXT, CHUNKS, "other"), "text/plain", False),
        (MadeBy(TEXT, CHUNKS, "m"), PDF, False),  # read as text before its type had a reader
    ],
)
def test_a_file_is_outdated_when_anything_that_made_it_is(made_by, media_type, is_current):
    assert versions.is_current(made_by, media_type, "m") is is_current


# --- what is outdated


def test_doctor_and_the_overview_count_the_outdated(store, cli):
    age(store, "file_id <> 'note1.md'")
    assert cli("--json").json["outdated"] == 2
    found = {entry["name"]: entry for entry in cli("doctor", "--json").json["findings"]}["readers"]
    assert (found["status"], found["fix"]) == ("warning", "openrag file refresh --outdated -p all")
    assert found["text"].startswith("2 files were read by older readers")
    assert cli("file", "refresh", "--outdated", "-p", "all").code == 0
    assert cli("--json").json["outdated"] == 0


def test_a_dry_run_lists_what_would_be_read_again_and_queues_nothing(store, cli):
    age(store, "file_id = 'note1.md'")
    with open_engine(store) as engine:
        before = revisions(engine)
        n_tasks = len(engine.tasks())
        body = cli("file", "refresh", "--outdated", "--dry-run", "-p", "p", "--json").json
        assert body["plan"] == {"add": [], "replace": ["note1.md"], "move": [], "delete": []}
        assert (revisions(engine), len(engine.tasks())) == (before, n_tasks)


# --- reading again


def test_a_refresh_replaces_the_outdated_and_keeps_ids_metadata_and_originals(store, cli):
    age(store, "file_id <> 'note1.md'")
    with open_engine(store) as engine:
        engine.edit_file("p", "note0.md", {"year": 2024})
        before = {file.file_id: file for file in engine.files("p")}
        done = cli("file", "refresh", "--outdated", "-p", "p", "--json")
        assert (done.code, done.json["replaced"], done.json["chunks"], done.json["failed"]) == (0, 2, 2, 0)
        after = {file.file_id: file for file in engine.files("p")}
        assert {name for name in before if before[name].revision != after[name].revision} == {"note0.md", "note2.md"}
        assert after["note0.md"].metadata == before["note0.md"].metadata
        assert after["note0.md"].created_at == before["note0.md"].created_at
        assert after["note0.md"].made_by == MadeBy(TEXT, CHUNKS, engine.parts.embedder.identity)
        assert find(engine, "heron 0")[0][0] == "note0.md"
        check(engine)
        again = cli("file", "refresh", "--outdated", "-p", "p", "--json").json
        assert (again["replaced"], again["unchanged"]) == (0, 0)


def test_named_files_are_read_again_whatever_made_them_and_an_unknown_id_is_said(store, cli):
    done = cli("file", "refresh", "note0.md", "nothing.md", "-p", "p", "--json")
    assert (done.code, done.json["replaced"]) == (3, 1)
    assert [failure["file_id"] for failure in done.json["failures"]] == ["nothing.md"]
    assert cli("file", "refresh", "nothing.md", "-p", "p").code == 66
    assert cli("file", "refresh", "-p", "nowhere").code == 66


def test_a_refresh_never_takes_the_place_of_what_a_user_has_put(store):
    with open_engine(store) as engine:
        files = engine.files("p")
        put(engine, "p", "note0.md", "The crane has come.")
        report = engine.refresher.refresh(files, RefreshRun())
        assert (report.replaced, report.failed) == (3, 0)
        assert engine.document("p", "note0.md").markdown == "The crane has come."
        engine.refresher.refresh(engine.files("p"), run := RefreshRun(is_detached=True))
        submit(engine, "p", "note1.md", "The stork is newer.", TaskKind.REPLACE)
        engine.drain()
        assert engine.document("p", "note1.md").markdown == "The stork is newer."
        states = {task.upload.file_id: task.state for task in engine.parts.ledger.tasks(batch=run.batch)}
        assert states == {"note0.md": "COMPLETED", "note1.md": "CANCELLED", "note2.md": "COMPLETED"}
        check(engine)


def test_a_file_that_changes_after_it_was_looked_at_is_left_alone(store):
    with open_engine(store) as engine:
        files = engine.files("p")
        put(engine, "p", "note0.md", "The crane has come.")
        engine.delete_files("p", ["note1.md"])
        engine.drain()
        report = engine.refresher.refresh(files, RefreshRun())
        assert (report.replaced, report.unchanged) == (1, 2)
        assert report.failed == 0  # though their originals are gone
        assert revisions(engine).keys() == {"note0.md", "note2.md"}
        assert engine.document("p", "note0.md").markdown == "The crane has come."
        check(engine)


def test_what_was_interrupted_goes_on_with_the_same_command(store, cli):
    age(store)
    with open_engine(store) as engine:
        engine.refresher.refresh(engine.refresher.outdated("p"), RefreshRun(is_detached=True))
        assert engine.count_live() == 3
        assert cli("file", "refresh", "--outdated", "-p", "p", "--json").json["replaced"] == 3
        assert (engine.count_live(), engine.refresher.count_outdated(), len(engine.tasks())) == (0, 0, 6)
        check(engine)


def test_a_file_that_can_no_longer_be_read_keeps_its_text_and_fails_alone(store, cli):
    age(store)
    spoil(store, "note1.md")
    done = cli("file", "refresh", "--outdated", "-p", "p", "--json")
    assert (done.code, done.json["replaced"]) == (3, 2)
    assert [failure["code"] for failure in done.json["failures"]] == ["empty"]
    with open_engine(store) as engine:
        assert engine.document("p", "note1.md").markdown == "The heron number 1 stands."


def test_a_missing_original_fails_alone_and_queues_nothing(store, cli):
    with open_engine(store) as engine:
        engine.parts.blobs.path(engine.file("p", "note1.md").revision).unlink()
        done = cli("file", "refresh", "-p", "p", "--json")
        assert (done.code, done.json["replaced"]) == (3, 2)
        assert [failure["code"] for failure in done.json["failures"]] == ["store_damaged"]
        assert all(task.state is TaskState.COMPLETED for task in engine.tasks())


def test_originals_take_no_second_place_on_the_disk(store):
    with open_engine(store) as engine:
        blob = engine.parts.blobs.path(engine.file("p", "note0.md").revision)
        engine.refresher.refresh([engine.file("p", "note0.md")], RefreshRun(is_detached=True))
        assert blob.stat().st_nlink == 2
        engine.drain()
        assert not blob.exists()
        check(engine)


# --- beside a synced folder


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "notes"
    path.mkdir()
    for n in range(4):
        (path / f"{n}.md").write_text(f"The tree number {n} grows.")
    return path


def test_a_synced_file_still_belongs_to_its_folder_after_it_was_read_again(folder, cli):
    cli("file", "sync", folder, "-p", "p")
    assert cli("file", "refresh", "-p", "p", "--json").json["replaced"] == 4
    (folder / "0.md").write_text("The tree number 0 has grown.")
    (folder / "1.md").unlink()
    (folder / "2.md").rename(folder / "two.md")
    done = cli("file", "sync", folder, "-p", "p", "--delete", "--max-delete", "1", "--json")
    assert done.code == 0, done.err
    assert [done.json[name] for name in ("replaced", "deleted", "moved", "unchanged")] == [1, 1, 1, 1]


def test_sync_reads_so_many_outdated_files_again_and_a_failed_one_only_once(store, folder, cli):
    def refreshed(n: int) -> tuple[int, int]:
        done = cli("file", "sync", folder, "-p", "p", "--refresh", n, "--json")
        return done.json["refreshed"], done.json["failed"]

    assert refreshed(9) == (0, 0)
    age(store)
    spoil(store, "note0.md")
    assert [refreshed(3) for _ in range(4)] == [(3, 0), (2, 1), (1, 0), (0, 0)]
    assert (
        cli("file", "refresh", "--outdated", "-p", "p", "--json").json["failed"] == 1
    )  # asked for, it is tried again
