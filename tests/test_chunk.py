"""The rules that every chunk of every document obeys."""

import itertools
import json
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.chunking.markup import masks_of
from openrag_cli.documents.chunking.sizers import MAX_CHARS_PER_TOKEN
from openrag_cli.domain import Document, Page, Span
from openrag_cli.errors import ConfigError

MODEL_TOKENIZER = Path("openrag_cli") / "models" / "all-MiniLM-L6-v2" / "tokenizer.json"
SHARED_DOCS = Path("../shared/data/docs")
MARKDOWN = "text/markdown"


class Model:
    """A tokenizer without truncation, and chunkers for it."""

    def __init__(self, path):
        content = json.loads(path.read_text())
        self._real = Tokenizer.from_str(json.dumps({**content, "truncation": None, "padding": None}))
        self.chunkers = {max_tokens: Chunker(path, max_tokens) for max_tokens in (32, 64, 256)}

    def count(self, text):
        return len(self._real.encode(text))


BERT = Model(MODEL_TOKENIZER)


def is_combined(text, position):
    """Whether the character at `position` belongs to the one before it."""
    before, char = text[position - 1], text[position]
    return (
        unicodedata.category(char) in {"Mn", "Me"} and not before.isspace() and unicodedata.category(before)[0] != "C"
    )


def assert_rules(document, max_tokens, model=BERT):
    """Check every promise of the chunker on one document and return its spans."""
    text, chunker = document.markdown, model.chunkers[max_tokens]
    spans = chunker.split(document)
    seen = list(text)
    for start, end in masks_of(document):
        seen[start:end] = " " * (end - start)
    text_seen = "".join(seen)
    covered = 0
    for span in spans:
        assert text[span.start : span.end] == span.text
        assert span.text == span.text.strip() != ""
        assert covered <= span.start, "none overlaps"
        assert not text_seen[covered : span.start].strip(), (
            "between spans there is only white space, or what is masked"
        )
        covered = span.end
        assert model.count(chunker.passage(span)) <= max_tokens
        assert len(span.text) <= max_tokens * MAX_CHARS_PER_TOKEN
        assert span.line_start == text.count("\n", 0, span.start) + 1
        assert span.line_end == text.count("\n", 0, span.end - 1) + 1
        pages = [page.number for page in document.pages if page.start < span.end and span.start < page.end]
        assert pages == ([] if span.page is None else [span.page])
    assert not text_seen[covered:].strip(), "what follows the last span is only white space, or masked"
    return spans


SNIPPETS = st.sampled_from(
    [
        "word ", "Another sentence. ", "naïve façade ", "\n", "\n\n", "\n\n\n",
        "# Heading\n", "\n## Sub *heading* ##\n\n",
        "\n### " + "long title " * 40 + "\n", "\nSetext\n------\n", "\n```python\n", "\n~~~\n", "    indented\n",
        "- item\n", "  1. nested\n", "> quote\n", "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "---\n", "---\ntitle: T\n---\n",
        "`code` ", "**bold**", "[link](http://example.org/a/b?c=d) ", "<div>", "</div>\n", "[SEP]", "[MASK] ",
        "e\u0301", "a\u0300\u0301\u0302", "👩‍👩‍👧", "🎉", "🇫🇷", "漢字", "한국어", "กำ", "नि",
        "\u200b", "\ufeff", "\x00", "\x1c", "\x85", "\u2028", "\xa0", "\t", " " * 50, "x" * 120, "ab/+=" * 30,
    ]
)  # fmt: skip
TEXTS = st.lists(st.tuples(SNIPPETS | st.text(max_size=8), st.integers(1, 30)), max_size=25).map(
    lambda parts: "".join(snippet * times for snippet, times in parts)
)
DOCUMENTS = st.builds(
    Document,
    TEXTS,
    media_type=st.sampled_from([MARKDOWN, "text/x-rst", "text/x-tex", "text/plain"]),
    has_headings=st.booleans(),
)


@st.composite
def paged_documents(draw):
    pages = draw(st.lists(TEXTS, min_size=1, max_size=4))
    bounds = list(itertools.accumulate(map(len, pages), initial=0))
    numbers = sorted(draw(st.sets(st.integers(1, 9), min_size=len(pages), max_size=len(pages))))
    ranges = itertools.starmap(Page, zip(numbers, bounds, bounds[1:], strict=False))
    return Document("".join(pages), pages=tuple(ranges), has_headings=draw(st.booleans()))


SLOW_IS_FINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


@SLOW_IS_FINE
@given(DOCUMENTS | paged_documents(), st.sampled_from([32, 64, 256]))
def test_every_chunk_obeys_the_rules(document, max_tokens):
    assert_rules(document, max_tokens)


@SLOW_IS_FINE
@given(
    st.lists(
        st.sampled_from(["e\u0301", "a\u0300\u0302", "o", "\u05e9\u05c1", "👩‍👩‍👧", " ", ". ", "\n"]), max_size=600
    ).map("".join)
)
def test_a_character_is_not_cut_from_its_combining_marks(text):
    document = Document(text)
    for span in assert_rules(document, 32)[1:]:
        assert not is_combined(text, span.start)
        assert "\u200d" not in text[span.start - 1 : span.start + 1]


@pytest.mark.parametrize("start", ["`build`\n: ", "- ", "1. ", "> ", "Build\n\n  ", "- a\n  - "])
@pytest.mark.parametrize("between", ["\n  \n  ", "\n\n  ", "\n \t\n\n  ", "\n  - ", "\n> \n> "])
def test_paragraphs_within_lists_are_cut_where_they_end(start, between):
    words = ["build", "the target", "a package", "and clean", "what makes", "binary", "of roots", "needs", "routines"]
    for seed in range(12):
        sizes = [(seed * 7 + n * 13) % 10 * 9 + 8 for n in range(3 + seed % 6)]
        paragraphs = [" ".join(words[(seed + n * i) % 9] for i in range(size)) for n, size in enumerate(sizes)]
        text = f"# Rules\n\n{start}{between.join(paragraphs)}\n"
        assert assert_rules(Document(text, has_headings=True), 64)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "QUJD0/+x" * 50_000,
        "👩‍👩‍👧🎉" * 12_500,
        "漢字かな混じり文。" * 11_000,
        "a" + "\u0301" * 50_000,
        "\u200b" * 100_000,
        "a" + " " * 500_000 + "b",
        "# " * 100_000,
        "```" * 50_000,
        "# a\n" * 20_000,
        "|a" * 50_000 + "\n" + "|-" * 50_000,
        "---\nx\n" * 20_000,
    ],
    ids=lambda text: repr(text[:8]),
)
@pytest.mark.parametrize("has_headings", [False, True], ids=["plain", "markdown"])
def test_a_monstrous_text_obeys_the_rules(text, has_headings):
    assert assert_rules(Document(text, has_headings=has_headings), 256)


@pytest.mark.parametrize("text", ["", " \n\t\n", "\x1c\x1d\u2028"])
def test_a_blank_document_has_no_chunks(text):
    assert BERT.chunkers[256].split(Document(text)) == []


def test_a_short_document_is_one_chunk():
    text = "# Tool\n\nWhat it does.\n\n## Use\n\n`tool --help`\n\n## Notes\n\nNone.\n"
    (span,) = assert_rules(Document(text, has_headings=True), 256)
    assert (span.text, span.heading, span.line_start, span.line_end) == (text.strip(), ("Tool",), 1, 11)


def words(n, seed=0):
    return " ".join(random.Random(seed).choices(["river", "stone", "cloud", "paper", "green", "seven"], k=n)) + "."


def test_a_long_document_is_cut_at_its_sections():
    text = f"# A\n\n{words(150)}\n\n## B\n\n{words(140)}\n\n## C\n\n{words(130)}\n"
    spans = assert_rules(Document(text, has_headings=True), 256)
    assert [(span.heading, span.text[:4]) for span in spans] == [
        (("A",), "# A\n"),
        (("A", "B"), "## B"),
        (("A", "C"), "## C"),
    ]


def test_small_sections_share_a_chunk():
    text = "# A\n\n" + "".join(f"## Section {i}\n\n{words(12, i)}\n\n" for i in range(40))
    spans = assert_rules(Document(text, has_headings=True), 256)
    assert all(BERT.count(span.text) > 60 for span in spans)
    assert all(span.text.startswith("#") for span in spans), "no section is torn"


def test_a_bare_heading_stays_with_the_text_that_it_announces():
    code = "call(argument)\n" + "x = call(y)\n" * 90
    text = f"# A\n\n{words(200)}\n\n## Use\n\n### Alone\n\n```python\n{code}```\n"
    spans = assert_rules(Document(text, has_headings=True), 256)
    start = next(span for span in spans if "## Use" in span.text)
    assert "call(argument)" in start.text
    assert start.heading == ("A", "Use", "Alone")


def test_a_section_that_does_not_fit_is_cut_between_paragraphs():
    paragraphs = [words(60, i) for i in range(9)]
    spans = assert_rules(Document("# A\n\n" + "\n\n".join(paragraphs), has_headings=True), 256)
    assert len(spans) > 1
    assert all(span.text.endswith(".") for span in spans)
    assert {span.heading for span in spans} == {("A",)}


def test_a_chunk_never_crosses_a_page_and_headings_go_on_over_pages():
    pages = ["# A\n\nFirst page.\n\n", "Second page.\n\n## B\n\n", "Third page."]
    bounds = list(itertools.accumulate(map(len, pages), initial=0))
    document = Document("".join(pages), tuple(map(Page, (1, 2, 5), bounds, bounds[1:])), has_headings=True)
    spans = assert_rules(document, 256)
    assert [(span.page, span.heading, span.text) for span in spans] == [
        (1, ("A",), "# A\n\nFirst page."),
        (2, ("A",), "Second page.\n\n## B"),
        (5, ("A", "B"), "Third page."),
    ]


def test_a_page_without_text_has_no_chunk():
    document = Document("one\n\ntwo", (Page(1, 0, 4), Page(2, 4, 4), Page(3, 4, 5), Page(4, 5, 8)))
    assert [(span.page, span.text) for span in assert_rules(document, 256)] == [(1, "one"), (4, "two")]


def span_under(heading, head=()):
    return Span("text", 0, 4, 1, 1, None, heading, head)


def test_the_passage_is_the_heading_path_above_the_text():
    chunker = BERT.chunkers[256]
    assert chunker.passage(span_under(("A", "B"))) == "A > B\ntext"
    assert chunker.passage(span_under(())) == "text"


def test_a_long_heading_path_loses_its_outermost_titles_first():
    titles = tuple(words(25, i) for i in range(4))
    assert BERT.chunkers[256].passage(span_under(titles)) == f"{titles[2]} > {titles[3]}\ntext"


def test_a_long_title_is_cut_and_never_takes_more_than_a_quarter():
    passage = BERT.chunkers[256].passage(span_under(("outer", words(100))))
    title, text = passage.split("\n")
    assert text == "text"
    assert title
    assert words(100).startswith(title)
    assert BERT.count(title) - 2 <= 256 // 4


def test_a_model_that_reads_almost_nothing_is_refused():
    with pytest.raises(ConfigError, match="reads 8 tokens"):
        Chunker(MODEL_TOKENIZER, 8)


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_broken_tokenizer_is_a_configuration_error(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigError, match=r"tokenizer\.json"):
        Chunker(tmp_path / "tokenizer.json", 256)


def test_a_missing_tokenizer_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Chunker(tmp_path / "tokenizer.json", 256)


CORPUS = [
    words(200),
    "Les élèves répètent. " * 5,
    "漢字かな混じり文。",
    "def call(self, x): return x + 1",
    "# Heading\n\n- item\n",
]


def byte_level_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>"))
    )
    return tokenizer


def unigram_tokenizer():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    )
    return tokenizer


@pytest.fixture(scope="module", params=[byte_level_tokenizer, unigram_tokenizer], ids=["byte-level", "unigram"])
def other_model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer = request.param()
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(path))
    return Model(path)


def test_a_long_run_that_another_tokenizer_does_not_know_is_cut(other_model):
    assert len(assert_rules(Document("some words " * 9 + "0" * 9000), 64, other_model)) > 4


def test_a_word_may_be_more_tokens_below_a_heading_than_alone(other_model):
    assert assert_rules(Document("\nSetext\n------\n" + "c01" * 8, has_headings=True), 32, other_model)


@settings(SLOW_IS_FINE, max_examples=25)
@given(document=DOCUMENTS | paged_documents(), max_tokens=st.sampled_from([32, 64, 256]))
def test_the_rules_hold_for_other_tokenizers(other_model, document, max_tokens):
    assert_rules(document, max_tokens, other_model)


def shared_documents():
    kinds = {".mdx": (MARKDOWN, True, 6), ".md": (MARKDOWN, True, 40), ".rst": ("text/x-rst", False, 8)}
    for path in sorted(SHARED_DOCS.rglob("*")):
        if path.suffix in kinds:
            yield path, kinds[path.suffix]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED_DOCS.is_dir(), reason="../shared/data/docs is not there")
def test_real_documents_obey_the_rules():
    n_checked = 0
    seen = {".mdx": 0, ".md": 0, ".rst": 0}
    for path, (media_type, has_headings, every) in shared_documents():
        seen[path.suffix] += 1
        if seen[path.suffix] % every == 0:
            document = Document(path.read_text(), media_type=media_type, has_headings=has_headings)
            assert assert_rules(document, 256), path
            n_checked += 1
    assert n_checked > 150
