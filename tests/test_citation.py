"""Marks in an answer: only those that name something shown are left, wherever the stream is cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.answering.citations import CitationFilter

PIECES = st.lists(
    st.sampled_from(
        ["[1]", "[2]", "[9]", "[1, 3]", "[", "]", "(", " ", "\n", "`", "```", "word", "7", ",", "[x]", "é"]
    ),
    max_size=30,
).map("".join)


def show(text: str, cuts: list[int], n_passages: int = 3) -> tuple[str, CitationFilter]:
    checked = CitationFilter(n_passages)
    shown = ""
    at = 0
    for cut in sorted({cut % (len(text) + 1) for cut in cuts}):
        shown += checked.feed(text[at:cut])
        at = cut
    return shown + checked.feed(text[at:]) + checked.close(), checked


@pytest.mark.parametrize(
    ("text", "shown", "cited", "unknown"),
    [
        ("Every 90 days [1], and [2, 9].", "Every 90 days [1], and [2].", [1, 2], [9]),
        ("Nothing [7]. Left", "Nothing. Left", [], [7]),
        ("both [2][1]", "both [2][1]", [2, 1], []),
        ("in code `x[9]` and\n```\ny[8]\n``` [3]", "in code `x[9]` and\n```\ny[8]\n``` [3]", [3], []),
        ("a lone ` here\nand [9] there [1]", "a lone ` here\nand there [1]", [1], [9]),
        ("a [link](http://x) and [1](http://y)", "a [link](http://x) and [1](http://y)", [], []),
        ("the year [1987] and [x]", "the year [1987] and [x]", [], []),
        ("the end [", "the end [", [], []),
    ],
)
def test_marks_that_name_nothing_shown_are_taken_out(text, shown, cited, unknown):
    for cuts in ([], list(range(len(text)))):
        found, checked = show(text, cuts)
        assert (found, checked.cited, checked.unknown) == (shown, cited, unknown)


@given(PIECES, st.lists(st.integers(0, 200), max_size=8))
def test_how_the_stream_is_cut_changes_nothing(text, cuts):
    whole, one = show(text, [])
    cut, other = show(text, cuts)
    assert (whole, one.marks, one.unknown) == (cut, other.marks, other.unknown)


@given(PIECES, st.lists(st.integers(0, 200), max_size=8))
def test_every_mark_is_where_it_says_and_names_something(text, cuts):
    shown, checked = show(text, cuts)
    for mark in checked.marks:
        assert shown[mark.start : mark.end] == f"[{mark.number}]"
        assert 1 <= mark.number <= 3
    if "`" not in text and "(" not in text:
        assert {int(digits) for digits in re.findall(r"\[(\d{1,3})\]", shown)} <= {1, 2, 3}


def test_a_quotation_keeps_its_own_brackets_and_gets_one_mark():
    checked = CitationFilter(2)
    shown = checked.quote("See a[9] and [1].", 2) + checked.close()
    assert shown == "See a[9] and [1]. [2]"
    assert [(mark.number, shown[mark.start : mark.end]) for mark in checked.marks] == [(2, "[2]")]
