"""Marks in an answer: only those that name something shown are left, wherever the stream is cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.answering.citations import CitationFilter, without_marks

PIECES = st.lists(
    st.sampled_from(
        [
            "[1]",
            "[2]",
            "[9]",
            "[1, 3]",
            "[",
            "]",
            "(",
            " ",
            "\n",
            "`",
            "```",
            "~~~",
            "word",
            "7",
            ",",
            "[x]",
            "é",
            "[[1]]",
            "$",
            "$x ",
            "\\",
            "\\begin{align}",
            "\\end{align}",
            "{",
            '{"',
            "}",
            "|",
            "**",
            "<sup>",
            "[Source 1",
            ", p. 3]",
            "=",
            "<code>",
            "</code>",
            "    ",
            "list ",
            ".",
        ]
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
        assert re.fullmatch(r"\[[^\n]+\]", shown[mark.start : mark.end])
        assert str(mark.number) in shown[mark.start : mark.end]
        assert 1 <= mark.number <= 3


UNTOUCHED = [
    '{"ids": [41, 42], "best": [7]}',
    '  {"a": [1]}',
    "int a[9]; first = a[0];",
    "x = [1, 2, 3]",
    "xs.append(ys[7])",
    r"The cube root is \sqrt[3]{8}, the fifth \sqrt[5]{32}.",
    r"\[ a_{1} [9] \] and \( b [8] \) and $$ c [7] $$",
    "| a[9] | [8] |\n|---|---|\n| 7 [9] | x |",
    "[1, 2]",
    "[9]: http://example.org",
    "use [0-9] or [4-9]",
    "K [1](http://x) and ![7](y.png)",
    "`x[9]` and\n```\ny [8]\n```",
    # code
    "~~~python\ny [8]\n~~~\n",
    "````\n```\nz [9]\n````",
    "```\nan open block [9]",
    "row [2] = [7, 8];",
    "f(x)[7] + g[8]",
    # JSON
    '\n\n{"ids": [41, 42]}',
    'It is {"ids": [1, 2], "best": [7]}',
    'As JSON:\n{\n  "why": "see [9]",\n  "ids": [8]\n}',
    "[{'a': [1, 9]}, {'b': [2]}]",
    "[\n  7,\n  8\n]",
    '"ids": [1, 2],',
    # mathematics
    r"$x \in [1, 5]$ and $[7, 8]$",
    r"\begin{align} x &\in [7, 9] \\ y \end{align}",
    r"\begin{pmatrix} a [9] \end{pmatrix}",
    r"where p \in [1, 7], x^[9]",
    "a share within [0, 1]",
    "$$\na [9]\n$$",
    # tables
    "name | value\n---|---\nkeys | list [9]",
    "| a |\n|---|\n| x [9], y [8] |",
    # what is named by brackets, and is no passage
    "[^1]: ops/keys.md",
    "[Keys][9] and [1.2] and [v9]",
    "issue [#9], [12345]",
    # code in HTML, and code that is indented
    "<code>x [9]</code> and <pre>\ny [8]\n</pre>",
    "As:\n\n    row [2]\n    y [9]\n",
    "\tcell [9]\n",
    # a list that is the value of what is said
    "The output is [1, 2, 3].",
    "for i in [1, 2, 3]: pass",
    "It returns [1, 2] when called.",
    # a name that goes on
    "report [9].pdf and copy [8].2.txt",
]
NAMED = [
    "The regex [1-3] matches one digit.",
    "Its pattern is [1-3], others like [2-4].",
    "Le motif [1-3] et l'intervalle [1, 3].",
    "Das Muster [1-3] und das Intervall: [1, 3]",
    "a value between [1, 3]",
    "The array [1, 2, 3] is sorted, the list [3, 1] is not.",
    "A tensor of shape [1, 3]",
    "x \u2208 [1, 3]",
    'the line "[1] error" appears',
    "the glob '[1-3]'",
    "they won by [3-1]",
]
"""What is named as something else than a passage."""


@pytest.mark.parametrize("text", NAMED)
def test_what_is_named_as_a_pattern_or_a_value_is_no_citation(text):
    for cuts in ([], list(range(len(text)))):
        shown, checked = show(text, cuts)
        assert (shown, checked.cited, checked.unknown) == (text, [], [])


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_citation_is_left_letter_by_letter(text):
    for cuts in ([], list(range(len(text)))):
        assert show(text, cuts)[0] == text


@pytest.mark.parametrize(
    ("text", "shown", "cited"),
    [
        ("D 【1】.", "D [1].", [1]),
        ("D 【2†source】.", "D [2].", [2]),
        ("C [Source 1] and [passage 2].", "C [1] and [2].", [1, 2]),
        ("E [^1].", "E [1].", [1]),
        ("F [1-3].", "F [1][2][3].", [1, 2, 3]),
        ("I [ 2 ].", "I [2].", [2]),
        ("days[1].", "days[1].", [1]),
        ("「です」[1]。", "「です」[1]。", [1]),
        ("| api | 90 days [1] |", "| api | 90 days [1] |", [1]),
        ("[1] Every 90 days", "[1] Every 90 days", [1]),
        ("D 【2:0†keys.md】 and 〖1〗 and ［3］.", "D [2] and [1] and [3].", [2, 1, 3]),
        ("C [Source #1], [Ref. 2] and [source_3].", "C [1], [2] and [3].", [1, 2, 3]),
        ("C [Quelle 1], [Fuente: 2], [Extrait 3].", "C [1], [2], [3].", [1, 2, 3]),
        ("C [Source 1, page 3] and [2, p. 4-5].", "C [1] and [2].", [1, 2]),
        ("C [Source 1; Source 3].", "C [1][3].", [1, 3]),
        ("C [citation:3].", "C [3].", [3]),
        ("F [1–3] and [1, 2 and 3].", "F [1][2][3] and [1][2][3].", [1, 2, 3]),
        ("F [1], [2], and [3].", "F [1], [2], and [3].", [1, 2, 3]),
        ("F [1]; [2]/[3].", "F [1]; [2]/[3].", [1, 2, 3]),
        ("F ([1], [2]).", "F ([1], [2]).", [1, 2]),
        ("F **[1]** and <sup>[2]</sup>.", "F **[1]** and <sup>[2]</sup>.", [1, 2]),
        ("F [[1]] and [[2, 3]].", "F [1] and [2][3].", [1, 2, 3]),
        ("It costs $5 [1] and 6$ [2].", "It costs $5 [1] and 6$ [2].", [1, 2]),
        ("Set $PATH first [1].", "Set $PATH first [1].", [1]),
        ("{user} must rotate [1].", "{user} must rotate [1].", [1]),
        ("As described in [1, 2], they rotate.", "As described in [1, 2], they rotate.", [1, 2]),
        ("Keys rotate [1, 2] every 90 days.", "Keys rotate [1][2] every 90 days.", [1, 2]),
        ("<p>x < 3 [1] and <b>y</b> [2].</p>", "<p>x < 3 [1] and <b>y</b> [2].</p>", [1, 2]),
        ("- one [1]\n    - two [2]\n\n    more [3]", "- one [1]\n    - two [2]\n\n    more [3]", [1, 2, 3]),
        ("It is so [1].Next, <code>a[9]</code> [2].", "It is so [1].Next, <code>a[9]</code> [2].", [1, 2]),
        (r"\begin{align} x \end{align} as [2] says", r"\begin{align} x \end{align} as [2] says", [2]),
    ],
)
def test_the_forms_that_models_use_are_citations(text, shown, cited):
    for cuts in ([], list(range(len(text)))):
        found, checked = show(text, cuts)
        assert (found, checked.cited) == (shown, cited)


def test_where_nothing_was_retrieved_or_json_was_asked_for_nothing_is_a_mark():
    for checked in (CitationFilter(0), CitationFilter(3, is_verbatim=True)):
        assert checked.feed("See [1] and [9].") + checked.close() == "See [1] and [9]."
        assert not checked.marks


def test_marks_of_earlier_answers_are_left_out_and_code_is_not():
    assert without_marks("Every 90 days [1][2]. `a[1]` x[0] [link](y)") == "Every 90 days. `a[1]` x[0] [link](y)"


def test_an_answer_in_one_piece_is_read_in_linear_time():
    def steps(n):
        counted = 0

        class Counting(CitationFilter):
            def _step(self, held, at, shown, *, is_last):
                nonlocal counted
                counted += 1
                return super()._step(held, at, shown, is_last=is_last)

        checked = Counting(2)
        checked.feed("Rotate the key [1] and tell [2]. " * n)
        checked.close()
        return counted

    assert steps(2000) <= 2.1 * steps(1000)


def test_a_quotation_keeps_its_own_brackets_and_gets_one_mark():
    checked = CitationFilter(2)
    shown = checked.quote("See a[9] and [1].", 2) + checked.close()
    assert shown == "See a[9] and [1]. [2]"
    assert [(mark.number, shown[mark.start : mark.end]) for mark in checked.marks] == [(2, "[2]")]
