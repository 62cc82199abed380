"""Who may do what: every method of the engine asks, and sessions belong to who made them."""

import asyncio
import io
import sqlite3
from pathlib import Path

import pytest
from harness import open_engine

import openrag_cli
from openrag_cli.access.principal import ADMIN, NOBODY, Principal, Right
from openrag_cli.access.rights import FREE, NEEDS
from openrag_cli.answering.conversation import Message
from openrag_cli.answering.pipeline import ChatRequest
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.missing import tell_what_is_missing
from openrag_cli.engine import Engine
from openrag_cli.errors import Forbidden, SessionNotFound
from openrag_cli.ingest.upload import new_upload
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.store.database import FORMAT, Database
from openrag_cli.store.sessions import Sessions

READER = Principal("reader", frozenset({Right.READ}), frozenset({"open"}))
WRITER = Principal("writer", frozenset({Right.READ, Right.WRITE}), frozenset({"open"}))


@pytest.fixture
def engine(tmp_path):
    with open_engine(tmp_path / "store") as engine:
        for partition in ("open", "closed"):
            engine.submit(
                new_upload(partition, "a.md", "a.md"), io.BytesIO(f"# A\n\nOf the {partition} one.\n".encode())
            )
        engine.drain()
        yield engine


def test_every_public_method_of_the_engine_says_what_it_needs():
    public = {name for name in vars(Engine) if not name.startswith("_")}
    assert set(NEEDS) | FREE == public
    assert not set(NEEDS) & FREE


def calls(partition, engine):
    """What is asked of one partition, by the name of the method."""
    chunk = engine.chunks(partition, "a.md")[0].id
    task = next(task.id for task in engine.tasks() if task.upload.partition == partition)
    question = ChatRequest([Message("user", "what?")], search=SearchRequest("", partitions=[partition]))
    return {
        "partition": lambda asked: asked.partition(partition),
        "files": lambda asked: asked.files(partition),
        "file_keys": lambda asked: asked.file_keys(partition),
        "file": lambda asked: asked.file(partition, "a.md"),
        "document": lambda asked: asked.document(partition, "a.md"),
        "original": lambda asked: asked.original(partition, "a.md").close(),
        "open_file": lambda asked: asked.open_file(partition, "a.md")[1].close(),
        "chunks": lambda asked: asked.chunks(partition, "a.md"),
        "file_with_chunks": lambda asked: asked.file_with_chunks(partition, "a.md"),
        "partition_chunks": lambda asked: asked.partition_chunks(partition, limit=1),
        "find": lambda asked: asked.search(SearchRequest("one", partitions=[partition])),
        "answer": lambda asked: asyncio.run(asked.answer(question).aclose()),
        "extract": lambda asked: asked.extract(chunk),
        "task": lambda asked: asked.task(task),
        "task_log": lambda asked: asked.task_log(task),
        "task_traceback": lambda asked: asked.task_traceback(task),
        "wait_tasks": lambda asked: asked.wait_tasks([task]),
    }


def test_a_reader_of_one_partition_reads_it_and_no_other_and_writes_nothing(engine):
    asked = engine.asked_by(READER)
    for name, call in calls("open", engine).items():
        call(asked)
        assert NEEDS[name][0] is Right.READ
    for call in calls("closed", engine).values():
        with pytest.raises(Forbidden, match="'closed' is not yours to read"):
            call(asked)
    assert [found.name for found in asked.partitions()] == ["open"]
    with pytest.raises(Forbidden):
        asked.search(SearchRequest("one"))  # of every partition
    with pytest.raises(Forbidden):
        asked.tasks()
    for write in (
        lambda: asked.edit_file("open", "a.md", {"year": 1}),
        lambda: asked.rename_file("open", "a.md", "b.md"),
        lambda: asked.delete_file("open", "a.md"),
        lambda: asked.delete_partition("open"),
        lambda: asked.create_partition("new"),
        asked.examine,
        asked.prune_tasks,
    ):
        with pytest.raises(Forbidden, match="you may not"):
            write()
    assert engine.file("open", "a.md").metadata == {}


def test_what_is_missing_is_told_to_a_reader_of_one_partition_but_for_the_queue_of_all(engine, capsys):
    engine.submit(new_upload("open", "b.md", "b.md"), io.BytesIO(b"# B\n"))
    context = Context()
    context.engine = engine
    tell_what_is_missing(context, ["open"])
    assert "1 file waits to be indexed" in capsys.readouterr().err
    context.engine = engine.asked_by(READER)
    tell_what_is_missing(context, ["open"])
    assert capsys.readouterr().err == ""


def test_a_writer_of_one_partition_changes_it_and_no_other(engine):
    asked = engine.asked_by(WRITER)
    assert asked.edit_file("open", "a.md", {"year": 1}).metadata == {"year": 1}
    for write in (
        lambda: asked.edit_file("closed", "a.md", {"year": 1}),
        lambda: asked.delete_files("closed", ["a.md"]),
        lambda: asked.submit(new_upload("closed", "b.md", "b.md"), None),
        lambda: asked.create_partition("new"),
    ):
        with pytest.raises(Forbidden):
            write()
    assert engine.file("closed", "a.md").metadata == {}


def test_nobody_may_do_nothing(engine):
    asked = engine.asked_by(NOBODY)
    for call in (asked.partitions, asked.tasks, asked.examine, lambda: asked.sessions, lambda: asked.embed(["x"])):
        with pytest.raises(Forbidden):
            call()


def test_a_session_belongs_to_who_made_it_and_names_are_their_own(engine):
    mine, theirs = engine.sessions, engine.asked_by(READER).sessions
    mine.open("keys", ["open"])
    mine.append_answered("keys", "what?", "that")
    assert theirs.all() == []
    with pytest.raises(SessionNotFound):
        theirs.turns("keys")
    theirs.open("keys", [])
    assert theirs.turns("keys") == []
    theirs.delete("keys")
    assert [turn.content for turn in mine.turns("keys")] == ["what?", "that"]
    mine.rename("keys", "ours")
    mine.delete("ours")
    assert mine.all() == []


def test_sessions_of_an_older_store_are_the_admins(tmp_path):
    path = tmp_path / "openrag.db"
    new = Database(path)
    assert new.format() == FORMAT
    new.close()
    folder = Path(openrag_cli.__file__).parent / "store" / "schema"
    made = "".join((folder / f"{name}.sql").read_text() for name in ("002_sessions", "017_session_scope"))
    said = (
        "INSERT INTO session VALUES (3, 'keys', '[\"p\"]', 1, 2, '{}');"
        "INSERT INTO message VALUES (7, 3, 'user', 'what?', '[]', 2)"
    )
    later = (
        "ALTER TABLE folder DROP COLUMN device; ALTER TABLE folder_file DROP COLUMN inode; "
        "ALTER TABLE folder_file DROP COLUMN ctime_ns; DROP INDEX task_of_state; "
        "ALTER TABLE file DROP COLUMN source_path; ALTER TABLE task DROP COLUMN source_path"
    )
    with sqlite3.connect(path) as old:
        old.executescript(
            f"{later}; DROP TABLE gram; DROP TABLE message; DROP TABLE session; {made}; {said}; PRAGMA user_version = 17"
        )
    old.close()
    database = Database(path)
    assert database.format() == FORMAT
    sessions = Sessions(database, ADMIN.name)
    assert [(found.name, found.partitions) for found in sessions.all()] == [("keys", ("p",))]
    assert [turn.content for turn in sessions.turns("keys")] == ["what?"]
    sessions.delete("keys")
    assert not database.rows("SELECT 1 FROM message")
    database.close()
