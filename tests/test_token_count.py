"""Token counts from offsets, against the tokenizer itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chunk import MODEL_TOKENIZER, byte_level_tokenizer, unigram_tokenizer

from openrag_cli.documents.chunking import token_count
from openrag_cli.documents.chunking.sizers import Sizer
from openrag_cli.documents.chunking.token_count import MeasuredText, TokenCounter, open_tokenizer

BERT = open_tokenizer(MODEL_TOKENIZER)
OTHERS = {"byte-level": byte_level_tokenizer(), "unigram": unigram_tokenizer()}
COUNTERS = {name: TokenCounter(tokenizer) for name, tokenizer in {"bert": BERT, **OTHERS}.items()}

PIECES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.text(st.characters(max_codepoint=0x24F), max_size=12),
    st.sampled_from(
        ["[SEP]", "unaffable", "İstanbul", "\u0301", "漢字", "\x1c", "\u2028", "e\u0301", "x" * 101, "\n\n"]
    ),
)
TEXTS = st.lists(PIECES | st.just(" "), max_size=30).map("".join)


def real_count(tokenizer, text):
    return len(tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The quick brown fox, unaffable: tokenisation of electroencephalographically 1.0.21!",
        "élève, Œuvre, naïveté, Straße, İstanbul — «guillemets» … déjà-vu",
        "漢字とかな、カタカナ。混ざった文 한국어 문장" * 20,
        "x" * 99 + " " + "x" * 100 + " " + "x" * 101,
        "tab\tnew\nline\rreturn\x0bvertical\x0cfeed\x00null\x85next\u2028line\xa0space",
        "snake_case camelCase foo.bar(baz) https://example.org/a?b=c#d" * 9,
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "🙂 👩‍💻 \u200b \U0001fae8",
    ],
)
def test_every_stretch_of_a_text_is_as_many_tokens_as_by_itself(text):
    measured = MeasuredText(text, COUNTERS["bert"])
    for start in range(0, len(text) + 1, 3):
        for end in range(start, len(text) + 1, 7):
            assert measured.n_tokens(start, end) == real_count(BERT, text[start:end]), text[start:end]


@settings(deadline=None, max_examples=200)
@given(text=TEXTS, data=st.data())
def test_any_stretch_of_any_text_is_counted_as_the_tokenizer_does(text, data):
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    assert MeasuredText(text, COUNTERS["bert"]).n_tokens(start, end) == real_count(BERT, text[start:end])


@pytest.mark.parametrize("name", OTHERS)
@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
def test_other_tokenizers_are_never_counted_too_low(name, text):
    measured = MeasuredText(text.strip(), COUNTERS[name])
    assert measured.n_tokens(0, len(measured.text)) >= real_count(OTHERS[name], measured.text)


def test_a_text_is_measured_block_by_block(monkeypatch):
    text = "Some words, unaffable ones\n\nand " * 50 + "x" * 95 + " end  \n"
    whole = MeasuredText(text, COUNTERS["bert"])
    monkeypatch.setattr(token_count, "_BLOCK_CHARS", 100)
    blocks = MeasuredText(text, COUNTERS["bert"])
    stretches = [(0, len(text)), (3, 777), (95, 105), (1200, 1700)]
    assert [blocks.n_tokens(*one) for one in stretches] == [whole.n_tokens(*one) for one in stretches]


def test_a_document_is_tokenised_once_however_often_it_is_measured(monkeypatch):
    """The splitter asks for the size of thousands of pieces; no word of them is tokenised again."""

    class Counting:
        n_chars = 0

        def encode(self, text, **options):
            Counting.n_chars += len(text)
            return BERT.encode(text, **options)

    text = "\n\n".join(f"Paragraph {n} of words{n}, which say nothing at all." for n in range(2000))
    sized = Sizer(TokenCounter(Counting()), 100).of(text)
    measured = Counting.n_chars
    assert measured <= len(text)
    assert len(list(sized.split("", 0, len(text), has_headings=False))) > 100
    assert Counting.n_chars - measured < len(text) // 4
