"""Sections and headings of Markdown, reStructuredText, AsciiDoc, Org and LaTeX."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.chunking.outline import MAX_TITLE_CHARS, sections
from openrag_cli.domain import Document

MARKDOWN, RST, LATEX = "text/markdown", "text/x-rst", "text/x-tex"
ASCIIDOC, ORG = "text/asciidoc", "text/org"


def paths(text, media_type=MARKDOWN):
    return [
        section.path
        for section in sections(Document(text, media_type=media_type, has_headings=media_type == MARKDOWN))
    ]


def test_a_heading_stands_under_the_headings_above_it():
    text = "intro\n# A\na\n## B\nb\n#### C\nc\n## D\nd\n# E\n"
    assert paths(text) == [(), ("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_a_section_begins_at_its_heading_and_its_text_after_it():
    text = "# A\none\n\nB\n-\ntwo\n"
    assert [(text[s.start : s.body], text[s.body : s.end]) for s in sections(Document(text, has_headings=True))] == [
        ("# A", "\none\n\n"),
        ("B\n-", "\ntwo\n"),
    ]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# Plain", "Plain"),
        ("   ## Indented ##  ", "Indented"),
        ("# C#", "C#"),
        ("# `code` and **bold** and [a link](http://x.org)", "code and bold and a link"),
        ('# <a id="x"></a>Anchor {#anchor}', "Anchor"),
        ("# snake_case_name * 2", "snake_case_name * 2"),
        ("Setext\n===", "Setext"),
    ],
)
def test_a_title_is_plain_text(line, title):
    assert paths(f"{line}\n\ntext") == [(title,)]


@pytest.mark.parametrize(
    "text",
    [
        "#hashtag\n#!/bin/sh\n####### seven\n    # indented code\n",
        "```sh\n# comment\n```\n",
        "````\n```\n# comment\n```\n# still code\n````\n",
        "~~~\n# comment\n```\n# comment\n~~~\n",
        "```\n# a fence that never ends\n",
        "paragraph\n\n---\n\n***\nparagraph\nof two lines\n---\n",
        "- item\n---\n",
        "| a |\n| - |\n",
        "---\nname: x\n# comment\n---\ntext\n",
    ],
)
def test_these_are_not_headings(text):
    assert paths(text) == [()]


def test_headings_after_a_closed_fence_count_again():
    assert paths("```\n# no\n```\n# yes\n") == [(), ("yes",)]


def test_the_title_of_the_front_matter_is_the_outermost_heading():
    assert paths('---\ntitle: "Guide"\nid: x\n---\n\ntext\n\n## Use\n\nmore') == [("Guide",), ("Guide", "Use")]


def test_a_first_heading_that_repeats_the_title_is_not_doubled():
    assert paths("---\ntitle: Guide\n---\n\n# Guide\n\ntext\n\n## Use\n")[1:] == [("Guide",), ("Guide", "Use")]


def test_restructuredtext_levels_follow_the_order_of_adornments():
    text = "=====\nTitle\n=====\n\nintro\n\nOne\n===\n\na\n\nSub\n---\n\nb\n\nTwo\n===\n\n"
    text += "::\n\n    Code\n    ----\n\n----\n\nc\n"
    assert paths(text, RST) == [("Title",), ("Title", "One"), ("Title", "One", "Sub"), ("Title", "Two")]


def test_the_title_field_of_a_pep_is_the_outermost_heading():
    assert paths("PEP: 8\nTitle: Style Guide\nStatus: Active\n\n\nNaming\n======\n\ntext\n", RST) == [
        ("Style Guide",),
        ("Style Guide", "Naming"),
    ]


def test_a_restructuredtext_table_is_not_a_heading():
    assert paths("text\n\n=====  =====\nA      B\n=====  =====\n1      2\n=====  =====\n", RST) == [()]


def test_latex_commands_are_headings():
    text = "\\title{T}\n\\section{Intro}\\label{s}\ntext\n\\subsection*{With \\emph{style}}\nmore\n% \\section{no}\n"
    assert paths(text, LATEX) == [(), ("Intro",), ("Intro", "With style")]


def test_other_text_has_no_headings():
    assert paths("# a comment\nTitle\n=====\n", "text/x-shellscript") == [()]


def test_a_very_long_title_is_cut():
    ((title,),) = paths("# " + "x" * 10_000 + "\n")
    assert len(title) == MAX_TITLE_CHARS


LINES = st.sampled_from(
    [
        "# A",
        "## B #",
        "#",
        "",
        " ",
        "text",
        "===",
        "---",
        "-",
        "```",
        "~~~~",
        "    code",
        "title: x",
        "\\section{S}",
        "== C  D",
        "*** E",
        "----",
        "#+begin_src c",
        "....",
        "> q",
        "| a |",
    ]
)


@given(st.lists(LINES | st.text(max_size=10), max_size=30), st.sampled_from([MARKDOWN, RST, LATEX, ASCIIDOC, ORG]))
def test_sections_are_the_whole_text_in_order(lines, media_type):
    text = "\n".join(lines)
    found = sections(Document(text, media_type=media_type, has_headings=media_type == MARKDOWN))
    assert "".join(text[section.start : section.end] for section in found) == text
    assert all(section.start <= section.body <= section.end for section in found)
    assert all(title and title == " ".join(title.split()) for section in found for title in section.path)
