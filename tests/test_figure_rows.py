"""Rows of figures as they are embedded: by their label and first figure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.chunking.figure_rows import first_figures
from openrag_cli.domain import Span
from tests.test_chunk import BERT


@pytest.mark.parametrize(
    ("line", "embedded"),
    [
        ("Net sales 1,820.5 1,705.1 1,640.0", "Net sales 1,820.5"),
        ("Income tax $ (401,136) 3.9% $ 309,992 3.6 %", "Income tax $ (401,136)"),
        ("Umsatz 1.234,5 1.102,0 — 7", "Umsatz 1.234,5"),
        ("| Quin Quill | 24 | 12 |", "| Quin Quill | 24"),
        ("Fiscal 2031 2030 12,345 11,000", "Fiscal 2031 2030 12,345"),
        ("Shares sold 12 in 2031 2030", "Shares sold 12 in 2031 2030"),
        ("أرباح 1,820 1,705", "أرباح 1,820"),
        ("Shares 12 2031 2030 7", "Shares 12 2031 2030"),
    ],
)
def test_a_row_keeps_its_label_its_first_figure_and_years(line: str, embedded: str) -> None:
    assert first_figures(f"above\n{line}\nbelow") == f"above\n{embedded}\nbelow"


@pytest.mark.parametrize(
    "line",
    [
        "2031 2030",
        "In the years 2029, 2030 and 2031",
        "12 34 56",
        "It was signed on July 30, 2031",
        "Chapter 4",
        "    pairs = [1, 2, 3]",
        "one 1 two 2",
        "",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert first_figures(line) == line
    assert first_figures(f"words\n{line}\nwords") == f"words\n{line}\nwords"


@given(st.text(alphabet="ab 12.,$%()|\n—"))
def test_what_is_left_out_is_only_figures_and_what_stands_between(text: str) -> None:
    embedded = first_figures(text)
    assert len(embedded) <= len(text)
    assert [line.split()[:1] for line in embedded.split("\n")] == [line.split()[:1] for line in text.split("\n")]
    assert [char for char in embedded if char.isalpha()] == [char for char in text if char.isalpha()]
    assert first_figures(embedded) == embedded


def test_only_what_is_embedded_is_shorter() -> None:
    text = "Net sales 1,820.5 1,705.1"
    span = Span(text, 0, len(text), 1, 1, None, ("Results",))
    assert BERT.chunkers[256].passage(span) == f"Results\n{text}"
    assert BERT.chunkers[256].embedded(span) == "Results\nNet sales 1,820.5"
