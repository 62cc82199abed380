"""What is acknowledged is on the disk; damage and a full disk are said, and cost nothing that was acknowledged."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from harness import Driver, check, contents, find, open_engine, put, submit

from openrag_cli.domain import TaskState
from openrag_cli.errors import StoreDamaged, StoreMismatch
from openrag_cli.inference.onnx_embedder import default_model_dir

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def note(name: str, n_sections: int = 3) -> str:
    return "\n\n".join(f"# Section {n} about {name}\n\n" + f"The {name} is here. " * 40 for n in range(n_sections))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with the files `a` and `b`."""
    store = tmp_path_factory.mktemp("template") / "store"
    with open_engine(store) as engine:
        for name in ("a", "b"):
            put(engine, "p", name, note(f"tree{name}"))
            engine.drain()
    return store


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "store")
    return tmp_path / "store"


# --- on the disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Record every path that is really fsynced by our code."""
    paths: set[Path] = set()
    real = os.fsync

    def observe(descriptor: int) -> None:
        paths.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", observe)
    return paths


@on_linux
def test_an_upload_is_fsynced_with_its_folders_when_it_is_accepted(tmp_path: Path, synced: set[Path]) -> None:
    store = tmp_path / "new" / "store"
    with open_engine(store) as engine:
        revision = submit(engine, "p", "a", "text")
        blob = engine.parts.blobs.path(revision)
        assert store / "spool" / revision in synced  # its bytes, before it got its name
        assert {blob.parent, blob.parent.parent, store, store.parent} <= synced
        assert blob.read_text() == "text"


@on_linux
def test_an_ingested_file_is_fsynced_when_its_task_is_complete(tmp_path: Path, synced: set[Path]) -> None:
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "a", note("oak"))
        engine.drain()
        pieces = {
            path for path in (tmp_path / "store" / "lance").rglob("*") if path.suffix in {".lance", ".manifest"}
        }
        assert len(pieces) > 3
        assert {path for path in pieces if path.is_file()} <= synced
        assert {path.parent for path in pieces} <= synced


# --- damage


def newest_manifest(store: Path) -> Path:
    return min((store / "lance" / "chunks.lance" / "_versions").glob("*.manifest"))


@pytest.mark.parametrize("damage", [b"", b"\0" * 300])
def test_a_lost_newest_version_that_nobody_was_told_of_is_set_aside_with_a_warning(
    store: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with open_engine(store) as engine:
        put(engine, "p", "c", note("treec"))
    with Driver(store, failpoint="committed") as driver:
        assert driver.receive()
        assert driver.ask(do="drain") is None
        driver.wait_killed()
    newest_manifest(store).write_bytes(damage)
    with open_engine(store) as engine:
        assert {name for name, _ in find(engine, "treea")} == {"a"}
        assert "1 set aside" in caplog.text
        engine.drain()
        check(engine)


def test_files_whose_chunks_went_with_a_lost_version_are_named(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    newest_manifest(store).write_bytes(b"")
    while _has_chunks_of_b(store):
        newest_manifest(store).write_bytes(b"")
    assert "file 'b' of partition 'p' lost chunks" in caplog.text
    with open_engine(store) as engine:
        with pytest.raises(StoreDamaged, match="'b'"):
            engine.chunks("p", "b")
        put(engine, "p", "b", note("treeb"))
        engine.drain()
        check(engine)


def _has_chunks_of_b(store: Path) -> bool:
    with open_engine(store) as engine:
        return bool(find(engine, "treeb"))


def test_a_store_that_lost_its_index_is_damaged_not_empty(store: Path) -> None:
    shutil.rmtree(store / "lance")
    with open_engine(store) as engine:
        with pytest.raises(StoreDamaged, match="lost its index"):
            find(engine, "treea")
        put(engine, "p", "c", "text")
        with pytest.raises(StoreDamaged, match="lost its index"):
            engine.drain()
    assert not (store / "lance").exists()


def test_a_store_that_lost_its_versions_folder_is_damaged_and_no_new_one_is_made(store: Path) -> None:
    shutil.rmtree(store / "lance" / "chunks.lance" / "_versions")
    with open_engine(store) as engine:
        put(engine, "p", "c", "text")
        for act in (lambda: find(engine, "treea"), engine.drain):
            with pytest.raises(StoreDamaged):
                act()
    assert not (store / "lance" / "chunks.lance" / "_versions").exists()


@pytest.mark.parametrize("harm", ["missing", "changed", "cut"])
def test_an_original_that_is_not_what_was_stored_is_never_handed_out(store: Path, harm: str) -> None:
    with open_engine(store) as engine:
        path = engine.parts.blobs.path(engine.file("p", "a").revision)
        content = path.read_bytes()
        path.unlink()
        if harm != "missing":
            path.write_bytes(content[:-1] if harm == "cut" else content[:-1] + b"!")
        with pytest.raises(StoreDamaged):
            engine.original("p", "a")


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_damaged_upload_fails_its_own_task_and_is_not_indexed(store: Path, harm: str) -> None:
    with open_engine(store) as engine:
        bad, good = put(engine, "p", "bad", note("treebad")), put(engine, "p", "good", note("treegood"))
        path = engine.parts.blobs.path(bad)
        path.unlink()
        if harm == "changed":
            path.write_text(note("treebed"))
        engine.drain()
        failed = engine.task(bad)
        assert failed.state is TaskState.FAILED
        assert failed.error is not None
        assert failed.error.code == "store_damaged"
        assert engine.task(good).state is TaskState.COMPLETED
        check(engine)


# --- another model


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """The default model under another name."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in default_model_dir().iterdir():
        (folder / path.name).symlink_to(path)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"name": "another"}))
    return folder


def test_a_store_refuses_another_model_and_changes_nothing(store: Path, other_model: Path) -> None:
    with open_engine(store, embed_model=str(other_model)) as engine:
        with pytest.raises(StoreMismatch, match="all-MiniLM-L6-v2"):
            engine.search(_any_request())
        with pytest.raises(StoreMismatch):
            engine.delete_files("p", ["a"])
        put(engine, "p", "c", "text")
        with pytest.raises(StoreMismatch):
            engine.drain()
    with open_engine(store) as engine:
        assert {file.file_id for file in engine.files("p")} == {"a", "b"}
        engine.drain()
        check(engine)


def _any_request():
    from openrag_cli.retrieval.request import SearchRequest

    return SearchRequest("tree")


# --- a full disk


def fail_with_limit(store: Path, limit_bytes: int, *operations: dict[str, object]) -> list[dict[str, object]]:
    """Do `operations` in a process whose files may not grow beyond the limit; return its answers."""
    with Driver(store, limit_bytes=limit_bytes) as driver:
        assert driver.receive()
        replies = []
        for operation in operations:
            reply = driver.ask(**operation)
            assert reply is not None, "the process died"
            replies.append(reply)
        return replies


def recovered(store: Path) -> dict[tuple[str, str], str]:
    """Work off what is left, now that there is room, and return what the store holds."""
    with open_engine(store) as engine:
        engine.drain()
        check(engine)
        assert not [task for task in engine.tasks() if task.state is TaskState.FAILED]
        return contents(engine)


def test_a_disk_that_is_full_while_bytes_are_stored_keeps_none_of_them(store: Path) -> None:
    big = "x" * 200_000
    replies = fail_with_limit(store, 150_000, {"do": "put", "partition": "p", "file_id": "big", "text": big})
    assert replies[0]["error"] == "store_full"
    assert not list((store / "spool").iterdir())
    assert recovered(store).keys() == {("p", "a"), ("p", "b")}


def test_a_disk_that_is_full_in_the_middle_of_a_folder_leaves_no_bytes_behind(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.md").write_text("small")
    (folder / "9.md").write_text("x" * 300_000)
    n_before = sum(1 for path in (store / "blobs").rglob("*") if path.is_file())
    replies = fail_with_limit(store, 250_000, {"do": "add_folder", "partition": "p", "folder": str(folder)})
    assert replies[0]["error"] == "store_full"
    assert not list((store / "spool").iterdir())
    assert sum(1 for path in (store / "blobs").rglob("*") if path.is_file()) == n_before


def test_a_catalog_that_cannot_grow_refuses_and_keeps_what_it_accepted(store: Path) -> None:
    puts = [{"do": "put", "partition": "p", "file_id": f"f{n}", "text": note(f"word{n}", 1)} for n in range(40)]
    replies = fail_with_limit(store, 120_000, *puts)
    accepted = [put["file_id"] for put, reply in zip(puts, replies, strict=True) if reply["error"] is None]
    assert {reply["error"] for reply in replies} == {None, "store_full"}
    assert {file_id for _, file_id in recovered(store)} == {"a", "b", *accepted}


@pytest.mark.parametrize("limit_bytes", [40_000, 100_000])
def test_a_disk_that_fills_while_indexing_loses_nothing_and_the_work_goes_on_later(
    store: Path, limit_bytes: int
) -> None:
    with open_engine(store) as engine:
        for n in range(4):
            put(engine, "p", f"f{n}", note(f"word{n}", 16))
        put(engine, "p", "a", note("acacia"))
    drain, look = {"do": "drain"}, {"do": "search", "text": "treea"}
    replies = fail_with_limit(store, limit_bytes, drain, look)
    assert [reply["error"] for reply in replies] == ["store_full", None], replies
    assert replies[1]["result"], "the old version went away"
    found = recovered(store)
    assert len(found) == 6
    assert found["p", "a"] == note("acacia")


def test_deleting_from_a_full_disk_is_done_or_refused_never_half(store: Path) -> None:
    replies = fail_with_limit(store, 8_000, {"do": "delete", "partition": "p", "file_ids": ["a"]})
    found = recovered(store)
    assert (("p", "a") in found) == (replies[0]["error"] is not None)


def test_compaction_on_a_full_disk_loses_nothing(store: Path) -> None:
    before = recovered(store)
    replies = fail_with_limit(store, 2_000, {"do": "maintain", "force": True})
    assert replies[0]["error"] in {"store_full", None}
    assert recovered(store) == before
    with open_engine(store) as engine:
        assert {name for name, _ in find(engine, "treeb")} == {"b"}
