"""What words a text has: folding, parts beside wholes, and pairs where a script has no blanks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.retrieval.tokens import Tokenizer, folded

ENGLISH = Tokenizer("English")


def words(text: str) -> set[str]:
    return set(ENGLISH.for_search(text).split())


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("in fiscal 2019 ...", "FY2019"),
        ("FY2019", "fiscal 2019"),
        ("2Q23", "2023"),
        ("fetchPendingInvoices", "fetch_pending_invoices"),
        ("fetch_pending_invoices", "pending invoice"),
        ("XMLHttpBasketParser", "basket parser"),
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("ISBN 0-19-852663-6", "0198526636"),
        ("1,099.50", "1099.50"),
        ("KX-418-B/2", "KX418B2"),
        ("3f9ac1e07bd2548e6f1c9a4d0b7e21c58d93fa60", "3f9ac1e"),
        ("e\ufb03ciency", "efficiency"),
        ("Straße", "STRASSE"),
        ("soft\u00adhyphen", "softhyphen"),
        ("Na\u2082S\u2082O\u2083", "Na2S2O3"),
        ("M&uuml;ller", "Müller"),
        ('M\\"uller', "muller"),
        ("Stra\\ss e", "Straße"),
        ('na{\\"\\i}ve', "naïve"),
        ("\\v{S}koda und \\L{}\\'od\\'z", "Łódź"),
        ("K\\xf6ln", "Köln"),
        ("/wiki/Gr%C3%BC%C3%9Fe", "Grüße"),
        ("Z=C3=BCrich", "Zürich"),
        ("caf\\u{e9}", "Café"),
        ("Gr\\u00fc\\u00dfe", "Grüße"),
        ("Οδυσσέας", "οδυσσεας"),
        ("cafe\u0301", "café"),
        ("الْمُسْتَوْدَعُ", "المستودع"),
        ("열쇠를", "열쇠"),
        ("青岛港是一个港口", "青岛港"),
        ("İstanbul", "istanbul"),
        ("Щёголев", "Щеголев"),
    ],
)
def test_what_is_written_one_way_is_found_when_asked_another(written: str, asked: str) -> None:
    tokens = ENGLISH.query(asked)
    assert any(token.text in words(written) for token in tokens)
    needed = [token.text for token in tokens if not token.is_extra and token.text != "fy"]
    assert set(needed) <= words(written) | {"fiscal"} or any(
        token.is_extra and token.text in words(written) for token in tokens
    )


@pytest.mark.parametrize("name", ["C++", "C#", "F#"])
def test_names_of_languages_keep_their_signs(name: str) -> None:
    assert name.lower() in words(f"written in {name}, mostly")
    assert name.lower() not in words("written in C, F and a++b")


def test_a_power_is_not_glued_to_its_base() -> None:
    assert "106" not in words("2.5 × 10⁶ cells")


@pytest.mark.parametrize("one_way", ["naïve café", "NAIVE CAFÉ", "nai\u0308ve  cafe\u0301"])
def test_folding_leaves_one_form(one_way: str) -> None:
    assert folded(one_way) == "naive cafe"


@given(st.text(max_size=200))
def test_any_text_has_words_that_the_index_can_hold_and_a_query_is_found_in_its_own_text(text: str) -> None:
    made = ENGLISH.for_search(text).split()
    assert all(word and not word.isspace() for word in made)
    assert {token.text for token in ENGLISH.query(text)} <= set(made)
