"""Questions among instructions: the page that answers comes before one that has the words of the instructions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from framed_reports import QUESTIONS, Framed, drawn, reports
from harness import open_engine

from openrag_cli.domain import Hit, SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.retrieval.query import read_query
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.tokens import Tokenizer
from openrag_cli.store.searching.word_counts import Totals

FINANCE = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "finance"
ASKED = (
    "What were Quillmark Tools' total current liabilities at the end of FY2031? Answer in USD millions. Base your "
    "judgments on the information provided primarily in the balance sheet."
)


@pytest.fixture(scope="module", params=["en", "fr", "de"])
def reported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Engine]]:
    """The reports of one language in a store of their own."""
    root = tmp_path_factory.mktemp(f"reports-{request.param}")
    for report in reports(request.param):
        (root / report.name).write_bytes(drawn(report.pages))
    with open_engine(root / "store") as engine:
        add(engine, list(root.glob("*.pdf")))
        yield request.param, engine


def add(engine: Engine, paths: list[Path]) -> None:
    report = engine.add_sources(collect(paths).sources, AddOptions("p", new_task_id()))
    assert (report.added, report.failed) == (len(paths), 0)


def places(hits: list[Hit]) -> list[tuple[str, int | None]]:
    return [(hit.file.filename, hit.chunk.span.page) for hit in hits]


def test_the_page_of_the_answer_is_found_whatever_is_said_around_the_question(reported: tuple[str, Engine]) -> None:
    language, engine = reported
    asked: tuple[Framed, ...] = QUESTIONS[language]
    for question in asked:
        found = places(engine.search(SearchRequest(question.text)))
        assert (question.file, question.page) in found[: question.within], question.text


def test_hits_for_a_framed_question_are_the_same_however_many_are_asked_for(reported: tuple[str, Engine]) -> None:
    language, engine = reported
    for question in QUESTIONS[language]:
        for mode in SearchMode:
            told = [
                [(hit.chunk.id, hit.score) for hit in engine.search(SearchRequest(question.text, top_k=k, mode=mode))]
                for k in (5, 10, 200)
            ]
            assert told[0][:5] == told[1][:5] == told[2][:5]


def test_a_policy_with_all_words_of_the_instructions_is_not_first(tmp_path: Path) -> None:
    if not FINANCE.is_dir():
        pytest.skip(f"the reports are not at {FINANCE}")
    with open_engine(tmp_path / "store") as engine:
        add(engine, sorted(FINANCE.glob("*.pdf")))
        assert places(engine.search(SearchRequest(ASKED)))[0] == ("quillmark-2031.pdf", 3)


class Words:
    """A store of a hundred chunks in which each word stands in five, and whose titles have one word."""

    def totals(self) -> Totals:
        return Totals(100, 10_000)

    def chunks_with(self, words: list[str]) -> dict[str, int]:
        return dict.fromkeys(words, 5)

    def chunks_titled(self, words: list[str]) -> dict[str, int]:
        return {word: 5 for word in words if word == "quillmark"}


def aside(text: str) -> set[str]:
    return set(read_query(text, Tokenizer("English"), Words(), Words()).aside)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What did Quillmark pay for two mills in May? Answer briefly, in euros.", {"answer", "briefli", "euro"}),
        ("You are an auditor. What did Quillmark pay for its mills in May?", {"auditor"}),
        ("Question: what did Quillmark pay for its mills in May? Answer:", {"question", "answer"}),
        (
            "Using only the balance sheet, what did Quillmark pay for mills in May?",
            {"use", "onli", "balanc", "sheet"},
        ),
        ("State what Quillmark paid for its mills. Be brief.", {"brief"}),
        ("Rely on what is said in 2031. What did Quillmark pay for mills in May?", {"reli", "said"}),
    ],
    ids=["after", "before", "both", "clause", "no question mark", "year"],
)
def test_words_of_instructions_stand_aside(text: str, words: set[str]) -> None:
    assert aside(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "My printer shows error 49 and no light. How do I mend it?",
        "What did Quillmark pay for its mills?",
        "In May, what did Quillmark pay for its mills?",
        "What did Quillmark pay for its mills? Who sold them?",
        "The mills were sold in May. The price was paid in June.",
        "Among operations, investing and financing, which brought in the most for Quillmark?",
    ],
)
def test_words_of_a_question_never_stand_aside(text: str) -> None:
    assert aside(text) == set()
