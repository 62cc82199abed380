"""Markup that nobody reads is masked: it stays in the stored text, and is not embedded, searched or quoted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_chunk import BERT, assert_rules

from openrag_cli.documents.chunking.markup import fields_of, masks_of
from openrag_cli.documents.chunking.masks import unmasked
from openrag_cli.documents.convert import convert_file
from openrag_cli.domain import Document

MARKDOWN, RST = "text/markdown", "text/x-rst"


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


@given(st.text(alphabet="<>[](){}`~'\"=-:#!|/ \nabAB.", max_size=200), st.sampled_from([MARKDOWN, RST]))
def test_masks_are_in_order_and_inside_the_text(text: str, media_type: str) -> None:
    document = Document(text, media_type=media_type, has_headings=media_type == MARKDOWN)
    position = 0
    for start, end in masks_of(document):
        assert position <= start < end <= len(text)
        position = end
    fields_of(text, media_type)
