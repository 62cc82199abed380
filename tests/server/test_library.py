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
from openrag_cli.contract.error_codes import class_of, remade

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
        assert library.file("ops/keys.md", "p").metadata == {"year": 2024}
        assert library.document("ops/keys.md", "p").markdown == (handbook / "ops" / "keys.md").read_text()
        assert library.original("ops/keys.md", "p") == (handbook / "ops" / "keys.md").read_bytes()
        assert library.edit("ops/keys.md", {"a": 1}, "p", remove=["year"]).metadata == {"a": 1}
        assert library.delete(["people/leave.md", "nothing"], "p") == ["people/leave.md"]
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

    def test_an_answer_may_be_left_before_its_end(self, library, handbook):
        library.add(handbook, partition="r")
        answer = library.ask("how often do we rotate keys?", partitions="r")
        next(iter(answer))
        answer.close()
        library.delete_partition("r")

    def test_errors_have_the_same_class_code_and_sentence(self, library):
        library.create_partition("s")
        for call, kind in (
            (lambda: library.file("nothing", "s"), errors.DocumentNotFound),
            (lambda: library.files("nowhere"), errors.PartitionNotFound),
            (lambda: library.search("x", partitions="nowhere"), errors.PartitionNotFound),
            (lambda: library.ask("x", partitions="nowhere").text, errors.PartitionNotFound),
            (lambda: library.extract("0" * 32), errors.ChunkNotFound),
            (lambda: library.create_partition("s"), errors.Conflict),
            (lambda: library.create_partition("a/b"), errors.InvalidInput),
            (lambda: library.search("x", filter="year ="), errors.InvalidInput),
            (lambda: library.search("x", mode="odd"), errors.InvalidInput),
            (lambda: library.ask(" "), errors.InvalidInput),
            (lambda: library.add("x", if_exists="odd"), errors.InvalidInput),
        ):
            with pytest.raises(errors.OpenRAGError) as caught:
                call()
            assert type(caught.value) is kind, caught.value
        library.delete_partition("s")


class TestLibraryOfThisMachine(Contract):
    @pytest.fixture
    def library(self, environment, tmp_path):
        with openrag_cli.open(tmp_path / "store", create=True) as library:
            yield library

    def test_a_store_that_is_not_there_is_made_only_when_asked(self, environment, tmp_path):
        with openrag_cli.open(tmp_path / "none") as library, pytest.raises(errors.StoreNotFound):
            library.partitions()
        assert not (tmp_path / "none").exists()


class TestLibraryOfAServer(Contract):
    @pytest.fixture
    def library(self, environment, running):
        with openrag_cli.open(running.url) as library:
            yield library
