"""Fast token counts, against the tokenizer itself."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from openrag_cli.documents.chunking.token_count import token_counter

TOKENIZER = json.loads((Path("openrag_cli") / "models" / "all-MiniLM-L6-v2" / "tokenizer.json").read_text())
REAL = Tokenizer.from_str(json.dumps({**TOKENIZER, "truncation": None, "padding": None}))


fast_count = token_counter(TOKENIZER)
assert fast_count


def real_count(text):
    return len(REAL.encode(text, add_special_tokens=False))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The quick brown fox, unaffable: tokenisation of electroencephalographically 1.0.21!",
        "élève, Œuvre, naïveté, Straße, İstanbul — «guillemets» … déjà-vu",
        "漢字とかな、カタカナ。混ざった文 한국어 문장",
        "x" * 99 + " " + "x" * 100 + " " + "x" * 101,
        "tab\tnew\nline\rreturn\x0bvertical\x0cfeed\x00null\x85next\u2028line\xa0space",
        "snake_case camelCase foo.bar(baz) https://example.org/a?b=c#d",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ],
)
def test_the_count_is_the_tokenizers_own_for_ordinary_text(text):
    assert fast_count(text) == real_count(text)


def test_the_count_is_never_too_low_for_a_character_between_letters():
    codes = [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200), *range(0x20000, sys.maxunicode, 97)]
    chars = list(map(chr, codes))
    texts = [f"un{char}able{char}" for char in chars]
    too_low = []
    encodings = REAL.encode_batch(texts, add_special_tokens=False)
    for char, text, encoding in zip(chars, texts, encodings, strict=True):
        if fast_count(text) < len(encoding):
            too_low.append(hex(ord(char)))
    assert too_low == []


PIECES = st.one_of(
    st.text(max_size=6),
    st.text(st.characters(max_codepoint=0x24F), max_size=12),
    st.sampled_from(
        [
            "[SEP]",
            "[MASK]",
            "[CLS",
            "##",
            "e\u0301",
            "\u0301",
            "👩‍👩‍👧",
            "漢",
            "한",
            " ",
            "\n",
            "un",
            "able",
            "ﬁ",
            "\ufffd",
            "ǆ",
            "\xad",
        ]
    ),
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_the_count_is_never_below_the_real_one(text):
    assert fast_count(text) >= real_count(text)


@given(st.text("abcdefghijklmnopqrstuvwxyzABC0123456789 .,;:-_/()éèàçüßñøΩδшжя\n\t漢字", max_size=200))
def test_the_count_is_exact_for_letters_that_unicode_has_long_had(text):
    assert fast_count(text) == real_count(text)


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {**TOKENIZER["normalizer"], "lowercase": False}},
        {"pre_tokenizer": {"type": "ByteLevel"}},
        {"model": {**TOKENIZER["model"], "type": "BPE"}},
        {"normalizer": None},
        {"added_tokens": [{"id": 0, "content": "pad"}]},
    ],
)
def test_another_kind_of_tokenizer_is_not_imitated(change):
    assert token_counter({**TOKENIZER, **change}) is None
