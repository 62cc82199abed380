"""The Python library: its documented examples, and one contract for a store here and a store behind a server."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import run_examples

import openrag_cli
from openrag_cli import errors
from openrag_cli.client.remote_engine import RemoteEngine
from openrag_cli.contract.error_codes import class_of, remade
from openrag_cli.engine import Engine
from openrag_cli.library.library import Library

from .conftest import start

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "library.md"


def test_the_documented_examples_run_as_written(environment, handbook, capsys):
    environment.setattr(sys, "argv", ["run_examples.py", str(PAGE)])
    run_examples.main()
    said = capsys.readouterr().out
    assert int(re.search(r"(\d+) examples: passed", said)[1]) >= 5
    assert "ops/keys.md" in said
    assert "[1]" in said
    assert "file_not_found | File 'not-there.md' not found" in said


def test_every_public_name_is_there_and_importing_the_package_loads_none_of_them():
    for name in openrag_cli.__all__:
        assert getattr(openrag_cli, name) is not None
        assert name in dir(openrag_cli)
    script = "import sys, openrag_cli; print(sorted(m for m in sys.modules if m.startswith('openrag_cli')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['openrag_cli']"
    with pytest.raises(AttributeError):
        openrag_cli.nothing  # noqa: B018


def test_every_error_class_survives_the_trip_by_its_code():
    importlib.import_module("openrag_cli.errors")
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OpenRAGError)
    ]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    for kind in kinds:
        if kind is errors.OpenRAGError:
            continue
        assert class_of(kind.code) is kind
        found = remade(kind.code, "a sentence", hint="do this")
        assert (type(found), found.message, found.hint, str(found)) == (kind, "a sentence", "do this", "a sentence")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = start(tmp_path_factory.mktemp("library") / "store")
    yield server
    assert server.stop() == 0


class Contract:
    """What a library does, wherever its store is."""

    def test_what_is_added_can_be_searched_read_and_deleted(self, library, handbook):
        report = library.add(handbook, partition="p", metadata={"year": 2024})
        assert (report.added, report.failures) == (8, []) or report.added == len(library.files("p"))
        assert library.add(handbook, partition="p", metadata={"year": 2024}).unchanged == report.added
        hits = library.search("how often are keys rotated", partitions="p", k=2)
        assert len(hits) == 2
        assert hits[0].file.file_id == "ops/keys.md"
        assert hits[0].score >= hits[1].score
        extract = library.extract(hits[0].chunk.id, context=1)
        assert extract.chunk.span.text == hits[0].chunk.span.text
        assert library.search("keys", partitions=["p"], filter="year = 1999") == []
        assert library.file("p", "ops/keys.md").metadata == {"year": 2024}
        assert library.document("p", "ops/keys.md").markdown == (handbook / "ops" / "keys.md").read_text()
        with library.original("p", "ops/keys.md") as stream:
            assert stream.read() == (handbook / "ops" / "keys.md").read_bytes()
        assert library.edit_file("p", "ops/keys.md", {"a": 1}, remove=["year"]).metadata == {"a": 1}
        assert library.rename_file("p", "people/leave.md", "leave.md").file_id == "leave.md"
        assert library.delete_files("p", ["leave.md", "nothing"]) == (["leave.md"], ["nothing"])
        assert {task.state for task in library.tasks()} == {openrag_cli.TaskState.COMPLETED}
        assert library.delete_partition("p") == report.added - 1

    def test_a_partition_follows_a_folder(self, library, handbook):
        assert library.sync(handbook, partition="t").added == len(library.files("t"))
        chunk = library.search("how often are keys rotated", partitions="t", k=1)[0].chunk
        (handbook / "ops").rename(handbook / "operations")
        (handbook / "people" / "leave.md").unlink()
        report = library.sync(handbook, partition="t", delete=True, max_delete="50%")
        assert (report.added, report.moved > 0, report.deleted, report.chunks) == (0, True, 1, 0)
        hit = library.search("how often are keys rotated", partitions="t", k=1)[0]
        assert (hit.file.file_id, hit.chunk.id) == ("operations/keys.md", chunk.id)
        (handbook / "operations" / "keys.md").unlink()
        with pytest.raises(errors.TooManyDeletions):
            library.sync(handbook, partition="t", delete=True, max_delete="0")
        with pytest.raises(errors.PathNotFound):
            library.sync(handbook / "nowhere", partition="t")
        library.delete_partition("t")

    def test_an_answer_is_read_piece_by_piece_and_its_marks_name_its_citations(self, library, handbook):
        library.add(handbook, partition="q")
        answer = library.ask("how often do we rotate keys?", partitions="q")
        text = "".join(answer)
        assert text == answer.text == "".join(answer)
        marks = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
        assert marks == {passage.number for passage in answer.citations}
        assert answer.citations[0].file.file_id == "ops/keys.md"
        assert len(answer.sources) >= len(answer.citations)
        more = library.ask("and who does it?", partitions="q", history=[("how often do we rotate keys?", text)])
        assert more.text
        library.delete_partition("q")

    def test_a_conversation_is_kept_and_gone_on_with(self, library, handbook):
        library.add(handbook, partition="c")
        chat = library.chat(partitions="c")
        first = chat.ask("how often do we rotate keys?")
        assert first.citations[0].file.file_id == "ops/keys.md"
        again = library.chat(chat.name)  # what it searched, it searches still
        assert {passage.file.partition for passage in again.ask("and who does it?").sources} == {"c"}
        turns = library.sessions.turns(chat.name)
        assert [turn.role for turn in turns] == ["user", "assistant"] * 2
        assert (turns[0].content, turns[1].content) == ("how often do we rotate keys?", first.text)
        assert turns[1].citations[0]["file_id"] == "ops/keys.md"
        assert turns == chat.turns()
        assert chat.name in [session.name for session in library.sessions.all()]
        left = chat.ask("how often do we rotate keys?")
        next(iter(left))
        left.close()
        assert chat.turns() == turns, "an answer that was not read to its end is not kept"
        with pytest.raises(errors.InvalidInput):
            chat.ask(" ")
        library.sessions.delete(chat.name)
        with pytest.raises(errors.SessionNotFound):
            chat.ask("who?")
        library.delete_partition("c")

    def test_files_are_listed_by_their_metadata_and_page_by_page(self, library, handbook):
        library.add(handbook / "ops", partition="l", metadata={"year": 2024})
        library.add(handbook / "people", partition="l")
        dated = library.files("l", filter="year = 2024")
        assert 0 < len(dated) < len(library.files("l"))
        page = library.files("l", limit=2)
        assert [*page, *library.files("l", after=page.next)] == list(library.files("l"))
        assert library.partition("l").file_count == len(library.files("l"))
        assert "year" in {fact.key for fact in library.file_keys("l")}
        library.delete_partition("l")

    def test_a_whole_request_is_searched_as_it_says(self, library, handbook):
        library.add(handbook, partition="w")
        request = openrag_cli.SearchRequest("keys", partitions=["w"], file_ids=["ops/keys.md"], top_k=3)
        assert {hit.file.file_id for hit in library.search(request)} == {"ops/keys.md"}
        library.delete_partition("w")

    def test_tasks_are_looked_at_one_by_one_and_forgotten(self, library, handbook):
        library.add(handbook / "ops", partition="k")
        tasks = library.tasks(limit=1)
        assert library.task(tasks[0].id) == tasks[0]
        assert library.wait_tasks([tasks[0].id]) == list(tasks)
        assert library.task_log(tasks[0].id)
        assert library.task_counts()[openrag_cli.TaskState.COMPLETED] >= 1
        with pytest.raises(errors.Conflict):
            library.cancel_task(tasks[0].id)
        assert library.prune_tasks() >= 1
        assert library.tasks() == []
        library.delete_partition("k")

    def test_views_and_the_report_of_the_store(self, library, handbook):
        library.add(handbook, partition="v")
        library.views.create("narrow", ["v"])
        assert [view.name for view in library.views.all()] == ["narrow"]
        library.views.delete("narrow")
        assert all(finding.text for finding in library.examine())
        files, missing = library.refresher.named("v", ["ops/keys.md", "nothing"])
        assert ([file.file_id for file in files], len(missing)) == (["ops/keys.md"], 1)
        library.delete_partition("v")

    def test_an_answer_may_be_left_before_its_end(self, library, handbook):
        library.add(handbook, partition="r")
        answer = library.ask("how often do we rotate keys?", partitions="r")
        next(iter(answer))
        answer.close()
        library.delete_partition("r")

    def test_errors_have_the_same_class_code_and_sentence(self, library):
        library.create_partition("s")
        for call, kind in (
            (lambda: library.file("s", "nothing"), errors.DocumentNotFound),
            (lambda: library.files("nowhere"), errors.PartitionNotFound),
            (lambda: library.search("x", partitions="nowhere"), errors.PartitionNotFound),
            (lambda: library.ask("x", partitions="nowhere").text, errors.PartitionNotFound),
            (lambda: library.extract("0" * 32), errors.ChunkNotFound),
            (lambda: library.create_partition("s"), errors.Conflict),
            (lambda: library.create_partition("a/b"), errors.InvalidInput),
            (lambda: library.search("x", filter="year ="), errors.InvalidInput),
            (lambda: library.search("x", mode="odd"), errors.InvalidInput),
            (lambda: library.ask(" "), errors.InvalidInput),
            (lambda: library.chat(" x "), errors.InvalidInput),
            (lambda: library.sessions.turns("nothing"), errors.SessionNotFound),
            (lambda: library.sync("nowhere", max_delete="odd"), errors.InvalidInput),
            (lambda: library.add("x", if_exists="odd"), errors.InvalidInput),
        ):
            with pytest.raises(errors.OpenRAGError) as caught:
                call()
            assert type(caught.value) is kind, caught.value
        library.delete_partition("s")


@pytest.mark.parametrize("kind", [Engine, RemoteEngine])
def test_each_kind_of_library_does_all_that_the_interface_promises(kind):
    """What the interface makes of other methods is written once; all else is each kind's own."""
    made = {"add", "sync", "search", "ask", "chat"}
    promised = {name for name in vars(Library) if not name.startswith("_")}
    assert {"partitions", "files", "tasks", "extract", "sessions"} | made <= promised
    assert promised - made <= set(vars(kind))
    assert not made & set(vars(kind))


class TestLibraryOfThisMachine(Contract):
    @pytest.fixture
    def library(self, environment, tmp_path):
        with openrag_cli.open(tmp_path / "store", create=True) as library:
            yield library

    def test_what_only_this_machine_does_is_there_too(self, library, handbook, tmp_path):
        library.add(handbook / "ops")
        with (tmp_path / "copy.tar").open("wb") as target:
            assert library.maintenance.back_up(target)
        assert library.maintenance.export("default", tmp_path / "export")
        assert library.maintenance.import_partition(tmp_path / "export", "again")
        assert library.maintain(force=True)
        library.work(should_stop=lambda: True)

    def test_a_store_that_is_not_there_is_made_only_when_asked(self, environment, tmp_path):
        with openrag_cli.open(tmp_path / "none") as library, pytest.raises(errors.StoreNotFound):
            library.partitions()
        assert not (tmp_path / "none").exists()


class TestLibraryOfAServer(Contract):
    @pytest.fixture
    def library(self, environment, running):
        with openrag_cli.open(running.url) as library:
            yield library
