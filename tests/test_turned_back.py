"""Where two features meet: nothing is turned back to an older state, and nothing acknowledged is lost."""

import io
from pathlib import Path

import pytest
from harness import check, contents, open_engine, put, submit

from openrag_cli.domain import TaskKind, TaskState, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.errors import Conflict, RevisionGone, StoreBusy, StoreDamaged
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.ingest.refresh import RefreshRun
from openrag_cli.ingest.upload import new_upload
from openrag_cli.sync.folder import look
from openrag_cli.sync.outcome import SyncOptions

REPLACE = TaskKind.REPLACE


@pytest.fixture
def engine(tmp_path: Path):
    with open_engine(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in "abcdefgh":
        (folder / f"{name}.md").write_text(f"file {name} of the folder\n")
    return folder


def indexed(engine: Engine, file_id: str, text: str) -> str:
    task_id = put(engine, "p", file_id, text)
    engine.drain()
    return task_id


# --- retry


def test_a_superseded_replacement_is_not_brought_back_once_the_newer_one_is_there(engine: Engine) -> None:
    indexed(engine, "a", "version one")
    second, third = (submit(engine, "p", "a", f"version {word}", REPLACE) for word in ("two", "three"))
    assert engine.task(second).state is TaskState.CANCELLED
    engine.drain()
    with pytest.raises(Conflict, match="a newer version of its file has been stored since"):
        engine.retry_task(second)
    engine.prune_tasks(states=[TaskState.COMPLETED])  # what it could be compared with is forgotten
    with pytest.raises(Conflict, match="newer"):
        engine.retry_task(second)
    assert contents(engine) == {("p", "a"): "version three"}
    assert engine.file("p", "a").revision == third


def test_a_superseded_replacement_may_come_when_the_newer_one_failed(engine: Engine) -> None:
    indexed(engine, "a", "version one")
    second = submit(engine, "p", "a", "version two", REPLACE)
    third = submit(engine, "p", "a", " ", REPLACE)
    engine.drain()
    assert engine.task(third).state is TaskState.FAILED
    engine.retry_task(second)
    with pytest.raises(Conflict, match="worked on"):
        engine.retry_task(third)
    engine.drain()
    assert contents(engine) == {("p", "a"): "version two"}
    assert engine.retry_task(third).state is TaskState.QUEUED


@pytest.mark.parametrize("kind", [TaskKind.ADD, REPLACE])
@pytest.mark.parametrize("what", ["file", "partition"])
def test_what_was_deleted_is_not_brought_back(engine: Engine, kind: TaskKind, what: str) -> None:
    indexed(engine, "other", "another text")
    if kind is REPLACE:
        indexed(engine, "a", "version one")
    task_id = submit(engine, "p", "a", " ", kind)
    engine.drain()
    assert engine.task(task_id).state is TaskState.FAILED
    if kind is TaskKind.ADD:
        indexed(engine, "a", "version two")
    if what == "file":
        engine.delete_file("p", "a")
    else:
        engine.delete_partition("p")
    with pytest.raises(Conflict, match=r"newer|deleted since"):
        engine.retry_task(task_id)
    engine.drain()
    assert ("p", "a") not in contents(engine)
    assert engine.partitions() if what == "file" else not engine.partitions()


def test_a_cancelled_add_of_a_deleted_file_stays_deleted(engine: Engine) -> None:
    task_id = put(engine, "p", "a", "text")
    engine.delete_file("p", "a")
    with pytest.raises(Conflict, match="deleted since"):
        engine.retry_task(task_id)


def test_a_replacement_of_a_renamed_file_is_not_brought_back_under_the_old_id(engine: Engine, docs: Path) -> None:
    engine.sync_folder(SyncOptions(docs, "p"))
    task_id = submit(engine, "p", "a.md", " ", REPLACE)
    engine.drain()
    (docs / "a.md").rename(docs / "z.md")
    assert engine.sync_folder(SyncOptions(docs, "p")).report.moved == 1
    with pytest.raises(Conflict, match="renamed since"):
        engine.retry_task(task_id)


def test_retrying_many_says_which_were_refused_and_why(cli, environment, tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        indexed(engine, "a", "version one")
        bad = submit(engine, "p", "a", " ", REPLACE)
        engine.drain()
        indexed(engine, "a", "version two")
        first, second = submit(engine, "p", "b", " "), ""
        engine.drain()
        second = put(engine, "p", "c", " ")
        engine.drain()
    result = cli("task", "retry", "--failed", "--json")
    assert result.code == 3
    assert {task["task_id"] for task in result.json["tasks"]} == {first, second}
    assert [entry["task_id"] for entry in result.json["refused"]] == [bad]
    assert "newer version" in result.json["refused"][0]["message"]
    refused = cli("task", "retry", bad, second)
    assert refused.code == 3
    assert "left alone: p/a: " in refused.err
    assert "newer version" in refused.err
    assert cli("task", "retry", bad).code == 73


def test_a_failed_submission_of_a_group_leaves_no_bytes_behind(engine: Engine, docs: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> list[object]:
        raise StoreBusy("the store is busy")

    monkeypatch.setattr(engine.parts.queue, "submit", refuse)  # as when another process holds the file for 30 s
    with pytest.raises(StoreBusy):
        engine.add_sources(collect([docs]).sources, AddOptions("p", new_task_id()))
    assert list(engine.parts.blobs.stored()) == []


# --- sync beside a client


def test_sync_leaves_a_file_that_a_client_has_put_since(engine: Engine, docs: Path) -> None:
    engine.sync_folder(SyncOptions(docs, "p"))
    (docs / "a.md").unlink()
    task_id = submit(engine, "p", "a.md", "a version that came over HTTP", REPLACE)
    outcome = engine.sync_folder(SyncOptions(docs, "p", is_deleting=True))
    assert outcome.report.deleted == 0
    engine.drain()
    assert engine.task(task_id).state is TaskState.COMPLETED
    assert contents(engine)["p", "a.md"] == "a version that came over HTTP"
    assert engine.sync_folder(SyncOptions(docs, "p", is_deleting=True)).report.deleted == 0
    assert ("p", "a.md") in contents(engine)
    check(engine)


@pytest.mark.parametrize("moment", ["waits", "is done", "was deleted"])
def test_sync_replaces_nothing_that_a_client_has_put_since_it_looked(engine: Engine, docs: Path, moment: str) -> None:
    engine.sync_folder(SyncOptions(docs, "p"))
    (docs / "a.md").write_text("the folder's second version\n")
    options = SyncOptions(docs, "p")
    syncer = engine.parts.syncer(options)
    with syncer.locked():
        told = look(syncer, options, engine.settings, RefreshRun())
        if moment == "was deleted":
            engine.delete_file("p", "a.md")
        else:
            task_id = submit(engine, "p", "a.md", "a client's version", REPLACE)
        if moment == "is done":
            engine.drain()
        syncer.change(lambda: False)
        syncer.submit(lambda: False)
        engine.drain()
        outcome = told.outcome(syncer.finish(is_stopped=False), syncer)
    if moment == "was deleted":
        assert contents(engine).get(("p", "a.md")) in {None, "the folder's second version\n"}
        return
    assert [one.file_id for one in outcome.report.failures] == ["a.md"]
    assert engine.task(task_id).state is TaskState.COMPLETED
    assert contents(engine)["p", "a.md"] == "a client's version"


# --- metadata beside a replacement


@pytest.mark.parametrize("stage", ["waits", "is worked on", "failed"])
@pytest.mark.parametrize("keeps", [True, False])
def test_an_edit_of_metadata_survives_a_replacement_that_waits(
    engine: Engine, tmp_path: Path, stage: str, keeps: bool
) -> None:
    path = tmp_path / "a.md"
    path.write_text("version one")
    options = AddOptions("p", "b1", metadata={"year": 2024, "draft": True})
    engine.add_sources(collect([path]).sources, options)
    path.write_text("version two")
    own = {"source": "web"} if keeps else {"source": "web", "draft": True}
    replacing = AddOptions("p", "b2", metadata=own, if_exists=IfExists.REPLACE, keeps_metadata=keeps)
    engine.add_sources(collect([path]).sources, replacing, detach=True)
    queue = engine.parts.queue
    (task,) = queue.claim("w", limit=1) if stage != "waits" else (None,)
    if stage == "failed":
        engine.cancel_task(task.id)
    changed = engine.edit_file("p", "a.md", {"reviewed": True}, remove=["draft"])
    assert "draft" not in changed.metadata
    if stage == "failed":
        engine.retry_task(task.id)
    elif stage == "is worked on":
        queue.release("w")
    engine.drain()
    file = engine.file("p", "a.md")
    assert contents(engine) == {("p", "a.md"): "version two"}
    expected = {"source": "web", "reviewed": True} | ({"year": 2024} if keeps else {})
    assert file.metadata == expected


def test_an_edit_while_its_replacement_is_being_indexed_survives(engine: Engine, monkeypatch) -> None:
    indexed(engine, "a", "version one")
    upload = new_upload("p", "a", "note.md", {"by": "put"})
    engine.submit(upload, io.BytesIO(b"version two"), kind=REPLACE)
    real = engine.parts.index.put

    def put_and_edit(rows: object) -> None:
        engine.edit_file("p", "a", {"reviewed": True})  # between the claim and the commit
        real(rows)

    monkeypatch.setattr(engine.parts.index, "put", put_and_edit)
    engine.drain()
    assert engine.file("p", "a").metadata == {"by": "put", "reviewed": True}


# --- reading beside a replacement


def test_a_file_replaced_while_it_is_read_is_read_in_its_new_version(engine: Engine, tmp_path, monkeypatch) -> None:
    indexed(engine, "a", "version 0")
    blobs = engine.parts.blobs
    real = blobs.open_checked
    left = [1, 2, 3]

    def replaced_first(revision: str, sha256: str):
        if left and revision == engine.file("p", "a").revision:  # else it is the worker that looks
            n = left.pop(0)
            monkeypatch.setattr(blobs, "open_checked", real)
            indexed(engine, "a", f"version {n}")
            monkeypatch.setattr(blobs, "open_checked", replaced_first)
        return real(revision, sha256)

    monkeypatch.setattr(blobs, "open_checked", replaced_first)
    file, stream = engine.open_file("p", "a")
    with stream:
        assert stream.read() == b"version 3"
    assert file.revision == engine.file("p", "a").revision


def test_an_original_that_is_really_missing_is_damage(engine: Engine) -> None:
    revision = indexed(engine, "a", "version one")
    engine.parts.blobs.path(revision).unlink()
    with pytest.raises(StoreDamaged, match="missing"):
        engine.original("p", "a")


def test_a_text_that_is_really_missing_is_damage_and_one_that_was_replaced_is_not(engine: Engine) -> None:
    old = indexed(engine, "a", "version one")
    new = indexed(engine, "a", "version two")
    with pytest.raises(RevisionGone):
        engine.parts.catalog.document(old)
    with engine.parts.database.transaction() as connection:
        connection.execute("DELETE FROM document WHERE revision = ?", (new,))
    with pytest.raises(StoreDamaged, match="text of revision"):
        engine.document("p", "a")


def test_an_answer_about_a_file_replaced_after_the_search_is_of_its_new_version(
    engine: Engine, cli, environment, tmp_path: Path, monkeypatch
) -> None:
    from openrag_cli.retrieval.request import SearchRequest

    indexed(engine, "a", "the keys rotate every 1 days")
    chat = engine.parts.chat
    real, n = chat._search, 0

    def search_then_replace(request: SearchRequest):
        nonlocal n
        hits = real(request)
        if n < 2:
            n += 1
            put(engine, "p", "a", f"the keys rotate every {n + 1} days")
            engine.drain()
        return hits

    monkeypatch.setattr(chat, "_search", search_then_replace)
    passages = chat._retrieve(SearchRequest(""), ["how often do keys rotate"], 1000)
    assert [passage.text for passage in passages] == ["the keys rotate every 3 days"]


def test_what_a_client_has_put_survives_a_repair_of_the_index(engine: Engine) -> None:
    for name in ("a", "b"):
        put(engine, "p", name, f"version one of {name}")
    engine.drain()
    waiting = put(engine, "p", "a", "version two of a")
    with engine.parts.database.write_lock():
        engine.parts.index.drop([file.revision for file in engine.files("p")])
    (finding,) = [one for one in engine.maintenance.examine() if one.name == "index" and one.mend]
    assert "indexed again" in finding.mend()
    engine.drain()
    assert engine.task(waiting).state is TaskState.COMPLETED
    assert [engine.document("p", name).markdown for name in ("a", "b")] == ["version two of a", "version one of b"]
    check(engine)
