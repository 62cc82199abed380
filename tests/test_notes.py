"""The guard: what a reader leaves out is told, and what it loses without a word is found by counting letters."""

from pathlib import Path

import pytest
from documents import docx_paragraph, make_docx, make_odt
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.notes import MAX_WARNINGS, Notes, bounded, letters
from openrag_cli.domain import DocumentWarning

TEXT = "The harbour master keeps the tide tables in the blue cabinet."


@given(st.text(), st.text())
def test_letters_do_not_depend_on_order_marks_or_forms(one: str, other: str) -> None:
    assert letters(one + other) == letters(other + " *" + one)
    assert letters("ﬁ ² é") == letters("e\u0301 2 fi")


@pytest.mark.parametrize(("kept", "is_lost"), [(1.0, False), (0.92, False), (0.85, True), (0.0, True)])
def test_a_text_that_lost_a_tenth_of_its_letters_is_warned_of(kept: float, is_lost: bool) -> None:
    source = "abcdefghij" * 20
    lost = Notes().lost([source], source[: int(kept * len(source))])
    assert (lost is not None) == is_lost
    assert lost is None or (lost.code, "%" in lost.message) == ("text_lost", True)


def test_what_was_left_out_with_a_word_is_not_missed() -> None:
    notes = Notes()
    notes.hide("the hidden price is 11")
    notes.leave_out("linked picture", "a caption")
    notes.leave_out("linked picture")
    assert notes.lost([TEXT, "the hidden price is 11", "a caption"], TEXT) is None
    assert [(warning.code, warning.message) for warning in notes.told()] == [
        (
            "hidden_text_left_out",
            "1 hidden piece of text (22 characters), which readers do not see, left out",
        ),
        ("left_out", "left out: 2 linked pictures"),
    ]


def test_a_file_keeps_a_bounded_number_of_warnings() -> None:
    every = bounded(DocumentWarning("x", f"part {n}") for n in range(1000))
    assert len(every) == MAX_WARNINGS
    assert every[-1].message == f"{1000 - MAX_WARNINGS + 1} more warnings"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.docx",
            make_docx(docx_paragraph("x") + f"<w:p><w:unheard><w:r><w:t>{TEXT}</w:t></w:r></w:unheard></w:p>"),
        ),
        ("a.odt", make_odt("<text:p><text:unheard>" + TEXT + "</text:unheard></text:p>")),
        ("a.html", f"<p><unheard>{TEXT}</unheard>".encode()),
    ],
)
def test_every_reader_keeps_an_element_it_does_not_know_or_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    document = convert_file(path, name)
    assert TEXT in document.markdown or document.warnings
