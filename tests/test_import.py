"""An export and its import: every original is verified, no other worker takes part, a killed one goes on where it stopped."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from harness import Driver, check, contents, open_engine, put, submit

from openrag_cli.domain import new_task_id
from openrag_cli.engine import Engine
from openrag_cli.errors import Conflict, StoreBusy, StoreDamaged, StoreFull
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.maintenance import importer

N_FILES = 12


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a partition of N_FILES files."""
    root = tmp_path_factory.mktemp("export")
    (root / "docs").mkdir()
    for n in range(N_FILES):
        (root / "docs" / f"f{n:02}.md").write_text(
            f"# Title {n}\n\nthe keys rotate every {n} days\n\n" + "word " * 300
        )
    with open_engine(root / "store") as engine:
        engine.add_sources(
            collect([root / "docs"]).sources, AddOptions("one", new_task_id(), metadata={"year": 2024})
        )
        engine.maintenance.export("one", root / "out")
    return root / "out"


@pytest.fixture
def export(exported: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


@pytest.fixture
def engine(tmp_path: Path):
    with open_engine(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def in_groups_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "GROUP_FILES", 3)


def first_original(export: Path) -> Path:
    line = (export / "documents.jsonl").read_text().splitlines()[5]
    return export / "originals" / json.loads(line)["sha256"]


def assert_nothing_is_there(engine: Engine) -> None:
    assert engine.partitions() == []
    assert engine.files("all") == []
    check(engine)


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_original_is_found_on_the_way_in(
    engine: Engine, export: Path, damage: str, in_groups_of_three: None
) -> None:
    if damage == "changed":
        first_original(export).write_bytes(b"TAMPERED, and longer than before")
    else:
        first_original(export).unlink()
    with pytest.raises(StoreDamaged, match=r"originals.*(sha256|missing)"):
        engine.maintenance.import_partition(export)
    assert_nothing_is_there(engine)
    assert list(engine.parts.blobs.stored()) == []


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_original_is_found_on_the_way_out_and_no_part_of_an_export_stays(
    engine: Engine, tmp_path: Path, damage: str
) -> None:
    revision = put(engine, "p", "a", "the text of a")
    put(engine, "p", "b", "the text of b")
    engine.drain()
    path = engine.parts.blobs.path(revision)
    content = path.read_bytes()
    path.write_bytes(b"tampered") if damage == "changed" else path.unlink()
    with pytest.raises(StoreDamaged, match="'a'"):
        engine.maintenance.export("p", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    path.write_bytes(content)
    assert engine.maintenance.export("p", tmp_path / "out").files == 2


def test_a_file_replaced_while_it_is_exported_is_written_in_its_new_version(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, "p", "a", "version one")
    engine.drain()
    real = engine.parts.blobs.open_checked

    def replaced_first(revision: str, sha256: str):
        monkeypatch.undo()
        put(engine, "p", "a", "version two")
        engine.drain()
        return real(revision, sha256)

    monkeypatch.setattr(engine.parts.blobs, "open_checked", replaced_first)
    engine.maintenance.export("p", tmp_path / "out")
    entry = json.loads((tmp_path / "out" / "documents.jsonl").read_text())
    assert entry["text"] == "version two"
    assert (tmp_path / "out" / "originals" / entry["sha256"]).read_text() == "version two"


def test_no_worker_takes_part_of_an_import(engine: Engine, export: Path, tmp_path: Path) -> None:
    stopped = threading.Event()
    with open_engine(tmp_path / "store") as beside:
        worker = threading.Thread(target=lambda: beside.work(should_stop=stopped.is_set))
        worker.start()
        try:
            report = engine.maintenance.import_partition(export)
        finally:
            stopped.set()
            worker.join()
    assert (report.files, report.embedded) == (N_FILES, 0)
    assert engine.tasks() == []
    check(engine)
    assert engine.files("one")[0].metadata == {"year": 2024}


@pytest.mark.parametrize("failpoint", ["bulk_announced", "bulk_put", "bulk_staged"])
def test_a_killed_import_shows_nothing_and_the_same_command_goes_on(
    export: Path, tmp_path: Path, failpoint: str
) -> None:
    store = tmp_path / "store"
    with Driver(store, failpoint=failpoint) as driver:
        assert driver.receive()
        driver.send(do="import", folder=str(export), group=3)
        assert driver.receive() is None
        driver.wait_killed()
    with open_engine(store) as engine:
        assert engine.partitions() == []
        assert engine.files("all") == []
        with pytest.raises(Conflict, match="is being imported"):
            submit(engine, "one", "a", "text")
        with pytest.raises(Conflict, match="is being imported"):
            engine.create_partition("one")
        put(engine, "other", "a", "text")
        engine.drain()
        engine.maintain(force=True)
        report = engine.maintenance.import_partition(export)
        assert report.files == N_FILES
        assert report.resumed == (3 if failpoint == "bulk_staged" else 0)
        check(engine)
        assert len(contents(engine)) == N_FILES + 1
        engine.maintain()
        check(engine)


def test_an_import_stopped_by_a_full_disk_goes_on_and_another_export_begins_anew(
    engine: Engine, export: Path, tmp_path: Path, in_groups_of_three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, n = engine.parts.index.put, 0

    def full(rows: object) -> None:
        nonlocal n
        n += 1
        if n == 3:
            raise StoreFull("no space left")
        real(rows)

    monkeypatch.setattr(engine.parts.index, "put", full)
    with pytest.raises(StoreFull):
        engine.maintenance.import_partition(export)
    monkeypatch.setattr(engine.parts.index, "put", real)
    assert engine.files("all") == []
    findings = {finding.name: finding for finding in engine.maintenance.examine()}
    assert "6 files are there, unseen" in findings["imports"].text
    assert engine.maintenance.import_partition(export).resumed == 6
    check(engine)
    engine.maintenance.export("one", tmp_path / "again")
    engine.delete_partition("one")
    n = 2
    monkeypatch.setattr(engine.parts.index, "put", full)
    with pytest.raises(StoreFull):
        engine.maintenance.import_partition(export)
    n = 4
    report = engine.maintenance.import_partition(tmp_path / "again")
    assert (report.files, report.resumed) == (N_FILES, 0)
    check(engine)


def test_a_stopped_import_can_be_dropped(engine: Engine, export: Path, in_groups_of_three: None, monkeypatch) -> None:
    real, n = engine.parts.index.put, 0

    def interrupted(rows: object) -> None:
        nonlocal n
        n += 1
        if n == 2:
            raise KeyboardInterrupt
        real(rows)

    monkeypatch.setattr(engine.parts.index, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.maintenance.import_partition(export)
    monkeypatch.undo()
    assert engine.delete_partition("one") == 3
    engine.maintain()
    assert_nothing_is_there(engine)
    put(engine, "one", "a", "text")


def test_two_imports_of_one_name_do_not_meet(engine: Engine, export: Path, tmp_path: Path, monkeypatch) -> None:
    real = engine.parts.index.put

    def second(rows: object) -> None:
        with open_engine(tmp_path / "store") as other, pytest.raises(StoreBusy, match="being imported"):
            other.maintenance.import_partition(export)
        real(rows)

    monkeypatch.setattr(engine.parts.index, "put", second)
    engine.maintenance.import_partition(export)
    check(engine)


def test_an_export_that_lacks_files_is_refused(engine: Engine, export: Path) -> None:
    head = json.loads((export / "partition.json").read_text())
    head["files"] += 1
    (export / "partition.json").write_text(json.dumps(head))
    with pytest.raises(StoreDamaged, match="where its head says"):
        engine.maintenance.import_partition(export)
    assert_nothing_is_there(engine)


def test_vectors_of_another_model_are_made_anew(engine: Engine, export: Path) -> None:
    head = json.loads((export / "partition.json").read_text())
    head["model"] = "another@1"
    (export / "partition.json").write_text(json.dumps(head))
    report = engine.maintenance.import_partition(export, "two")
    assert report.embedded == report.chunks
    check(engine)


def test_what_doctor_could_not_read_again_is_said(engine: Engine) -> None:
    put(engine, "p", "a", "the text of a")
    put(engine, "p", "b", "the text of b")
    engine.drain()
    files = {file.file_id: file for file in engine.files("p")}
    engine.edit_file("p", "b", {"kept": 1})
    with engine.parts.database.write_lock():
        engine.parts.index.drop([file.revision for file in files.values()])
    engine.parts.blobs.path(files["a"].revision).write_bytes(b"damaged")
    (finding,) = [one for one in engine.maintenance.examine() if one.name == "index" and one.mend]
    said = finding.mend()
    assert "1 of 2 files indexed again" in said
    assert "a could not be" in said
    assert engine.file("p", "b").metadata == {"text": "the text of b", "kept": 1}
    assert any(one.status == "failed" for one in engine.maintenance.examine())
