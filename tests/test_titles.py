"""The title of a file: what it is made of, that it is found by it, and that a new name touches no chunk."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from harness import check, open_engine, put

from openrag_cli.domain import SearchMode, Upload, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.retrieval import search
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.store.searching.titles import FileTitle, Titles, is_title, short_title_of, title_of


@pytest.mark.parametrize(
    ("filename", "own", "title"),
    [
        ("BESTBUY_2019_10K.pdf", None, "BESTBUY 2019 10 K"),
        ("reports/annualReport2023-final.pdf", None, "annual Report 2023 final"),
        ("XMLParser.java", None, "XML Parser"),
        ("0001018724-18-000005.pdf", "Annual report of Quillmark", "Annual report of Quillmark"),
        ("git-bug.md", "git-bug", "git-bug"),
        ("pep-0008.rst", "Style Guide for Python Code", "pep 0008: Style Guide for Python Code"),
        ("README", None, "README"),
    ],
)
def test_a_title_is_the_name_in_words_and_what_the_document_calls_itself(
    filename: str, own: str | None, title: str
) -> None:
    assert title_of(filename, own) == title


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Annual report for the fiscal year ended June 30, 2031", True),
        ("財務報告", True),
        ("0001018724-18-000005", False),
        ("Microsoft Word - draft v3.docx", False),
        ("untitled", False),
        ("(anonymous)", False),
        ("PowerPoint Presentation", False),
        ("PowerPoint in schools", True),
        ("report_final.indd", False),
        ("", False),
        ("12", False),
    ],
)
def test_what_is_no_title_for_a_reader_is_none(text: str, is_one: bool) -> None:
    assert is_title(text) == is_one


TEXT = "".join(
    f"Row {n} of the ledger says that {n * 17} crates were stored in shed {n % 5}.\n\n" for n in range(120)
)


def add(engine: Engine, name: str, text: str) -> None:
    upload = Upload("p", name, new_task_id(), name, "text/plain", 0, "", {})
    engine.submit(upload, io.BytesIO(text.encode()))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Ledgers of three towns whose text does not name the town."""
    with open_engine(tmp_path / "store") as engine:
        for town in ("Hartwell", "Ostrava", "Quillmark"):
            add(engine, f"{town}Ledger2031.txt", TEXT.replace("crates", f"{town[0]}-crates"))
        engine.drain()
        check(engine)
        yield engine


def first(engine: Engine, text: str, mode: SearchMode = SearchMode.HYBRID) -> str:
    return engine.search(SearchRequest(text, mode=mode))[0].file.file_id


@pytest.mark.parametrize("mode", [SearchMode.HYBRID, SearchMode.TEXT])
def test_a_file_is_found_by_words_that_stand_in_its_name_alone(engine: Engine, mode: SearchMode) -> None:
    for town in ("Hartwell", "Ostrava", "Quillmark"):
        assert first(engine, f"crates stored in {town}", mode) == f"{town}Ledger2031.txt"


def test_a_new_name_is_found_at_once_and_no_row_of_the_index_changes(engine: Engine) -> None:
    before = engine.parts.index.version()
    engine.rename_file("p", "OstravaLedger2031.txt", "BrindleLedger2031.txt")
    assert first(engine, "crates stored in Brindle") == "BrindleLedger2031.txt"
    assert engine.parts.index.version() == before


def test_an_edited_title_is_found_at_once_and_embeds_one_title(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.parts.index.version()
    embedded: list[str] = []
    real = engine.parts.embedder.embed_passages

    def observe(texts: list[str]) -> object:
        embedded.extend(texts)
        return real(texts)

    monkeypatch.setattr(engine.parts.embedder, "embed_passages", observe)
    engine.edit_file("p", "HartwellLedger2031.txt", {"title": "The book of Zembla"})
    assert embedded == ["Hartwell Ledger 2031: The book of Zembla"]
    engine.edit_file("p", "HartwellLedger2031.txt", {"year": 2031})
    assert len(embedded) == 1
    assert first(engine, "crates stored in Zembla") == "HartwellLedger2031.txt"
    assert engine.parts.index.version() == before


def test_the_titles_of_deleted_and_replaced_files_are_gone(engine: Engine) -> None:
    put(engine, "p", "HartwellLedger2031.txt", "Another text.")
    engine.drain()
    engine.delete_file("p", "QuillmarkLedger2031.txt")
    revisions = {file.revision for file in engine.files("p")}
    rows = engine.parts.database.rows("SELECT revision FROM title UNION SELECT revision FROM title_word")
    assert {row["revision"] for row in rows} == revisions
    assert not engine.parts.database.rows("SELECT 1 FROM untitled")


def test_a_search_measures_the_titles_of_what_it_found_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DEPTH", 4)
    monkeypatch.setattr(search, "NAMED_DEPTH", 4)
    read: list[int] = []
    of = Titles.of

    def counting(self: Titles, revisions: Iterable[str], *, with_vectors: bool = True) -> dict[str, FileTitle]:
        found = of(self, revisions, with_vectors=with_vectors)
        read.append(len(found))
        return found

    monkeypatch.setattr(Titles, "of", counting)
    with open_engine(tmp_path / "store") as engine:
        for n in range(40):
            put(engine, "p", f"harbour-{n}.md", f"# Harbour {n}\n\nWhat the harbour {n} charges for a berth.")
        engine.drain()
        hits = engine.search(SearchRequest("What does the harbour charge for a berth over the night?", top_k=2))
    assert len(hits) == 2
    assert read
    assert max(read) <= 2 * (4 + 4)  # both legs, and files that are named, of forty


@pytest.mark.parametrize(
    ("filename", "own", "title"),
    [
        ("ACME_2031_8K.pdf", "Form 8-K for Acme filed 2031", "Form 8-K for Acme filed 2031"),
        ("ACME_2031Q4_EARNINGS.pdf", "Acme, Q4 of 2031", "EARNINGS: Acme, Q4 of 2031"),
        ("reports/gate-keys.md", "Keys of the Gate", "Keys of the Gate"),
        ("notes.md", "Storm", "notes: Storm"),
        ("tariff.xlsx", None, "tariff"),
    ],
)
def test_a_title_that_is_embedded_says_each_word_of_the_name_once(filename: str, own: str, title: str) -> None:
    assert short_title_of(filename, own) == title
