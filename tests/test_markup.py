"""Markup that nobody reads is masked: it stays in the stored text, and is not embedded, searched or quoted."""

from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_chunk import BERT, assert_rules

from openrag_cli.documents.chunking.markup import fields_of, masks_of
from openrag_cli.documents.chunking.masks import unmasked
from openrag_cli.documents.chunking.outline import sections
from openrag_cli.documents.convert import convert_file
from openrag_cli.domain import Document

MARKDOWN, RST = "text/markdown", "text/x-rst"
ASCIIDOC, ORG, TEX = "text/asciidoc", "text/org", "text/x-tex"


def plain(text: str, media_type: str = MARKDOWN) -> str:
    document = Document(text, media_type=media_type, has_headings=media_type == MARKDOWN)
    shown = unmasked(text, 0, len(text), masks_of(document))
    return text if shown is None else shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [the guide](../guide.md#top) first.", "See the guide first."),
        ("![A lock at dusk](img/lock.png) opens.", "A lock at dusk opens."),
        ("[![build](https://x.example/b.svg)](https://x.example)", "build"),
        ('<ClickableImage src="/a.png" alt="x" />\nText.', "\nText."),
        ('<Tabs groupId="os">\n<TabItem value={{a: "b>"}}>\nInside.\n</TabItem>\n</Tabs>', "\n\nInside.\n\n"),
        ("<p align='center'>Middle</p> and <br/>more", "Middle and more"),
        ("import Tabs from '@theme/Tabs';\n\nWords.", "\n\nWords."),
        ("Words <!-- a note --> here {/* and */}", "Words  here "),
        ("a `<div>` in code", "a `<div>` in code"),
        ("List<String> and a < b > c", "List<String> and a < b > c"),
        ("```html\n<div>[x](y)</div>\n```\n[z](w)", "```html\n<div>[x](y)</div>\n```\nz"),
        ("[guide]: https://x.example/guide\nWords.", "\nWords."),
        ("[12:30]: Hello there\n[^1]: The note.", "[12:30]: Hello there\n[^1]: The note."),
        ("2.5 × 10<sup>6</sup> of H<sub>2</sub>O on the 12<sup>th</sup>", "2.5 × 10^6 of H_2O on the 12th"),
        ("one<br>two<br/>three", "one two three"),
        ("<tr><td>Kiel</td><td>11</td></tr>", "Kiel 11"),
        ("<b>bold</b>er <span>in</span>side", "bolder inside"),
        (":::note[Careful]\nMind the gap.\n:::", "[Careful]\nMind the gap."),
        ("# Opening {#opening}\n\nText.", "# Opening \n\nText."),
    ],
)
def test_markdown_is_shown_as_its_reader_sees_it(text: str, shown: str) -> None:
    assert plain(text).strip("\n") == shown.strip("\n").replace("\n\n\n", "\n\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Use :pep:`8` and :ref:`the index <genindex>` now.", "Use 8 and the index now."),
        ("The :py:class:`~enum.Enum` type, ``x = 1`` too.", "The enum.Enum type, x = 1 too."),
        ("Go to `the site <https://x.example>`_ or `PEP 1`_.", "Go to the site or PEP 1."),
        (".. note::\n\n   Mind the gate.", "Mind the gate."),
        (".. code-block:: python\n   :linenos:\n\n   x = 1", "x = 1"),
        (".. _label: https://x.example\n\nWords.", "Words."),
        (".. a remark to authors\n\nWords.", "Words."),
        (".. [1] The note itself.", "[1] The note itself."),
        (".. list-table:: Depots\n   :header-rows: 1\n\n   * - Kiel", "Depots\n\n   * - Kiel"),
        (".. image:: weir.png\n   :alt: A weir at dawn", "A weir at dawn"),
        (".. admonition:: Careful\n\n   Mind the gap.", "Careful\n\n   Mind the gap."),
        (":orphan:\n\nWords.", "Words."),
    ],
)
def test_restructuredtext_is_shown_as_its_reader_sees_it(text: str, shown: str) -> None:
    assert plain(f"{text}\n\nEnd.", RST).replace("\n\nEnd.", "").strip() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("// a remark\nWords.", "Words."),
        (":toc: left\n:!sectnums:\n\nWords.", "Words."),
        ("[[opening]]\n== Opening\n\nWords.", "Opening\n\nWords."),
        (
            "[source,java,linenums]\n----\nint a = 1; // <1>\n== b;\n*c*\n----\nWords.",
            "int a = 1; // <1>\n== b;\n*c*\n\nWords.",
        ),
        ("[NOTE]\n====\nMind *the* gap.\n====", "Mind the gap."),
        ("////\nhidden\n////\nWords.", "Words."),
        ("Use link:https://x.example/a_b[the site^] or xref:g.adoc#top[the guide].", "Use the site or the guide."),
        ("See https://x.example[docs, role=ext], <<top,the top>> and <<end>>.", "See docs, the top and ."),
        (
            "See link:https://x.example/a[] and https://y.example[] now.",
            "See https://x.example/a and https://y.example now.",
        ),
        ("image::img/weir.png[A weir at dawn,width=300]", "A weir at dawn"),
        ('[cols="1,2"]\n|===\n|North |Kiel\n|===', "|North |Kiel"),
        ("The barges.footnote:[Only these.] pass", "The barges. Only these. pass"),
        ("snake_case_name, 2 * 3 * 4, `a_b` and __deep__", "snake_case_name, 2 * 3 * 4, a_b and deep"),
        ("* one\n** two\n. three", "* one\n** two\n. three"),
        ("include::other.adoc[]\nifdef::x[]\nWords.\nendif::[]", "Words."),
        ("[quote, Ada Quist, Memoirs]\n____\nTo be wet.\n____", "Ada Quist, Memoirs\n\nTo be wet."),
        ("Older\n-----\n\nWords.\n\nOther\n-----\n\nMore.", "Older\n\nWords.\n\nOther\n\nMore."),
    ],
)
def test_asciidoc_is_shown_as_its_reader_sees_it(text: str, shown: str) -> None:
    assert plain(f"{text}\n\nEnd.", ASCIIDOC).replace("\n\nEnd.", "").strip() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("#+TITLE: Locks\n#+OPTIONS: toc:nil\nWords.", "Locks\n\nWords."),
        ("* Opening\n:PROPERTIES:\n:CUSTOM_ID: x\n:END:\nWords.", "Opening\n\nWords."),
        ("#+BEGIN_SRC python :results output\nx = *y*\n* z\n#+END_SRC\nWords.", "x = *y*\n* z\n\nWords."),
        ("See [[https://x.example/a_b][the site]] and [[https://y.example]].", "See the site and https://y.example."),
        ("[[file:img/weir.png]]\nWords.", "Words."),
        ("Some *bold*, /italic/, =a_b= and ~cmd --x~.", "Some bold, italic, a_b and cmd --x."),
        ("2*3*4, a_b_c and /usr/bin/env stay.", "2*3*4, a_b_c and /usr/bin/env stay."),
        ("# a remark\n- one\n- two", "- one\n- two"),
        ("#+CAPTION: Depots\n| North | Kiel |\n#+TBLFM: $2=1", "Depots\n| North | Kiel |"),
        ("#+begin_comment\nhidden\n#+end_comment\nWords.", "Words."),
        ("#+begin_quote\nTo be *wet*.\n#+end_quote", "To be wet."),
        ("barges[fn:: Only these.] pass", "barges Only these. pass"),
    ],
)
def test_org_is_shown_as_its_reader_sees_it(text: str, shown: str) -> None:
    assert plain(f"{text}\n\nEnd.", ORG).replace("\n\nEnd.", "").strip() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"The pump~\cite{q20,l21} of \textbf{bold}er \emph{men}\label{x}.", "The pump of bolder men."),
        (
            r"\moduleauthor{Joe Gregorio}{joe@x.example} and \begin{classdesc}{Http}{cache}",
            "Joe Gregorio joe@x.example and Http cache",
        ),
        ("Words. % a remark\nMore.", "Words. \nMore."),
        (r"50\,\% of \$40 \& a\_b \{c\}", "50% of $40 & a_b {c}"),
        (r"H\textsubscript{2}O, 10\textsuperscript{6}", "H_2O, 10^6"),
        (r"barges\footnote{Only these.} pass", "barges Only these. pass"),
        (r"\section{Opening}\label{sec:o}", "Opening"),
        (r"M\"uller, Stra\ss e, \c{C}a", r"M\"uller, Stra\ss e, \c{C}a"),
        (r"\href{https://x.example/a_b}{the site}, \url{https://y.example}", "the site, https://y.example"),
        (r"The energy is $E = mc^{2}$ and \[\frac{a}{b}\]", r"The energy is E = mc^{2} and \frac{a}{b}"),
        ("\\begin{lstlisting}[language=C]\n  x = {y & 1}; % z\n\\end{lstlisting}", "x = {y & 1}; % z"),
        ("\\begin{tabular}{l|r}\n\\hline\nNorth&Kiel\\\\\nSouth & Ulm\n\\end{tabular}", "North Kiel\nSouth  Ulm"),
        ("\\begin{itemize}\n\\item One\n\\item[Two] too\n\\end{itemize}", "One\nTwo too"),
        ("\\includegraphics[width=2cm]{img/weir.png}\n\\caption{A weir}", "A weir"),
        ("\\begin{comment}\nhidden\n\\end{comment}\nWords.", "Words."),
        (r"\newcommand{\foo}[1]{\textbf{#1}}Words.", "Words."),
    ],
)
def test_latex_is_shown_as_its_reader_sees_it(text: str, shown: str) -> None:
    shown_too = plain(f"{text}\n\nEnd.", TEX).replace("\n\nEnd.", "").strip()
    assert [line.strip() for line in shown_too.splitlines() if line.strip()] == [
        line.strip() for line in shown.splitlines() if line.strip()
    ]


HANDBOOKS = {
    "a.adoc": "= The *Sluice* Handbook\nAda Quist <a@x.example>\n:lang: en\n\n== Locks\n\n"
    "----\n== no\n----\n\n=== Gates\n\nWords.\n",
    "a.org": "#+TITLE: The Sluice Handbook\n#+AUTHOR: Ada Quist\n#+LANGUAGE: en\n* The Sluice Handbook\n** TODO Locks :x:\n"
    "#+BEGIN_SRC c\n* no\n#+END_SRC\n*** Gates\nWords.\n",
    "a.tex": "\\documentclass{article}\n\\title{The \\emph{Sluice} Handbook}\n\\author{Ada Quist}\n\\begin{document}\n"
    "\\maketitle\n\\part{The Sluice Handbook}\n\\section{Locks}\n\\subsection{Gates}\\label{g}\nWords.\n\\end{document}\n",
}


@pytest.mark.parametrize("name", HANDBOOKS)
def test_headings_and_fields_of_other_markup_are_known(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(HANDBOOKS[name])
    document = convert_file(path, name)
    assert document.markdown == HANDBOOKS[name]
    assert document.metadata["title"] == "The Sluice Handbook"
    assert document.metadata["author"] == "Ada Quist"
    assert sections(document)[-1].path == ("The Sluice Handbook", "Locks", "Gates")
    (span,) = assert_rules(document, 256)
    assert document.markdown[span.start : span.end] == span.text
    assert "Words." in span.indexed
    assert not any(mark in span.indexed for mark in ("\\", "#+", ":lang:", "----", "documentclass"))


@pytest.mark.parametrize(
    ("media_type", "text"),
    [
        (ASCIIDOC, "----x\n"), (ASCIIDOC, "////\n//// \n"), (ASCIIDOC, "image::a["), (ASCIIDOC, "link:a["), (ASCIIDOC, "*a "),
        (ASCIIDOC, "http://a"), (ASCIIDOC, "[[a"), (ASCIIDOC, "<<a,"),
        (ORG, ":PROPERTIES:\n"), (ORG, "#+begin_src\n"), (ORG, "[[a]["), (ORG, "[[a"), (ORG, " *a"), (TEX, "\\begin{verbatim}"),
        (TEX, "\\begin{comment}"), (TEX, "$a"), (TEX, "\\[a"), (TEX, "\\textcolor{"), (TEX, "{{"), (TEX, "\\item["),
        (TEX, "\\verb|a"),
        (TEX, "\\begin{equation}\\label{a}"), (TEX, "\n %"),
    ],
)  # fmt: skip
def test_markup_that_is_never_closed_costs_no_more_than_its_length(media_type: str, text: str) -> None:
    def calls(n_times: int) -> float:
        document = Document(text * n_times, media_type=media_type)
        started = process_time()
        masks_of(document)
        sections(document)
        return process_time() - started

    assert min(calls(2_000) for _ in range(3)) < 12 * min(calls(500) for _ in range(3)) + 0.05


def test_front_matter_is_masked_and_its_fields_are_metadata(tmp_path: Path) -> None:
    head = '---\ntitle: "Locks"\nid: lock-guide\ntags: [water, gate]\norder: 7\nteam:\n  - Ada\n  - Bo\n---\n'
    text = f"{head}\n# Locks\n\nHow they work.\n"
    path = tmp_path / "a.mdx"
    path.write_text(text)
    document = convert_file(path, "a.mdx")
    assert document.markdown == text
    known = {"title": "Locks", "id": "lock-guide", "tags": ["water", "gate"], "order": 7, "team": ["Ada", "Bo"]}
    assert document.metadata == known
    (span,) = assert_rules(document, 256)
    assert span.indexed == "# Locks\n\nHow they work."
    assert "lock-guide" not in BERT.chunkers[256].passage(span)
    assert text[span.start : span.end] == span.text
    assert span.line_end == text[: span.end].count("\n") + 1


TOML = '+++\ntitle = "Cranes"\ndate = 2024-01-02\ntags = ["lift", "quay"]\nweight = 7\n[extra]\nkey = "deep"\n+++\n'
JSON = """{
  "title": "Cranes",
  "date": "2024-01-02",
  "tags": ["lift", "quay"],
  "weight": 7,
  "extra": {"key": "deep"}
}
"""


@pytest.mark.parametrize("head", [TOML, JSON], ids=["toml", "json"])
def test_front_matter_in_toml_and_json_is_masked_and_its_fields_are_metadata(tmp_path: Path, head: str) -> None:
    text = f"{head}\n## Lifting\n\nThe crane lifts nine tonnes.\n"
    path = tmp_path / "a.md"
    path.write_text(text)
    document = convert_file(path, "a.md")
    assert document.markdown == text
    assert document.metadata == {"title": "Cranes", "date": "2024-01-02", "tags": ["lift", "quay"], "weight": 7}
    (span,) = assert_rules(document, 256)
    assert span.indexed == "## Lifting\n\nThe crane lifts nine tonnes."
    assert span.heading[0] == "Cranes"
    assert span.line_end == text[: span.end].count("\n") + 1


@pytest.mark.parametrize(
    "head",
    ["+++\nno table\n+++\n", "+++\n", '{"a": 1} is JSON.\n', "{ not: json }\n", "{}\n", "[1]\n", "{" * 5_000 + "\n"],
)
def test_what_looks_like_front_matter_and_is_none_stays(head: str) -> None:
    document = Document(f"{head}\nWords.\n", media_type=MARKDOWN, has_headings=True)
    assert masks_of(document) == ()
    assert fields_of(document.markdown, MARKDOWN) == {}


def test_texts_of_several_lines_in_front_matter_lose_their_marks() -> None:
    text = "---\nsummary: >\n  Of two\n  lines.\ntags: [a,\n  b]\nmore: |-\nempty:\n---\nWords.\n"
    assert fields_of(text, MARKDOWN) == {"summary": "Of two lines.", "tags": ["a", "b"]}


def test_the_head_of_a_pep_is_masked_and_its_fields_are_metadata(tmp_path: Path) -> None:
    head = "PEP: 719\nTitle: Release Schedule\nAuthor: Ada <ada@x.example>\nCreated: 26-May-2023\n"
    text = f"{head}\n\nAbstract\n========\n\nDates.\n"
    path = tmp_path / "a.rst"
    path.write_text(text)
    document = convert_file(path, "a.rst")
    assert document.metadata["Created"] == "26-May-2023"
    assert document.metadata["PEP"] == 719
    (span,) = assert_rules(document, 256)
    assert span.indexed == "Abstract\n========\n\nDates."
    assert span.heading[0] == "Release Schedule"


def test_a_document_of_markup_alone_keeps_it() -> None:
    assert masks_of(Document("---\ntitle: Locks\n---\n", media_type=MARKDOWN, has_headings=True)) == ()


def test_a_text_that_is_no_markup_has_no_masks() -> None:
    for text in ("a < b and c > d", "note: this is prose\n\nmore", "if x[0](y): pass"):
        assert masks_of(Document(text, media_type="text/plain")) == ()


@given(
    st.text(alphabet="<>[](){}`~'\"=-:#!|/\\$%&*+_ \nabAB.", max_size=200),
    st.sampled_from([MARKDOWN, RST, ASCIIDOC, ORG, TEX]),
)
def test_masks_are_in_order_and_inside_the_text(text: str, media_type: str) -> None:
    document = Document(text, media_type=media_type, has_headings=media_type == MARKDOWN)
    position = 0
    for start, end in masks_of(document):
        assert position <= start < end <= len(text)
        position = end
    fields_of(text, media_type)
